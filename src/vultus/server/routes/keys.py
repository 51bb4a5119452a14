"""Keys of the service."""

from typing import Annotated

from fastapi import Path

from vultus.server.access import AccessKey, Role
from vultus.server.context import WholeAdmin
from vultus.server.idempotency import material_now
from vultus.server.problems import ProblemError
from vultus.server.routing import make_router
from vultus.server.schemas import KeyMade, Keys, KeyTold, KeyWanted

KeyId = Annotated[str, Path(max_length=64, description="As the list tells it.")]

router = make_router("/v1/keys", "keys", 404, 411, 413)


@router.get("")
def list_keys(caller: WholeAdmin) -> Keys:
    """All keys, without the keys themselves."""
    return Keys(keys=[_told(key) for key in caller.context.keys.listed()])


@router.post("", status_code=201)
def make_key(caller: WholeAdmin, wanted: KeyWanted) -> KeyMade:
    """Make a key; the answer has it, and it is never told again."""
    key, text = caller.context.keys.add(
        Role[wanted.role], wanted.galleries, material=material_now("key")
    )
    return KeyMade(**_told(key).model_dump(), key=text)


@router.delete("/{key_id}", status_code=204)
def take_back(caller: WholeAdmin, key_id: KeyId) -> None:
    """Take a key back: from now on it opens nothing."""
    if not caller.context.keys.remove(key_id):
        raise ProblemError(
            404, "key-not-found", "there is no such key, or it lies in the administrator's file"
        )


def _told(key: AccessKey) -> KeyTold:
    return KeyTold(
        id=key.id,
        role=key.role,
        galleries=None if key.galleries is None else list(key.galleries),
        created_at=key.created_at,
    )

"""Keys of the service."""

from typing import Annotated

from fastapi import APIRouter, Depends

from vultus.server.access import AccessKey, Role
from vultus.server.context import Caller, caller_with
from vultus.server.problems import ProblemError, responses
from vultus.server.schemas import KeyMade, Keys, KeyTold, KeyWanted

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=responses(404, 411, 413))


def _whole_service(caller: Annotated[Caller, Depends(caller_with(Role.admin))]) -> Caller:
    """An administrator of some galleries must not make a key for others."""
    if caller.key.galleries is not None:
        raise ProblemError(403, "forbidden", "keys are made by an administrator of all galleries")
    return caller


Admin = Annotated[Caller, Depends(_whole_service)]


@router.get("")
def list_keys(caller: Admin) -> Keys:
    """All keys, without the keys themselves."""
    return Keys(keys=[_told(key) for key in caller.context.keys.listed()])


@router.post("", status_code=201)
def make_key(caller: Admin, wanted: KeyWanted) -> KeyMade:
    """Make a key; the answer has it, and it is never told again."""
    key, text = caller.context.keys.add(Role[wanted.role], wanted.galleries)
    return KeyMade(**_told(key).model_dump(), key=text)


@router.delete("/{key_id}", status_code=204)
def take_back(caller: Admin, key_id: str) -> None:
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

"""Operations of the service: keys. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTold:
    """A key, without the key itself.

    Attributes:
        id: Id.
        role: Role.
        galleries: Galleries.
        created_at: Created at.
    """

    id: str
    role: str
    galleries: tuple[str, ...] | None
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """All keys.

    Attributes:
        keys: Keys.
    """

    keys: tuple[KeyTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMade:
    """A key that was made.

    Attributes:
        id: Id.
        role: Role.
        galleries: Galleries.
        created_at: Created at.
        key: The key itself: it is never told again.
    """

    id: str
    role: str
    galleries: tuple[str, ...] | None
    created_at: str
    key: str


def list_keys() -> Call[Keys]:
    """All keys, without the keys themselves."""
    return Call("GET", "/v1/keys", Keys, repeatable=True)


def make_key(
    *,
    role: Literal["reader", "operator", "admin"],
    galleries: Sequence[str] | Unset | None = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[KeyMade]:
    """Make a key; the answer has it, and it is never told again.

    Args:
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        role: Role.
        galleries: Ids; null for all.
    """
    return Call(
        "POST",
        "/v1/keys",
        KeyMade,
        headers={"Idempotency-Key": idempotency_key},
        body={"role": role, "galleries": galleries},
        keyed=True,
    )


def take_back(key_id: str) -> Call[None]:
    """Take a key back: from now on it opens nothing.

    Args:
        key_id: As the list tells it.
    """
    return Call("DELETE", f"/v1/keys/{quoted(key_id)}", type(None), repeatable=True)

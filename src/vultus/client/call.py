"""An operation of a service that is to be asked for; sending it is a client's work."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar, cast
from urllib.parse import quote

from vultus.client.photos import Photo, photo_bytes
from vultus.core.errors import InputError

T = TypeVar("T")


class Unset(Enum):
    """What is not sent, so that the service decides; None is sent as null."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET

Files = Mapping[str, Photo | Sequence[Photo]]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and what its answer is.

    Attributes:
        method: Of HTTP.
        path: Of the operation, its parts quoted.
        gives: What the answer is read as: a dataclass, ``dict``, ``bytes`` or None.
        query: Parameters; what is `UNSET` is left out.
        headers: Likewise.
        form: Fields of a form; a mapping is sent as JSON, a list once for each.
        files: Files of the form.
        body: Sent as JSON, if there is one.
        repeatable: Whether it may be sent again when nobody knows if it was done: it changes
            nothing, or the same change twice is one.
        keyed: Whether an Idempotency-Key makes it so.
    """

    method: str
    path: str
    gives: type[T]
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, Any] | None = None
    files: Files = field(default_factory=dict)
    body: Any = UNSET
    repeatable: bool = False
    keyed: bool = False

    def request(self) -> dict[str, Any]:
        """Arguments of a request of httpx; files are read, so that it can be sent twice.

        Raises:
            InputError: If a photo is none.
            OSError: If its file cannot be read.
        """
        told: dict[str, Any] = {"method": self.method, "url": self.path}
        told["params"] = _fields(self.query)
        told["headers"] = {name: str(value) for name, value in _given(self.headers).items()}
        if self.form is not None:
            told["data"] = _fields(self.form)
            told["files"] = [
                # A name, so that it is a file; never that of the photo, which may tell somebody's.
                (name, ("photo", photo_bytes(photo)))
                for name, photos in self.files.items()
                for photo in _several(photos)
            ]
        elif self.body is not UNSET:
            body = _given(self.body) if isinstance(self.body, dict) else self.body
            told["json"] = body
        elif self.method in ("POST", "PUT", "PATCH"):
            told["content"] = b""  # so that it says its length
        return told


def _several(photos: Photo | Sequence[Photo]) -> Sequence[Photo]:
    return photos if isinstance(photos, (list, tuple)) else [cast(Photo, photos)]


def quoted(part: str | int) -> str:
    """A part of an address.

    Raises:
        InputError: If it is empty, or would be another address.
    """
    text = quote(str(part), safe="")
    # Servers undo the quoting of a slash before they look where an address leads.
    if text in ("", ".", "..") or "/" in str(part):
        raise InputError(f"a part of an address must be an id, got {part!r}")
    return text


def read(kind: Any, value: Any) -> Any:
    """A JSON value as what it was told to be; what newer services tell beside it is left out.

    Raises:
        InputError: If a field is missing or of another kind.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or origin is Literal:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return read(next(part for part in inner if part is not type(None)), value)
    if origin is tuple and isinstance(value, list):
        part = inner[0]
        return tuple(read(part, item) for item in value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = _hints(kind)
        missing = [
            part.name
            for part in dataclasses.fields(kind)
            if part.name not in value and part.default is dataclasses.MISSING
        ]
        if missing:
            raise InputError(f"an answer must have {', '.join(missing)}; is it an older service?")
        return kind(
            **{name: read(hint, value[name]) for name, hint in hints.items() if name in value}
        )
    plain = origin or kind
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(plain, type) and isinstance(value, plain):
        return value
    raise InputError(f"an answer must hold {kind}, got {type(value).__name__}")


@lru_cache(maxsize=256)
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not UNSET}


def _fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As a form or a query has them."""
    return {
        name: [_text(item) for item in value] if isinstance(value, (list, tuple)) else _text(value)
        for name, value in _given(fields).items()
        if value is not None
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict) else str(value)

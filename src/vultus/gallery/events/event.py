"""An event: what happened, when, where and to whom; and which kinds of events there are."""

import json
import re
import secrets
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from vultus.core.errors import InputError
from vultus.core.text import did_you_mean
from vultus.gallery.people.names import normalise_identity

EVENT_TYPES: dict[str, str] = {
    "appeared": "a face came into view",
    "left": "a face is no longer in view",
    "recognised": "a face is of somebody who is enrolled",
    "unknown": "a face is of nobody who is enrolled, as far as one can tell",
    "revised": "what an earlier event said of a face was wrong; `revises` has its id",
    "refused": "a face could not be judged; the reasons say why",
    "enrolled": "somebody was enrolled, or got more photos",
    "changed": "what is noted of somebody was changed",
    "erased": "somebody was erased",
    "merged": "two people who are one were made one",
    "unmerged": "a merge was undone",
    "reviewed": "somebody said who a face is, or is not",
    "error": "a source could not be read, or its work could not go on",
}
"""Type of event -> what it means. `register_event_type` adds to it."""

_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,39}")
_UID = re.compile(r"[0-9a-f]{32}")
_LARGEST_DATA = 1 << 14
_LONGEST_LIST = 64
_LONGEST_ID = 200
LARGEST_PICTURE = 1 << 16


def register_event_type(name: str, meaning: str) -> None:
    """Add a type of event; the same again is fine.

    Args:
        name: 1 to 40 small letters, digits, ``_``, ``.``, ``-``; a letter first.
        meaning: What it means, in words.

    Raises:
        InputError: If the name is not fit, or means something else already.
    """
    if _NAME.fullmatch(name) is None:
        raise InputError(
            "the name of an event type must be 1 to 40 small letters, digits, '_', '.' or '-', a "
            f"letter first; got {name!r}"
        )
    if EVENT_TYPES.setdefault(name, meaning) != meaning:
        raise InputError(f"the event type {name!r} means {EVENT_TYPES[name]!r} already")


def check_event_type(name: str, *, there: Callable[[], Container[str]] = tuple) -> None:
    """Refuse a type that is not known.

    Args:
        name: The type.
        there: Tells which types are fine though nobody registered them here.

    Raises:
        InputError: If it is not known; the message suggests one.
    """
    if name not in EVENT_TYPES and name not in there():
        hint = did_you_mean(name, list(EVENT_TYPES))
        raise InputError(f"there is no event type {name!r}{hint}; `register_event_type` adds one")


def event_time(what: str, value: str) -> str:
    """A time as events have it: ISO 8601, UTC, to the millisecond, so that texts sort as times do.

    Args:
        what: What messages call it.
        value: ISO 8601; without a zone: UTC.

    Raises:
        InputError: If it is no time.

    Example:
        >>> event_time("at", "2026-11-30T10:00:00+01:00")
        '2026-11-30T09:00:00.000+00:00'
    """
    try:
        time = datetime.fromisoformat(value)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{what} must be a time as 2026-11-30T10:00:00, got {value!r}") from error
    return time.isoformat(timespec="milliseconds")


def time_now() -> str:
    """The time now, as `event_time` gives it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def check_uid(person: str) -> str:
    """What tells a person.

    Raises:
        InputError: If it is not what `vultus.gallery.people.details.Person.uid` is.
    """
    if _UID.fullmatch(str(person)) is None:
        raise InputError(
            f"person must be the uid of a person (32 hexadecimal digits, `Person.uid`), got "
            f"{person!r}"
        )
    return person


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to be written.

    Attributes:
        type: One of `EVENT_TYPES`.
        id: 1 to 200 characters by which it is known: the same again is not written twice. So a
            writer that may begin anew derives it, e.g. from source, track and window. The default
            is random.
        at: When it happened, ISO 8601 (without a zone: UTC); kept to the millisecond. The default
            is now.
        source: Where it comes from, e.g. the name of a camera, or ``"api"``; no password in it.
        person: Whose event it is, `Person.uid`; it is erased with that person. None for nobody's.
        data: What else is known, JSON of at most 16 KiB: similarity, threshold, fpir, track,
            start_s, end_s, box_xyxy... Neither a name, which would outlive the person's erasure,
            nor a vector belongs here: lists may have up to 64 entries.
        picture: What was seen, a JPEG of at most 64 KiB; None for none. Sealed, erased and kept
            with the event, and told only to who asks for it.
    """

    type: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    at: str = field(default_factory=time_now)
    source: str | None = None
    person: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    picture: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_event_type(self.type)
        for name, value in (("id", self.id), ("source", self.source)):
            if value is not None:
                text = normalise_identity(value, what=f"{name} of an event", longest=_LONGEST_ID)
                object.__setattr__(self, name, text)
        object.__setattr__(self, "at", event_time("at", self.at))
        if self.person is not None:
            check_uid(self.person)
        object.__setattr__(self, "data", _plain(self.data))
        size = 0 if self.picture is None else len(self.picture)
        if size > LARGEST_PICTURE:
            raise InputError(
                f"the picture of an event may have {LARGEST_PICTURE} bytes, got {size}; make it "
                "smaller"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it is read.

    Attributes:
        position: Where in the log, ascending in the order of writing; there may be gaps. What to
            go on after.
        id: As it was written.
        type: As it was written.
        at: When it happened, ISO 8601, UTC, to the millisecond.
        written_at: When it was written.
        source: Where it comes from, or None.
        person: Whose it is now: after a merge that of whom the person was merged into.
        identity: That person's present name; None if it is nobody's.
        data: What else is known.
        picture: What was seen, a JPEG; None for none.
    """

    position: int
    id: str
    type: str
    at: str
    written_at: str
    source: str | None
    person: str | None
    identity: str | None
    data: Mapping[str, Any]
    picture: bytes | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON; of a picture only that there is one."""
        return asdict(self) | {"picture": self.picture is not None}


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that is nothing but JSON.

    Raises:
        InputError: If it cannot be one.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"data of an event must be a mapping, got {type(data).__name__}")
    try:
        text = json.dumps(dict(data), allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"data of an event must be fit for JSON: {error}") from error
    if len(text) > _LARGEST_DATA:
        raise InputError(
            f"data of an event may have {_LARGEST_DATA} bytes of JSON, got {len(text)}; keep what "
            "is large elsewhere, and name it here"
        )
    value: dict[str, Any] = json.loads(text)
    _check_lists(value)
    return value


def _check_lists(value: object) -> None:
    if isinstance(value, list) and len(value) > _LONGEST_LIST:
        raise InputError(
            f"a list in an event may have {_LONGEST_LIST} entries, got {len(value)}: vectors do "
            "not belong there"
        )
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _check_lists(one)

"""What a gallery knows of a person beside the face, and how it is written to be sealed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from vultus.core.errors import GalleryError, InputError, PersonExpiredError
from vultus.gallery.people.names import normalise_group, normalise_identity

_LARGEST_METADATA = 1 << 16
_DEEPEST_METADATA = 32
"""What is nested deeper, other readers of JSON may not be able to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person agreed to.

    Attributes:
        given_at: When, ISO 8601 (without a zone: UTC).
        purpose: What for, in words.
        until: Until when it holds, ISO 8601, or None for no end; the person is to be erased then.
    """

    given_at: str
    purpose: str
    until: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "given_at", utc_time("given_at", self.given_at))
        if self.until is not None:
            object.__setattr__(self, "until", utc_time("until", self.until))
        if not self.purpose.strip():
            raise InputError(f"purpose must say what the consent is for, got {self.purpose!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDetails:
    """What to note of a person; None leaves what is noted already.

    Attributes:
        external_id: The person's id elsewhere, 1 to 200 characters; one person per id; ``""`` for
            none any more.
        metadata: Anything that is JSON: at most 64 KiB of it, nested 32 deep at most.
        groups: Names of the groups that the person is in, 1 to 100 characters each.
        consent: What the person agreed to; ``""`` where it was withdrawn. It must end after it was
            given.
        retain_until: When the person is to be erased, ISO 8601; ``""`` for never.

    Raises:
        InputError: If something of it is not fit.
    """

    external_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    groups: Sequence[str] | None = None
    consent: Consent | Literal[""] | None = None
    retain_until: str | None = None

    def __post_init__(self) -> None:
        if self.external_id:
            normalised = normalise_identity(self.external_id, what="external_id")
            object.__setattr__(self, "external_id", normalised)
        if self.metadata is not None:
            object.__setattr__(self, "metadata", _plain(self.metadata))
        if self.groups is not None:
            if isinstance(self.groups, str):
                raise InputError(f"groups must be a list of names, got the text {self.groups!r}")
            names = tuple(sorted({normalise_group(name) for name in self.groups}))
            object.__setattr__(self, "groups", names)
        if self.retain_until:
            until = utc_time("retain_until", self.retain_until)
            object.__setattr__(self, "retain_until", until)
        # Not of `Consent` itself: files from before this rule must be read.
        if isinstance(self.consent, Consent) and self.consent.until is not None:
            _check_lasting(self.consent.given_at, self.consent.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person of a gallery, as `Gallery.person` tells.

    Attributes:
        identity: The name.
        uid: 32 hexadecimal digits that nobody else has or will have.
        n_photos: How many photos are kept.
        enrolled_at: When the first was, ISO 8601, UTC.
        external_id: The id elsewhere, or None.
        metadata: Whatever was noted.
        groups: In alphabetical order.
        consent: Or None.
        retain_until: ISO 8601, UTC, or None.
        expires_at: The earlier of ``retain_until`` and the end of the consent, or None.
    """

    identity: str
    uid: str
    n_photos: int
    enrolled_at: str
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    consent: Consent | None = None
    retain_until: str | None = None
    expires_at: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is sealed of a person beside template and faces.

    Attributes:
        name: The name.
        enrolled_at: When the first photo was taken in, ISO 8601, UTC.
        n_faces: How many photos are kept.
        next_face: Number of the next photo; numbers are never used again.
        external_id: As in `PersonDetails`, as those below.
        metadata: Plain JSON.
        groups: In alphabetical order.
        consent: Or None.
        retain_until: Or None.
    """

    name: str
    enrolled_at: str
    n_faces: int = 0
    next_face: int = 0
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    consent: Consent | None = None
    retain_until: str | None = None

    @property
    def expires_at(self) -> str | None:
        """When the person is to be erased; times are written so that text sorts as time does."""
        until = None if self.consent is None else self.consent.until
        return min((time for time in (self.retain_until, until) if time), default=None)

    def with_details(self, details: PersonDetails) -> "Record":
        """The same with what ``details`` says."""
        told = {
            name: value
            for name in ("external_id", "metadata", "groups", "consent", "retain_until")
            if (value := getattr(details, name)) is not None
        }
        for name in ("external_id", "consent", "retain_until"):
            if told.get(name) == "":
                told[name] = None
        return replace(self, **told)

    def to_bytes(self) -> bytes:
        """As it is sealed."""
        # Not `asdict`, which copies deeply and takes longer than all the rest.
        values = {name: getattr(self, name) for name in self.__slots__}
        values["consent"] = None if self.consent is None else asdict(self.consent)
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Record":
        """What `to_bytes` gave.

        Raises:
            GalleryError: If it was written by a later version.
        """
        try:
            values = json.loads(data)
            values["groups"] = tuple(values["groups"])
            if values["consent"] is not None:
                values["consent"] = Consent(**values["consent"])
            return cls(**values)
        except (TypeError, KeyError, ValueError) as error:
            raise GalleryError(
                f"the record of a person cannot be read ({error}); it was written by a later "
                "version of Vultus"
            ) from error


def check_kept(person: Person | Record, name: str) -> None:
    """Refuse to use the face of somebody whose consent, or time to be kept, is over.

    From that moment on nobody is compared with them and no photo of theirs is taken in, until a new
    time is noted, or `vultus.gallery.upkeep.retention.expire` erases them.

    Args:
        person: The person.
        name: What the message calls them.

    Raises:
        PersonExpiredError: If it is over.
    """
    if person.expires_at is None or person.expires_at > now():
        return
    consent = person.consent
    of_consent = consent is not None and consent.until == person.expires_at
    what = f"the consent of {name!r}" if of_consent else f"the time for which {name!r} is kept"
    raise PersonExpiredError(
        f"{what} ended on {person.expires_at}: the face is compared with nobody and no photo is "
        "taken in; note a new one, or erase them"
    )


def utc_time(name: str, text: str) -> str:
    """A time as it is kept: ISO 8601 to the second, UTC.

    Args:
        name: What messages call it.
        text: ISO 8601; a date is its first second, and without a zone it is UTC.

    Raises:
        InputError: If it is no such time.

    Example:
        >>> utc_time("until", "2027-01-31"), utc_time("until", "2027-01-31T01:30+02:00")
        ('2027-01-31T00:00:00+00:00', '2027-01-30T23:30:00+00:00')
    """
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return time.astimezone(UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError):  # the last: it is no such time in UTC
        raise InputError(
            f"{name} must be a time like 2027-01-31T12:00+01:00, got {text!r}"
        ) from None


def now() -> str:
    """This moment as `utc_time` writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _check_lasting(given_at: str, until: str) -> None:
    if until <= given_at:
        raise InputError(
            f"a consent must end after it was given, got given_at {given_at} and until {until}"
        )


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    # First: how deep JSON can be written depends on the version of Python.
    if _depth(metadata) > _DEEPEST_METADATA:
        raise InputError(f"metadata must be nested {_DEEPEST_METADATA} deep at most")
    try:
        text = json.dumps(dict(metadata), allow_nan=False)
        json.dumps(metadata, ensure_ascii=False).encode()  # as it is kept: no lone surrogates
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"metadata must be a dict that is JSON: {error}") from None
    if len(text) > _LARGEST_METADATA:
        raise InputError(f"metadata must have at most 64 KiB as JSON, got {len(text):,} bytes")
    plain: dict[str, Any] = json.loads(text)
    return plain


def _depth(value: Any) -> int:
    """How deep lists and mappings are nested, as far as it matters."""
    depth, level = 0, [value]
    while level and depth <= _DEEPEST_METADATA:
        inside = [part for part in level if isinstance(part, (Mapping, list, tuple))]
        depth += bool(inside)
        level = [
            part
            for outer in inside
            for part in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return depth

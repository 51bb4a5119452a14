"""People of a gallery as operations ask for them, and what may be changed of them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vultus.core.errors import IdentityNotFoundError
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Consent, Person, PersonDetails, now
from vultus.server.fields import GroupName, Moment, Name, Purpose
from vultus.server.problems import ProblemError


class ConsentWanted(BaseModel):
    """What a person agreed to."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose = Field(description="What for, in words.")
    given_at: Moment | None = Field(None, description="ISO 8601; null for now.")
    until: Moment | None = Field(None, description="ISO 8601; the person is erased then.")

    def consent(self) -> Consent:
        """As the gallery keeps it."""
        return Consent(given_at=self.given_at or now(), purpose=self.purpose, until=self.until)


class PersonChange(BaseModel):
    """What is to be noted of a person: what is given is set, null takes it away."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "Ada Lovelace", "groups": ["staff"]}},
    )

    name: Name = Field("", description="Not to be taken away.", validate_default=False)
    external_id: Name | None = Field(None, description="The id elsewhere; one person per id.")
    groups: list[GroupName] | None = Field(None, max_length=100, description="All of them.")
    metadata: dict[str, Any] | None = Field(None, description="All of it; 64 KiB at most.")
    consent: ConsentWanted | None = None
    retain_until: Moment | None = Field(None, description="ISO 8601; erased then.")

    def details(self) -> PersonDetails:
        """As the gallery takes it: None leaves what is noted already."""
        given = self.model_fields_set
        withdrawn: Literal[""] = ""
        consent = withdrawn if self.consent is None else self.consent.consent()
        return PersonDetails(
            external_id=(self.external_id or "") if "external_id" in given else None,
            groups=(self.groups or []) if "groups" in given else None,
            metadata=(self.metadata or {}) if "metadata" in given else None,
            consent=consent if "consent" in given else None,
            retain_until=(self.retain_until or "") if "retain_until" in given else None,
        )


class PersonPhoto(BaseModel):
    """A photo of a person, without the vector."""

    number: int
    enrolled_at: str
    enrolled_by: str | None
    source: str | None
    quality: float | None
    occlusion: float | None
    trust: float | None
    forced: bool = Field(description="Whether it is unlike the others and was taken all the same.")
    crop: bool = Field(description="Whether the aligned face is kept.")


class PersonPhotos(BaseModel):
    """The photos of a person, the oldest first."""

    photos: list[PersonPhoto]


def by_id(known: Gallery, uid: str) -> Person:
    """The person of an id.

    Raises:
        ProblemError: If nobody has it.
    """
    person = known.person_by_uid(uid)
    if person is None:
        raise ProblemError(
            404, "person-not-found", "nobody with this id is enrolled in this gallery"
        )
    return person


def by_name(known: Gallery, identity: str) -> Person | None:
    """The person of a name; None if nobody has it."""
    try:
        return known.person(identity)
    except IdentityNotFoundError:
        return None


def check_external_id(known: Gallery, details: PersonDetails, uid: str | None) -> None:
    """Refuse an id elsewhere that somebody else has.

    Args:
        known: The gallery.
        details: What is to be noted.
        uid: Of whom; None for somebody new.

    Raises:
        ProblemError: If somebody else has it.
    """
    if not details.external_id:
        return
    other = known.person_by_external_id(details.external_id)
    if other is not None and other.uid != uid:
        raise ProblemError(409, "external-id-taken", "somebody else has this external id")

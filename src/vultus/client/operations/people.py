"""Operations of the service: people. Written by scripts/client_operations.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vultus.client.call import UNSET, Call, Unset, quoted
from vultus.client.operations.photos import RefusedPhoto, Verified
from vultus.client.photos import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonTold:
    """A person.

    Attributes:
        id: Id.
        name: Name.
        photos: Photos.
        enrolled_at: Enrolled at.
        external_id: External id.
        metadata: Metadata.
        groups: Groups.
        consent: Consent.
        retain_until: Retain until.
        expires_at: Expires at.
    """

    id: str
    name: str
    photos: int
    enrolled_at: str
    external_id: str | None
    metadata: dict[str, Any]
    groups: tuple[str, ...]
    consent: dict[str, Any] | None
    retain_until: str | None
    expires_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Some people in the order of enrolment.

    Attributes:
        people: People.
        next: The cursor of the next page; null at the end.
    """

    people: tuple[PersonTold, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A person who was enrolled, or got more photos.

    Attributes:
        person: Person.
        added: Added.
        refused: Refused.
    """

    person: PersonTold
    added: int
    refused: tuple[RefusedPhoto, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased of a person.

    Attributes:
        receipt: Receipt.
    """

    receipt: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPhoto:
    """A photo of a person, without the vector.

    Attributes:
        number: Number.
        enrolled_at: Enrolled at.
        enrolled_by: Enrolled by.
        source: Source.
        quality: Quality.
        occlusion: Occlusion.
        trust: Trust.
        forced: Whether it is unlike the others and was taken all the same.
        crop: Whether the aligned face is kept.
    """

    number: int
    enrolled_at: str
    enrolled_by: str | None
    source: str | None
    quality: float | None
    occlusion: float | None
    trust: float | None
    forced: bool
    crop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPhotos:
    """The photos of a person, the oldest first.

    Attributes:
        photos: Photos.
    """

    photos: tuple[PersonPhoto, ...]


def list_people(
    gallery: str,
    *,
    cursor: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    query: str | Unset = UNSET,
    group: str | Unset = UNSET,
    external_id: str | Unset = UNSET,
) -> Call[People]:
    """People in the order of enrolment, page by page.

    Args:
        gallery: The gallery's id.
        cursor: `next` of the page before; empty for the first.
        limit: So many at most.
        query: Only people in whose name or external id this is.
        group: Only people of this group, as it is spelt.
        external_id: Who has this id elsewhere.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/people",
        People,
        query={
            "cursor": cursor,
            "limit": limit,
            "query": query,
            "group": group,
            "external_id": external_id,
        },
        repeatable=True,
    )


def enroll(
    gallery: str,
    *,
    photos: Sequence[Photo],
    name: str,
    external_id: str | Unset = UNSET,
    groups: Sequence[str] | Unset = UNSET,
    metadata: Mapping[str, Any] | Unset = UNSET,
    consent_purpose: str | Unset = UNSET,
    consent_until: str | Unset = UNSET,
    retain_until: str | Unset = UNSET,
    force: bool | Unset = UNSET,
    require_live: bool | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[Enrolled]:
    """Enrol a new person; photos that cannot be used are told, with the reason.

    Args:
        gallery: The gallery's id.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        photos: Once for each photo.
        name: Who it is, 1 to 200 characters.
        external_id: The id elsewhere.
        groups: Once for each group.
        metadata: A JSON object.
        consent_purpose: What was agreed to.
        consent_until: ISO 8601.
        retain_until: ISO 8601; erased then.
        force: Take photos unlike the person's others or like somebody else, too.
        require_live: Take no photo that may be of a print or a screen; some attacks pass.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/people",
        Enrolled,
        headers={"Idempotency-Key": idempotency_key},
        form={
            "name": name,
            "external_id": external_id,
            "groups": groups,
            "metadata": metadata,
            "consent_purpose": consent_purpose,
            "consent_until": consent_until,
            "retain_until": retain_until,
            "force": force,
            "require_live": require_live,
        },
        files={"photos": photos},
        keyed=True,
    )


def person_told(
    gallery: str, person: str, *, if_none_match: str | Unset = UNSET
) -> Call[PersonTold]:
    """What is known of one person but the vectors; the header ETag names this state.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
        if_none_match: The ETag of what is known: if it is still so, the answer is 304, without it.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}",
        PersonTold,
        headers={"If-None-Match": if_none_match},
        repeatable=True,
    )


def change(
    gallery: str,
    person: str,
    *,
    name: str | Unset = UNSET,
    external_id: str | Unset | None = UNSET,
    groups: Sequence[str] | Unset | None = UNSET,
    metadata: Mapping[str, Any] | Unset | None = UNSET,
    consent: Mapping[str, Any] | Unset | None = UNSET,
    retain_until: str | Unset | None = UNSET,
    if_match: str | Unset = UNSET,
) -> Call[PersonTold]:
    """Rename a person, and note id, groups, metadata, consent and retention.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
        if_match: The header ETag of what was seen; `*` for whatever there is.
        name: Not to be taken away.
        external_id: The id elsewhere; one person per id.
        groups: All of them.
        metadata: All of it; 64 KiB at most.
        consent: Consent.
        retain_until: ISO 8601; erased then.
    """
    return Call(
        "PATCH",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}",
        PersonTold,
        headers={"If-Match": if_match},
        body={
            "name": name,
            "external_id": external_id,
            "groups": groups,
            "metadata": metadata,
            "consent": consent,
            "retain_until": retain_until,
        },
        repeatable=True,
    )


def erase(gallery: str, person: str, *, if_match: str | Unset = UNSET) -> Call[Erased]:
    """Erase a person from the gallery; the receipt says what is gone.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
        if_match: The header ETag of what was seen; `*` for whatever there is.
    """
    return Call(
        "DELETE",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}",
        Erased,
        headers={"If-Match": if_match},
        repeatable=True,
    )


def verify(
    gallery: str,
    person: str,
    *,
    photo: Photo,
    fmr: float | Unset = UNSET,
    require_live: bool | Unset = UNSET,
    live_session: str | Unset = UNSET,
) -> Call[Verified]:
    """Decide whether a photo shows this person, by all photos of theirs.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
        fmr: False match rate, at most.
        require_live: Refuse faces that may be a print or a screen, or of which that cannot be judged; some attacks pass.
        live_session: Token of an accepted liveness session: its person must be meant. Holds once.
        photo: Photo.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}/verify",
        Verified,
        query={"fmr": fmr, "require_live": require_live, "live_session": live_session},
        form={},
        files={"photo": photo},
        repeatable=True,
    )


def add_photos(
    gallery: str,
    person: str,
    *,
    photos: Sequence[Photo],
    force: bool | Unset = UNSET,
    require_live: bool | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[Enrolled]:
    """Add photos of somebody who is enrolled.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        photos: Once for each photo.
        force: Take photos unlike the person's others or like somebody else, too.
        require_live: Take no photo that may be of a print or a screen; some attacks pass.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}/photos",
        Enrolled,
        headers={"Idempotency-Key": idempotency_key},
        form={"force": force, "require_live": require_live},
        files={"photos": photos},
        keyed=True,
    )


def list_photos(gallery: str, person: str) -> Call[PersonPhotos]:
    """What is known of each photo of a person but the vector.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}/photos",
        PersonPhotos,
        repeatable=True,
    )


def crop(gallery: str, person: str, number: int) -> Call[bytes]:
    """The aligned face of one photo, where the gallery keeps crops.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
        number: As lists tell it.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}/photos/{quoted(number)}/crop",
        bytes,
        repeatable=True,
    )


def remove_photo(gallery: str, person: str, number: int) -> Call[PersonTold]:
    """Erase one photo of a person who keeps others.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
        number: As lists tell it.
    """
    return Call(
        "DELETE",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}/photos/{quoted(number)}",
        PersonTold,
        repeatable=True,
    )

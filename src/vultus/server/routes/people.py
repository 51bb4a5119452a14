"""The people of a gallery: enrolled, looked at, erased."""

import re
from typing import Annotated, Any

from fastapi import Depends, File, Form, Path, Query, UploadFile
from pydantic import Json

from vultus.core.errors import IdentityNotFoundError, VultusError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Consent, Person, PersonDetails, now
from vultus.gallery.people.names import normalise_identity
from vultus.pipeline.erasing import erase_people
from vultus.server.context import Admin, Caller, Operator, Reader
from vultus.server.photos import decoded
from vultus.server.problems import ProblemError, code_of
from vultus.server.routing import make_router
from vultus.server.schemas import Enrolled, Erased, People, PersonTold, RefusedPhoto

router = make_router("/v1/galleries/{gallery}/people", "people", 404, 409, 411, 413, 415)

PersonId = Annotated[str, Path(description="The person's id: 32 hexadecimal digits.")]
Photos = Annotated[list[UploadFile], File(description="Photos of this one person.")]
Force = Annotated[
    bool, Form(description="Take photos unlike the person's others or like somebody else, too.")
]

_CURSOR = re.compile("p[0-9a-f]{1,15}")


def _details(
    external_id: Annotated[str | None, Form(description="The id elsewhere.")] = None,
    groups: Annotated[list[str] | None, Form(description="Once for each group.")] = None,
    metadata: Annotated[Json[dict[str, Any]] | None, Form(description="JSON.")] = None,
    consent_purpose: Annotated[str | None, Form(description="What was agreed to.")] = None,
    consent_until: Annotated[str | None, Form(description="ISO 8601.")] = None,
    retain_until: Annotated[str | None, Form(description="ISO 8601; erased then.")] = None,
) -> PersonDetails:
    consent = None
    if consent_purpose is not None:
        consent = Consent(given_at=now(), purpose=consent_purpose, until=consent_until)
    elif consent_until is not None:
        raise ProblemError(422, "invalid-input", "consent_until takes consent_purpose")
    return PersonDetails(
        external_id=external_id,
        groups=groups,
        metadata=metadata,
        consent=consent,
        retain_until=retain_until,
    )


@router.post("", status_code=201)
def enroll(
    caller: Operator,
    gallery: str,
    photos: Photos,
    name: Annotated[str, Form(description="Who it is, 1 to 200 characters.")],
    details: Annotated[PersonDetails, Depends(_details)],
    force: Force = False,
) -> Enrolled:
    """Enrol a new person; photos that cannot be used are told, with the reason."""
    known, identity = caller.gallery(gallery), normalise_identity(name)
    with caller.context.galleries.enrolling(gallery):
        if _by_name(known, identity) is not None:
            raise ProblemError(
                409, "person-exists", "somebody of this name is enrolled; send them more photos"
            )
        return _enroll(caller, known, identity, photos, details=details, force=force)


@router.post("/{person}/photos", status_code=201)
def add_photos(
    caller: Operator, gallery: str, person: PersonId, photos: Photos, force: Force = False
) -> Enrolled:
    """Add photos of somebody who is enrolled."""
    known = caller.gallery(gallery)
    found = _by_id(known, person)
    return _enroll(caller, known, found.identity, photos, details=None, force=force)


@router.get("")
def list_people(
    caller: Reader,
    gallery: str,
    cursor: Annotated[str, Query(description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> People:
    """People in the order of enrolment, page by page."""
    known = caller.gallery(gallery)
    people, following = known.people_page(after=_after(cursor), limit=limit)
    return People(
        people=[PersonTold.of(person) for person in people],
        next=None if following is None else f"p{following:x}",
    )


@router.get("/{person}")
def person_told(caller: Reader, gallery: str, person: PersonId) -> PersonTold:
    """What is known of one person but the vectors."""
    return PersonTold.of(_by_id(caller.gallery(gallery), person))


@router.delete("/{person}")
def erase(caller: Admin, gallery: str, person: PersonId) -> Erased:
    """Erase a person from the gallery; the receipt says what is gone."""
    known = caller.gallery(gallery)
    done = erase_people(known, [_by_id(known, person).identity])
    if caller.context.settings.keep_events:
        EventLog(known).append(NewEvent(type="erased", source="api"))
    return Erased(receipt=done.receipts[0].to_dict())


def _enroll(
    caller: Caller,
    known: Gallery,
    identity: str,
    photos: list[UploadFile],
    *,
    details: PersonDetails | None,
    force: bool,
) -> Enrolled:
    settings = caller.context.settings
    if len(photos) > settings.most_photos:
        raise ProblemError(
            413, "too-many-photos", f"send {settings.most_photos} photos at most, got {len(photos)}"
        )
    refused: list[RefusedPhoto] = []
    images, places = [], []
    for place, photo in enumerate(photos, 1):
        try:
            image = decoded(
                photo.file.read(), what=f"photo {place}", most_pixels=settings.most_pixels
            )
        except VultusError as error:
            refused.append(_refused(place, error))
        else:
            images.append(image)
            places.append(place)

    def note(told: str, error: VultusError) -> None:
        # Photos without a path are called `photo 1`, `photo 2` by the recogniser.
        place = places[int(told.removeprefix("photo ")) - 1]
        detail = str(error).replace(told, f"photo {place}")
        refused.append(RefusedPhoto(photo=place, code=code_of(error)[1], detail=detail))

    added = caller.context.recognizer.enroll(
        known, identity, images, on_error=note, details=details, force=force
    ) if images else 0  # fmt: skip
    refused.sort(key=lambda photo: photo.photo)
    if not added:
        raise ProblemError(
            422,
            "no-photo-taken",
            "no photo could be taken: "
            + "; ".join(f"photo {photo.photo}: {photo.detail}" for photo in refused),
            errors=[photo.model_dump() for photo in refused],
        )
    person = known.person(identity)
    if settings.keep_events:
        EventLog(known).append(
            NewEvent(type="enrolled", source="api", person=person.uid, data={"photos": added})
        )
    return Enrolled(person=PersonTold.of(person), added=added, refused=refused)


def _refused(place: int, error: VultusError) -> RefusedPhoto:
    return RefusedPhoto(photo=place, code=code_of(error)[1], detail=str(error))


def _by_name(known: Gallery, identity: str) -> Person | None:
    try:
        return known.person(identity)
    except IdentityNotFoundError:
        return None


def _by_id(known: Gallery, uid: str) -> Person:
    person = known.person_by_uid(uid)
    if person is None:
        raise ProblemError(
            404, "person-not-found", "nobody with this id is enrolled in this gallery"
        )
    return person


def _after(cursor: str) -> int:
    if not cursor:
        return 0
    if _CURSOR.fullmatch(cursor) is None:
        raise ProblemError(422, "invalid-input", "cursor must be `next` of the page before")
    return int(cursor[1:], 16)

"""Photos of people: enrolled, listed, taken out again."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Form, Response

from vultus.core.errors import VultusError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.people.details import Consent, PersonDetails, now
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.upkeep.photos import remove_photos
from vultus.image.encode import encoded
from vultus.server.context import Caller, Operator
from vultus.server.fields import GalleryId, GroupName, Moment, Name, Number, PersonId, Purpose
from vultus.server.idempotency import Attempt, attempt_now
from vultus.server.noted import ENROLMENTS, Noted
from vultus.server.people import PersonPhoto, PersonPhotos, by_id, by_name, check_external_id
from vultus.server.photos import Photos, place_among, sources
from vultus.server.problems import ProblemError, refused_photo
from vultus.server.routing import make_router
from vultus.server.schemas import (
    Enrolled,
    PersonTold,
    RefusedPhoto,
)
from vultus.server.tags import tag_of

router = make_router("/v1/galleries/{gallery}/people", "people", 404, 409, 411, 413, 415)

RequireLive = Annotated[
    bool,
    Form(description="Take no photo that may be of a print or a screen; some attacks pass."),
]
Force = Annotated[
    bool, Form(description="Take photos unlike the person's others or like somebody else, too.")
]


@dataclass(frozen=True, slots=True)
class _Taking:
    """Which photos are taken."""

    force: bool
    require_live: bool


def _taking(force: Force = False, require_live: RequireLive = False) -> _Taking:
    return _Taking(force, require_live)


Taking = Annotated[_Taking, Depends(_taking)]


def _details(
    external_id: Annotated[Name | None, Form(description="The id elsewhere.")] = None,
    groups: Annotated[
        list[GroupName] | None, Form(max_length=100, description="Once for each group.")
    ] = None,
    metadata: Annotated[
        str | None, Form(max_length=1 << 16, description="A JSON object.", examples=["{}"])
    ] = None,
    consent_purpose: Annotated[Purpose | None, Form(description="What was agreed to.")] = None,
    consent_until: Annotated[Moment | None, Form(description="ISO 8601.")] = None,
    retain_until: Annotated[Moment | None, Form(description="ISO 8601; erased then.")] = None,
) -> PersonDetails:
    consent = None
    if consent_purpose is not None:
        consent = Consent(given_at=now(), purpose=consent_purpose, until=consent_until)
    elif consent_until is not None:
        raise ProblemError(422, "invalid-input", "consent_until takes consent_purpose")
    return PersonDetails(
        external_id=external_id,
        groups=groups,
        metadata=None if metadata is None else _json_object(metadata),
        consent=consent,
        retain_until=retain_until,
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProblemError(422, "invalid-input", "metadata must be a JSON object")
    return value


@router.post("", status_code=201)
def enroll(
    caller: Operator,
    gallery: GalleryId,
    photos: Photos,
    name: Annotated[Name, Form(description="Who it is, 1 to 200 characters.")],
    details: Annotated[PersonDetails, Depends(_details)],
    taking: Taking,
) -> Enrolled:
    """Enrol a new person; photos that cannot be used are told, with the reason."""
    known, identity = caller.gallery(gallery), normalise_identity(name)
    if (done := _done_before(known)) is not None:
        return done
    if by_name(known, identity) is not None:  # before any work, and again when it is done
        raise ProblemError(
            409, "person-exists", "somebody of this name is enrolled; send them more photos"
        )
    check_external_id(known, details, None)
    return _enroll(caller, known.expecting(None), identity, photos, details=details, taking=taking)


@router.post("/{person}/photos", status_code=201)
def add_photos(
    caller: Operator,
    gallery: GalleryId,
    person: PersonId,
    photos: Photos,
    taking: Taking,
) -> Enrolled:
    """Add photos of somebody who is enrolled."""
    known = caller.gallery(gallery)
    if (done := _done_before(known)) is not None:
        return done
    found = by_id(known, person)
    return _enroll(
        caller, known.expecting(person), found.identity, photos, details=None, taking=taking
    )


@router.get("/{person}/photos")
def list_photos(caller: Operator, gallery: GalleryId, person: PersonId) -> PersonPhotos:
    """What is known of each photo of a person but the vector."""
    known = caller.gallery(gallery)
    with known.opened.store.transaction():
        facts = known.photos(by_id(known, person).identity)
        member = known.opened.roster.find_uid(bytes.fromhex(person))
        crops = frozenset() if member is None else KeptCrops(known).photos(member)
    photos = [
        PersonPhoto(
            **{name: value for name, value in told.items() if name in PersonPhoto.model_fields},
            crop=told["number"] in crops,
        )
        for told in facts
    ]
    return PersonPhotos(photos=photos)


@router.get(
    "/{person}/photos/{number}/crop",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "The aligned face."}},
)
def crop(caller: Operator, gallery: GalleryId, person: PersonId, number: Number) -> Response:
    """The aligned face of one photo, where the gallery keeps crops."""
    known = caller.gallery(gallery)
    by_id(known, person)
    with known.opened.store.transaction():
        member = known.opened.roster.find_uid(bytes.fromhex(person))
        kept = None if member is None else KeptCrops(known).find(member, number)
    if kept is None:
        raise ProblemError(404, "crop-not-found", "no crop of such a photo is kept")
    return Response(encoded(kept.pixels, ".png"), media_type="image/png")


@router.delete("/{person}/photos/{number}")
def remove_photo(
    caller: Operator,
    gallery: GalleryId,
    person: PersonId,
    number: Number,
    response: Response,
) -> PersonTold:
    """Erase one photo of a person who keeps others."""
    known = caller.gallery(gallery)
    with known.changing():
        found = by_id(known, person)
        numbers = [photo["number"] for photo in known.photos(found.identity)]
        if number not in numbers:
            raise ProblemError(404, "photo-not-found", "there is no such photo of this person")
        if len(numbers) == 1:
            raise ProblemError(409, "last-photo", "it is the last photo; erase the person instead")
        remove_photos(known, found.identity, [number])
        told = PersonTold.of(by_id(known, person))
    response.headers["ETag"] = tag_of(told)
    return told


def _enroll(
    caller: Caller,
    known: Gallery,
    identity: str,
    photos: Photos,
    *,
    details: PersonDetails | None,
    taking: _Taking,
) -> Enrolled:
    refused: list[RefusedPhoto] = []

    def note(name: str, error: VultusError) -> None:
        refused.append(RefusedPhoto(**refused_photo(place_among(name), error)))

    def keep(uid: str, photos: int) -> None:
        # In the transaction of the enrolment: asked again after a kill, it is known by this.
        if photos and caller.context.settings.keep_events:
            log.append(_event(uid, photos, refused))
        elif photos and (attempt := attempt_now()) is not None:
            told = {"person": uid, "photos": photos, "refused": _codes(refused)}
            Noted(known, ENROLMENTS).add(attempt.id, told)

    log = EventLog(known)
    added = caller.recognizer(require_live=taking.require_live).enroll(
        known.acting(known.opened.actor, on_enrolled=keep),
        identity,
        sources(photos, caller.context.settings),
        on_error=note,
        details=details,
        force=taking.force,
    )
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
    return Enrolled(person=PersonTold.of(person), added=added, refused=refused)


def _event(uid: str, photos: int, refused: list[RefusedPhoto]) -> NewEvent:
    attempt, data = attempt_now(), {"photos": photos}
    if attempt is None:
        return NewEvent(type="enrolled", source="api", person=uid, data=data)
    return NewEvent(
        type="enrolled",
        id=_event_id(attempt),
        source="api",
        person=uid,
        data={**data, "refused": _codes(refused)},
    )


def _codes(refused: list[RefusedPhoto]) -> dict[str, str]:
    return {str(photo.photo): photo.code for photo in refused}


def _event_id(attempt: Attempt) -> str:
    return f"api/{attempt.id}"


def _done_before(known: Gallery) -> Enrolled | None:
    """What a request did before the service was killed; None if it did nothing, or is the first."""
    attempt = attempt_now()
    if attempt is None or not attempt.resumed:
        return None
    event, told = EventLog(known).find(_event_id(attempt)), Noted(known, ENROLMENTS)
    data = told.find(attempt.id) if event is None else {**event.data, "person": event.person}
    if data is None or data["person"] is None:
        return None
    detail = "it was refused; the reason in words was lost when the service was stopped"
    refused = [
        RefusedPhoto(photo=int(place), code=code, detail=detail)
        for place, code in data["refused"].items()
    ]
    person = PersonTold.of(by_id(known, data["person"]))
    return Enrolled(person=person, added=data["photos"], refused=refused)

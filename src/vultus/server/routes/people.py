"""The people of a gallery: listed, looked at, changed, verified, erased."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Query, Response

from vultus.core.choices import DEFAULT_FMR
from vultus.core.results import Verification
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Person, PersonDetails
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.security.audit import AuditEntry
from vultus.pipeline.erasing import erase_people
from vultus.pipeline.person_check import verify_person
from vultus.server.context import Admin, Operator, Reader
from vultus.server.fields import (
    Cursor,
    Fmr,
    GalleryId,
    Limit,
    LiveToken,
    PersonId,
    RequireLive,
    cursor_after,
    place_of,
)
from vultus.server.people import PersonChange, by_id, by_name, check_external_id
from vultus.server.photos import Photo, body_of, decoded
from vultus.server.problems import ProblemError, responses
from vultus.server.routing import make_router
from vultus.server.schemas import Erased, People, PersonTold, Verified
from vultus.server.tags import (
    UNCHANGED,
    IfMatch,
    IfNoneMatch,
    check_match,
    tag_of,
    told_or_304,
)

router = make_router("/v1/galleries/{gallery}/people", "people", 404, 409, 411, 413, 415)

_LOOKED_AT = 5000
"""People of one page among whom those are looked for that fit; each has to be opened."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom a list is to have.

    Attributes:
        query: What must be in the name or the id elsewhere, in any case.
        group: In which group they must be; empty for any.
        external_id: The id elsewhere that they must have; None for any.
    """

    query: Annotated[
        str,
        Query(max_length=200, description="Only people in whose name or external id this is."),
    ] = ""
    group: Annotated[
        str, Query(max_length=100, description="Only people of this group, as it is spelt.")
    ] = ""
    external_id: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Who has this id elsewhere.")
    ] = None

    def fits(self, person: Person) -> bool:
        """Whether somebody is wanted."""
        if self.group and self.group not in person.groups:
            return False
        texts, part = (person.identity, person.external_id or ""), self.query.casefold()
        return any(part in text.casefold() for text in texts)


@router.get("")
def list_people(
    caller: Reader,
    gallery: GalleryId,
    wanted: Annotated[Wanted, Depends()],
    cursor: Cursor = "",
    limit: Limit = 100,
) -> People:
    """People in the order of enrolment, page by page.

    With `query` or `group`, a page may have fewer people than `limit`, or none, and yet a next
    one. With `external_id`, it is the one person who has it.
    """
    known = caller.gallery(gallery)
    if wanted.external_id is not None:
        person = known.person_by_external_id(wanted.external_id)
        fit = person is not None and wanted.fits(person)
        return People(people=[PersonTold.of(person)] if person and fit else [], next=None)
    people, following = _page(known, place_of("p", cursor), limit, wanted)
    told = [PersonTold.of(person) for person in people]
    return People(people=told, next=cursor_after("p", following))


@router.get("/{person}", response_model=PersonTold, responses=UNCHANGED)
def person_told(
    caller: Reader,
    gallery: GalleryId,
    person: PersonId,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> PersonTold | Response:
    """What is known of one person but the vectors; the header ETag names this state."""
    told = PersonTold.of(by_id(caller.gallery(gallery), person))
    return told_or_304(told, if_none_match, response)


@router.patch("/{person}", responses=responses(412, 428))
def change(
    caller: Operator,
    gallery: GalleryId,
    person: PersonId,
    wanted: PersonChange,
    response: Response,
    if_match: IfMatch = None,
) -> PersonTold:
    """Rename a person, and note id, groups, metadata, consent and retention.

    `If-Match` must have the `ETag` of what was read, so that nobody overwrites unseen changes.
    """
    known, details = caller.gallery(gallery), wanted.details()
    with known.changing():
        found = by_id(known, person)
        check_match(if_match, PersonTold.of(found), needed=True)
        check_external_id(known, details, person)
        name = _new_name(known, found, wanted)
        if name is not None:
            known.rename(found.identity, name)
        if details != PersonDetails():
            known.note(name or found.identity, details)
        told = PersonTold.of(by_id(known, person))
    response.headers["ETag"] = tag_of(told)
    return told


@router.delete("/{person}", responses=responses(412))
def erase(caller: Admin, gallery: GalleryId, person: PersonId, if_match: IfMatch = None) -> Erased:
    """Erase a person from the gallery; the receipt says what is gone."""
    known = caller.gallery(gallery)
    with known.changing():  # nobody changes the person between the look and the erasure
        found = by_id(known, person)
        check_match(if_match, PersonTold.of(found), needed=False)
        if caller.context.settings.keep_events:
            EventLog(known).append(NewEvent(type="erased", source="api"))
        # Last: it is noted outside of the gallery, too, where nothing is taken back.
        (receipt,) = erase_people(known, [found.identity]).receipts
    caller.context.background.jobs.store.forget(person)
    receipt = replace(receipt, scrubbed=known.opened.store.scrub())
    return Erased(receipt=receipt.to_dict())


@router.post("/{person}/verify", openapi_extra=body_of("photo"))
def verify(
    caller: Reader,
    gallery: GalleryId,
    person: PersonId,
    photo: Photo,
    fmr: Fmr = DEFAULT_FMR,
    require_live: RequireLive = False,
    live_session: LiveToken = None,
) -> Verified:
    """Decide whether a photo shows this person, by all photos of theirs."""
    caller.check_session(live_session, audience=gallery)
    context, known = caller.context, caller.gallery(gallery)
    recognizer = caller.recognizer(require_live=require_live)
    found = by_id(known, person)
    image = decoded(photo, what="the photo", most_pixels=context.settings.most_pixels)
    proof = caller.live_proof(live_session, audience=gallery)
    answer = verify_person(recognizer, known, found.identity, image, fmr=fmr, live_session=proof)
    _log_verified(known, found, answer)
    return Verified(**answer.to_dict())


def _page(
    known: Gallery, after: int, limit: int, wanted: Wanted
) -> tuple[list[Person], int | None]:
    """People that fit, and the place behind which the next page begins."""
    if wanted == Wanted():
        return known.people_page(after=after, limit=limit)
    found: list[Person] = []
    place: int | None = after
    looked_at = 0
    while place is not None and len(found) < limit and looked_at < _LOOKED_AT:
        # So many that none who fits is beyond the end of the page.
        step = limit - len(found)
        people, place = known.people_page(after=place, limit=step)
        looked_at += step
        found += [person for person in people if wanted.fits(person)]
    return found, place


def _new_name(known: Gallery, found: Person, wanted: PersonChange) -> str | None:
    if "name" not in wanted.model_fields_set:
        return None
    name = normalise_identity(wanted.name)
    if name == found.identity:
        return None
    if by_name(known, name) is not None:
        raise ProblemError(409, "person-exists", "somebody else has this name")
    return name


def _log_verified(known: Gallery, person: Person, answer: Verification) -> None:
    opened = known.opened
    with opened.store.transaction(write=True):
        known.audit.append(
            AuditEntry(
                actor=opened.actor,
                action="verify",
                subject=opened.subject(person),
                decision="accepted" if answer.same_person else "rejected",
                similarity=answer.similarity,
                threshold=answer.threshold.similarity,
                model=known.space.model,
            )
        )

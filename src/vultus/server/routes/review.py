"""Faces that nobody could name, and two people who are one: somebody says who is who."""

from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from vultus.core.choices import DEFAULT_FMR
from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.review.items import Items
from vultus.gallery.review.merging import merge, merges, unmerge
from vultus.gallery.review.queue import ReviewFace, ReviewQueue, ReviewRules
from vultus.image.encode import encoded
from vultus.server.answers import ranked
from vultus.server.context import Admin, Operator
from vultus.server.fields import (
    Cursor,
    Fmr,
    GalleryId,
    Limit,
    MarkedPerson,
    Name,
    Number,
    cursor_after,
    place_of,
)
from vultus.server.idempotency import attempt_now
from vultus.server.noted import MERGES, Noted
from vultus.server.people import by_id, by_name
from vultus.server.problems import ProblemError
from vultus.server.routing import make_router
from vultus.server.rules import ThresholdTold, threshold_told
from vultus.server.schemas import (
    Deleted,
    PersonTold,
    RankedPerson,
)

router = make_router("/v1/galleries/{gallery}", "review", 404, 409, 411, 413)

_MOST_GROUPED = 5000
"""Faces that are grouped at once: memory and time grow with their square."""

FaceNumber = Annotated[int, Field(ge=0, le=2**53)]
FaceNumbers = Annotated[
    list[FaceNumber], Field(min_length=1, max_length=1000, description="As the list tells them.")
]


class Rules(BaseModel):
    """What the gallery may keep of faces that nobody could name."""

    model_config = ConfigDict(extra="forbid")

    days: float = Field(30.0, gt=0, le=3650, description="So long, then they are deleted.")
    doubtful_within: float = Field(
        0.0,
        ge=0,
        le=2,
        description="Faces that were named by less than this above the threshold wait, too.",
    )


class WaitingFace(BaseModel):
    """A face that waits."""

    number: int
    kept_at: str
    expires_at: str | None
    source: str | None
    quality: float | None
    suggestions: list[RankedPerson] = Field(description="Who it may be, best first.")
    crop: bool = Field(False, description="Whether the aligned face is kept.")


class WaitingFaces(BaseModel):
    """Faces that wait, the oldest first."""

    rules: Rules | None = Field(description="What may be kept; null for nothing.")
    faces: list[WaitingFace]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class FaceGroups(BaseModel):
    """Faces that wait, by likeness; the largest group first."""

    groups: list[list[int]]
    threshold: ThresholdTold


class Assigned(BaseModel):
    """Who faces are: somebody enrolled, or a new person."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"faces": [1, 4], "name": "Ada"}}
    )

    faces: FaceNumbers
    person: MarkedPerson | None = Field(None, description="The id of who it is; or:")
    name: Name | None = Field(None, description="Of a new person.")
    force: bool = Field(False, description="Take faces unlike the person's other photos, too.")


class LeftWaiting(BaseModel):
    """A face that was not taken and goes on waiting."""

    face: int
    reasons: list[str]


class AssignmentDone(BaseModel):
    """The person with the faces that were taken."""

    person: PersonTold
    added: int
    left: list[LeftWaiting]


class Denied(BaseModel):
    """Who a face is not."""

    model_config = ConfigDict(extra="forbid")

    face: FaceNumber
    person: MarkedPerson


class Dismissed(BaseModel):
    """Faces to be deleted."""

    model_config = ConfigDict(extra="forbid")

    faces: FaceNumbers


class MergeWanted(BaseModel):
    """Two people who are one."""

    model_config = ConfigDict(extra="forbid")

    person: MarkedPerson = Field(description="Who is gone then.")
    into: MarkedPerson = Field(description="Who remains, with all photos.")


class MergeTold(BaseModel):
    """A merge that can be undone."""

    number: int
    merged_at: str
    identity: str = Field(description="Who was merged into somebody else.")
    into: str = Field(description="Into whom, by the present name.")
    photos: int


class MergeDone(BaseModel):
    """Who remains, and the number by which the merge is undone."""

    number: int
    person: PersonTold


class Merges(BaseModel):
    """Merges that can be undone, the oldest first."""

    merges: list[MergeTold]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class UndoWanted(BaseModel):
    """How the person who is back is to be called."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = Field(None, description="Null for the old name.")


@router.get("/review")
def list_waiting(
    caller: Operator, gallery: GalleryId, cursor: Cursor = "", limit: Limit = 100
) -> WaitingFaces:
    """Faces that wait for somebody to say who they are, page by page."""
    known = caller.gallery(gallery)
    queue, after = ReviewQueue(known), place_of("w", cursor)
    rules = queue.rules()
    faces = queue.faces(after=after, limit=limit + 1)
    more = len(faces) > limit
    return WaitingFaces(
        rules=None if rules is None else _rules(rules),
        faces=[_waiting(known, face) for face in faces[:limit]],
        next=cursor_after("w", faces[limit - 1].number if more else None),
    )


@router.put("/review")
def allow(caller: Admin, gallery: GalleryId, wanted: Rules) -> Rules:
    """Let the gallery keep faces that nobody could name, from now on."""
    queue = ReviewQueue(caller.gallery(gallery))
    queue.allow(ReviewRules(days=wanted.days, doubtful_within=wanted.doubtful_within))
    rules = queue.rules()
    return wanted if rules is None else _rules(rules)


@router.delete("/review")
def forbid(caller: Admin, gallery: GalleryId) -> Deleted:
    """Let it keep none any more, and delete those that wait."""
    return Deleted(deleted=ReviewQueue(caller.gallery(gallery)).forbid())


@router.get("/review/groups")
def group_waiting(caller: Operator, gallery: GalleryId, fmr: Fmr = DEFAULT_FMR) -> FaceGroups:
    """The faces that wait, by likeness: those of one group are probably of one person."""
    queue = ReviewQueue(caller.gallery(gallery))
    if len(queue) > _MOST_GROUPED:
        raise ProblemError(
            409, "too-many-waiting", f"more than {_MOST_GROUPED} faces wait; assign or dismiss some"
        )
    threshold = caller.context.recognizer.threshold(fmr)
    groups = [list(numbers) for numbers in queue.groups(threshold)]
    return FaceGroups(groups=groups, threshold=threshold_told(threshold))


@router.get(
    "/review/{number}/crop",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "The aligned face."}},
)
def waiting_crop(caller: Operator, gallery: GalleryId, number: Number) -> Response:
    """The aligned face of one that waits, where the gallery keeps crops."""
    try:
        kept = ReviewQueue(caller.gallery(gallery)).crop(number)
    except InputError as error:
        raise ProblemError(404, "crop-not-found", "no crop of such a face is kept") from error
    return Response(encoded(kept.pixels, ".png"), media_type="image/png")


@router.post("/review/assign")
def assign(caller: Operator, gallery: GalleryId, wanted: Assigned) -> AssignmentDone:
    """Say who faces are: they become photos of that person."""
    known = caller.gallery(gallery)
    if (wanted.person is None) == (wanted.name is None):
        raise ProblemError(422, "invalid-input", "give person or name, and not both")
    with known.changing():
        if wanted.person is not None:
            identity, view = by_id(known, wanted.person).identity, known.expecting(wanted.person)
        else:
            identity, view = normalise_identity(wanted.name or ""), known.expecting(None)
        numbers = sorted(set(wanted.faces))
        _check_waiting(known, numbers)
        done = ReviewQueue(view).assign(numbers, identity, force=wanted.force)
        found = by_name(known, identity)
    if found is None:
        raise ProblemError(422, "no-photo-taken", "no face could be taken")
    left = [
        LeftWaiting(face=number, reasons=list(reasons))
        for number, reasons in zip(numbers, done.reasons, strict=True)
        if reasons
    ]
    return AssignmentDone(person=PersonTold.of(found), added=done.added, left=left)


@router.post("/review/deny", status_code=204)
def deny(caller: Operator, gallery: GalleryId, wanted: Denied) -> None:
    """Say who a face is not: that person is not suggested for it, or for one more like it."""
    known = caller.gallery(gallery)
    with known.changing():
        person = by_id(known, wanted.person)
        _check_waiting(known, [wanted.face])
        ReviewQueue(known).deny(wanted.face, person.identity)


@router.post("/review/dismiss")
def dismiss(caller: Operator, gallery: GalleryId, wanted: Dismissed) -> Deleted:
    """Delete faces that wait; all of them or none."""
    known, numbers = caller.gallery(gallery), set(wanted.faces)
    with known.changing():
        _check_waiting(known, sorted(numbers))
        ReviewQueue(known).dismiss(numbers)
    return Deleted(deleted=len(numbers))


@router.get("/merges")
def list_merges(
    caller: Operator, gallery: GalleryId, cursor: Cursor = "", limit: Limit = 100
) -> Merges:
    """The merges that can be undone, page by page."""
    after = place_of("m", cursor)
    found = [done for done in merges(caller.gallery(gallery)) if done.number > after]
    told = [
        MergeTold(photos=done.n_photos, **_without(done.to_dict(), "n_photos"))
        for done in found[:limit]
    ]
    more = len(found) > limit
    return Merges(merges=told, next=cursor_after("m", told[-1].number if more else None))


@router.post("/merges", status_code=201)
def merge_people(caller: Operator, gallery: GalleryId, wanted: MergeWanted) -> MergeDone:
    """Make one person of two, until it is undone."""
    known = caller.gallery(gallery)
    if wanted.person == wanted.into:
        raise ProblemError(422, "invalid-input", "two different people can be merged")
    with known.changing():
        number = _merged_before(known)
        if number is None:
            gone, stays = by_id(known, wanted.person), by_id(known, wanted.into)
            number = merge(known, gone.identity, stays.identity)
            _note_merge(known, number)
        person = PersonTold.of(by_id(known, wanted.into))
    return MergeDone(number=number, person=person)


@router.post("/merges/{number}/undo")
def undo_merge(
    caller: Operator, gallery: GalleryId, number: Number, wanted: UndoWanted
) -> PersonTold:
    """Make two of them again; gives the person who is back."""
    known = caller.gallery(gallery)
    with known.changing():
        known_merge = next((done for done in merges(known) if done.number == number), None)
        if known_merge is None:
            raise ProblemError(404, "merge-not-found", "there is no such merge to be undone")
        name = normalise_identity(wanted.name or known_merge.identity)
        if by_name(known, name) is not None:
            raise ProblemError(409, "person-exists", "somebody has this name by now; give another")
        try:
            identity = unmerge(known, number, name=name)
        except InputError as error:
            raise ProblemError(409, "not-undoable", str(error)) from error
        found = known.person(identity)
    return PersonTold.of(found)


def _merged_before(known: Gallery) -> int | None:
    """The number of the merge that this very request did before the service was killed."""
    attempt = attempt_now()
    if attempt is None or not attempt.resumed:
        return None
    found = Noted(known, MERGES).find(attempt.id)
    return None if found is None else int(found)


def _note_merge(known: Gallery, number: int) -> None:
    """In the transaction of the merge: by it the request is known again that did it."""
    if (attempt := attempt_now()) is not None:
        Noted(known, MERGES).add(attempt.id, number)


def _rules(rules: ReviewRules) -> Rules:
    return Rules(days=rules.days, doubtful_within=rules.doubtful_within)


def _waiting(known: Gallery, face: ReviewFace) -> WaitingFace:
    told = {key: value for key, value in face.to_dict().items() if key in WaitingFace.model_fields}
    told |= {"suggestions": ranked(known, face.suggestions), "crop": face.has_crop}
    return WaitingFace(**told)


def _check_waiting(known: Gallery, numbers: list[int]) -> None:
    waiting = Items(known.opened, "review")
    for number in numbers:
        try:
            waiting.read(number)
        except InputError as error:
            raise ProblemError(404, "face-not-found", f"no face {number} waits") from error


def _without(told: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != name}

"""Who of a gallery is on photos: decided, or ranked only."""

from typing import Annotated

from fastapi import Query

from vultus.core.choices import DEFAULT_FMR, DEFAULT_FPIR
from vultus.core.errors import IdentityNotFoundError, VultusError
from vultus.core.results import Identification
from vultus.gallery.decisions import log_decisions
from vultus.gallery.events.decisions import decision_event
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.review.queue import ReviewQueue
from vultus.gallery.security.audit import AuditEntry
from vultus.pipeline.liveness import with_live_session
from vultus.pipeline.one_person import identify_person
from vultus.pipeline.photos import AnalysedPhoto
from vultus.pipeline.recognizer import Recognizer
from vultus.server.answers import decided, identified, ranked
from vultus.server.context import Caller, Reader
from vultus.server.fields import Fpir, GalleryId, Groups, LiveToken, RequireLive
from vultus.server.photos import Photo, Photos, body_of, decoded, place_among, sources
from vultus.server.problems import refused_photo
from vultus.server.routes.faces import found, notes_of
from vultus.server.routing import make_router
from vultus.server.schemas import (
    FaceLikeness,
    FacesSearched,
    IdentifiedFace,
    IdentifiedFaces,
    IdentifiedFacesOfPhoto,
    IdentifiedFacesOfPhotos,
    IdentifiedPerson,
    RefusedPhoto,
)

router = make_router("/v1/galleries/{gallery}", "identify", 404, 409, 411, 413, 415)

TopK = Annotated[int, Query(ge=1, le=1000, description="So many people at most, a face.")]
Least = Annotated[
    float,
    Query(ge=-1, le=1, description="Only people who are at least so alike: a cosine similarity."),
]


@router.post("/identify", openapi_extra=body_of("photo"))
def identify(
    caller: Reader,
    gallery: GalleryId,
    photo: Photo,
    fpir: Fpir = DEFAULT_FPIR,
    group: Groups = None,
    require_live: RequireLive = False,
    live_session: LiveToken = None,
) -> IdentifiedFaces:
    """Name every face of a photo, or call it unknown; with a liveness session only its person's."""
    caller.check_session(live_session, audience=gallery)
    known = _among(caller, gallery, group)
    recognizer = caller.recognizer(require_live=require_live)
    recognizer.gallery_threshold(known, fpir=fpir)  # refused before any work
    seen = _seen(caller, photo, recognizer)
    if (proof := caller.live_proof(live_session, audience=gallery)) is not None:
        seen = with_live_session(seen, proof, least=recognizer.threshold(DEFAULT_FMR).similarity)
    return IdentifiedFaces(faces=_named(caller, known, seen, fpir))


@router.post("/identify/photos")
def identify_photos(
    caller: Reader,
    gallery: GalleryId,
    photos: Photos,
    fpir: Fpir = DEFAULT_FPIR,
    group: Groups = None,
    require_live: RequireLive = False,
) -> IdentifiedFacesOfPhotos:
    """Name every face of several photos; each answer is that of the photo alone."""
    caller.check_session(None, audience=gallery)
    known, sent = _among(caller, gallery, group), sources(photos, caller.context.settings)
    recognizer = caller.recognizer(require_live=require_live)
    recognizer.gallery_threshold(known, fpir=fpir)
    told: dict[int, IdentifiedFacesOfPhoto] = {}

    def unread(name: str, error: VultusError) -> None:
        place = place_among(name)
        problem = RefusedPhoto(**refused_photo(place, error))
        told[place] = IdentifiedFacesOfPhoto(photo=place, problem=problem, faces=[])

    for seen in recognizer.analyse(sent, on_error=unread):
        faces = _named(caller, known, seen, fpir)
        place = seen.place + 1
        told[place] = IdentifiedFacesOfPhoto(photo=place, problem=None, faces=faces)
    return IdentifiedFacesOfPhotos(photos=[told[place] for place in sorted(told)])


@router.post("/identify/person")
def identify_one(
    caller: Reader,
    gallery: GalleryId,
    photos: Photos,
    fpir: Fpir = DEFAULT_FPIR,
    group: Groups = None,
    require_live: RequireLive = False,
) -> IdentifiedPerson:
    """Name one unknown person by several photos, or say that nobody enrolled is meant."""
    caller.check_session(None, audience=gallery)
    known, sent = _among(caller, gallery, group), sources(photos, caller.context.settings)
    refused: list[RefusedPhoto] = []

    def left_out(name: str, error: VultusError) -> None:
        refused.append(RefusedPhoto(**refused_photo(place_among(name), error)))

    recognizer = caller.recognizer(require_live=require_live)
    answer = identify_person(recognizer, known, sent, fpir=fpir, on_error=left_out)
    (person,), _ = _noted(caller, known, [answer], seen=None)
    refused.sort(key=lambda photo: photo.photo)
    fields = decided(known, answer, person)
    return IdentifiedPerson(**fields, photos=answer.n_photos, refused=refused)


@router.post("/search", openapi_extra=body_of("photo"))
def search(
    caller: Reader,
    gallery: GalleryId,
    photo: Photo,
    top_k: TopK = 10,
    min_similarity: Least = -1.0,
    group: Groups = None,
) -> FacesSearched:
    """List whom each face of a photo resembles, best first; nothing is decided."""
    caller.check_session(None, audience=gallery)
    known = _among(caller, gallery, group)
    seen = _seen(caller, photo, caller.context.recognizer)
    faces = []
    for face, people in zip(
        found(seen), known.search(seen.embeddings, rank=top_k + 1), strict=True
    ):
        alike = [person for person in people if person.similarity >= min_similarity]
        faces.append(
            FaceLikeness(
                **face.model_dump(),
                candidates=ranked(known, alike[:top_k]),
                more=len(alike) > top_k,
            )
        )
    with known.opened.store.transaction(write=True):
        known.audit.append(
            AuditEntry(actor=known.opened.actor, action="search", counts={"faces": len(faces)})
        )
    return FacesSearched(faces=faces, gallery_size=len(known), notes=notes_of(seen))


def _among(caller: Caller, gallery_id: str, groups: list[str] | None) -> Gallery:
    known = caller.gallery(gallery_id)
    return known.among(groups) if groups else known


def _seen(caller: Caller, photo: bytes, recognizer: Recognizer) -> AnalysedPhoto:
    image = decoded(photo, what="the photo", most_pixels=caller.context.settings.most_pixels)
    return next(recognizer.analyse([image]))


def _named(
    caller: Caller, known: Gallery, seen: AnalysedPhoto, fpir: float
) -> list[IdentifiedFace]:
    try:
        return _named_once(caller, known, seen, fpir)
    except IdentityNotFoundError:  # who was named was erased meanwhile: then it is somebody else
        return _named_once(caller, known, seen, fpir)


def _named_once(
    caller: Caller, known: Gallery, seen: AnalysedPhoto, fpir: float
) -> list[IdentifiedFace]:
    answers = caller.context.recognizer.identify_faces(seen, known, fpir=fpir)
    people, waiting = _noted(caller, known, answers, seen=seen)
    return identified(known, seen.faces, answers, people, waiting, seen.liveness).faces


def _noted(
    caller: Caller,
    known: Gallery,
    answers: list[Identification],
    *,
    seen: AnalysedPhoto | None,
) -> tuple[list[str | None], list[int | None]]:
    """Who was named, and under which number each face waits; all is logged, or nothing."""
    log, waiting = EventLog(known), [None for _ in answers]  # type: EventLog, list[int | None]
    with log.transaction():
        log_decisions(known, answers)
        if seen is not None:
            waiting = ReviewQueue(known).offer(seen.embeddings, answers, crops=seen.crops)
        events = [
            decision_event(
                known, answer, source="api", data=None if number is None else {"review": number}
            )
            for answer, number in zip(answers, waiting, strict=True)
        ]
        if caller.context.settings.keep_events:
            log.extend(events)
    return [event.person for event in events], waiting

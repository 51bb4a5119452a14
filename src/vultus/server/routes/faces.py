"""Photos by themselves: their faces, measured, as vectors; whether two show one person."""

import math
from typing import Annotated

from fastapi import Depends, Request

from vultus.core.choices import DEFAULT_FMR
from vultus.core.errors import VultusError
from vultus.core.faces import Image
from vultus.pipeline.photos import AnalysedPhoto
from vultus.server.answers import boxes
from vultus.server.context import Caller, Operator, Reader
from vultus.server.fields import Fmr, LiveToken, RequireLive
from vultus.server.photos import (
    Photo,
    Photos,
    body_of,
    decoded,
    place_among,
    sources,
    uploaded,
)
from vultus.server.problems import refused_photo, responses
from vultus.server.routing import make_router
from vultus.server.schemas import (
    EmbeddedFace,
    EmbeddedFaces,
    FoundFace,
    FoundFaces,
    FoundFacesOfPhoto,
    FoundFacesOfPhotos,
    MeasuredFace,
    MeasuredFaces,
    RefusedPhoto,
    Space,
    Verified,
)

router = make_router("/v1", "photos", 411, 413, 415)


async def _pair(request: Request) -> list[bytes]:
    return await uploaded(request, "a", "b")


@router.post("/detect", openapi_extra=body_of("photo"))
def detect(caller: Reader, photo: Photo) -> FoundFaces:
    """Find the faces of a photo, and say which are too poor to be compared."""
    seen = _seen(caller, photo)
    return FoundFaces(faces=found(seen), notes=notes_of(seen))


@router.post("/detect/photos")
def detect_photos(caller: Reader, photos: Photos) -> FoundFacesOfPhotos:
    """Find the faces of several photos; each answer is that of the photo alone."""
    sent = sources(photos, caller.context.settings)
    told: dict[int, FoundFacesOfPhoto] = {}

    def unread(name: str, error: VultusError) -> None:
        place = place_among(name)
        problem = RefusedPhoto(**refused_photo(place, error))
        told[place] = FoundFacesOfPhoto(photo=place, problem=problem, faces=[])

    for seen in caller.context.recognizer.analyse(sent, on_error=unread):
        place = seen.place + 1
        told[place] = FoundFacesOfPhoto(
            photo=place, problem=None, faces=found(seen), notes=notes_of(seen)
        )
    return FoundFacesOfPhotos(photos=[told[place] for place in sorted(told)])


@router.post("/quality", openapi_extra=body_of("photo"))
def quality(caller: Reader, photo: Photo) -> MeasuredFaces:
    """Measure the faces of a photo."""
    seen = _seen(caller, photo)
    faces = [
        MeasuredFace(
            **face.model_dump(),
            quality=float(seen.quality.score[place]),
            measures={
                name: value if math.isfinite(value) else None for name, value in measures.items()
            },
        )
        for place, (face, measures) in enumerate(
            zip(found(seen), seen.quality.to_dicts(), strict=True)
        )
    ]
    return MeasuredFaces(faces=faces, notes=notes_of(seen))


@router.post("/embeddings", openapi_extra=body_of("photo"))
def embeddings(caller: Operator, photo: Photo) -> EmbeddedFaces:
    """The faces of a photo as vectors, which are biometric data: comparable outside, too."""
    seen = _seen(caller, photo)
    vectors = seen.embeddings
    faces = [
        EmbeddedFace(
            **face.model_dump(),
            quality=float(seen.quality.score[place]),
            norm=float(vectors.norms[place]),
            vector=vectors.vectors[place].tolist(),
        )
        for place, face in enumerate(found(seen))
    ]
    space = Space(**vectors.space.to_dict())
    return EmbeddedFaces(space=space, faces=faces, notes=notes_of(seen))


@router.post("/verify", openapi_extra=body_of("a", "b"), responses=responses(409))
def verify(
    caller: Reader,
    pair: Annotated[list[bytes], Depends(_pair)],
    fmr: Fmr = DEFAULT_FMR,
    require_live: RequireLive = False,
    live_session: LiveToken = None,
) -> Verified:
    """Decide whether two photos show one person; of a liveness session, if given, by ``a``."""
    caller.check_session(live_session)
    recognizer = caller.recognizer(require_live=require_live)
    first, second = (
        _image(caller, data, what) for data, what in zip(pair, ("a", "b"), strict=True)
    )
    proof = caller.live_proof(live_session)
    answer = recognizer.verify(first, second, fmr=fmr, live_session=proof)
    return Verified(**answer.to_dict())


def found(seen: AnalysedPhoto) -> list[FoundFace]:
    """The faces of a photo as they are told."""
    return [
        FoundFace(box_xyxy=box, score=score, refusal=list(refusal))
        for box, score, refusal in zip(
            boxes(seen.faces), seen.faces.scores.tolist(), seen.refusals, strict=True
        )
    ]


def notes_of(seen: AnalysedPhoto) -> list[str]:
    """What else there is to know of a photo."""
    return [seen.righting.words] if seen.righting.words else []


def _seen(caller: Caller, photo: bytes) -> AnalysedPhoto:
    return next(caller.context.recognizer.analyse([_image(caller, photo, "the photo")]))


def _image(caller: Caller, photo: bytes, what: str) -> Image:
    return decoded(photo, what=what, most_pixels=caller.context.settings.most_pixels)

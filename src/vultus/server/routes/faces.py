"""Photos by themselves: the faces on one, and whether two show one person."""

from typing import Annotated

from fastapi import Depends, Query, Request

from vultus.core.choices import DEFAULT_FMR
from vultus.server.context import Reader
from vultus.server.photos import Photo, body_of, decoded, uploaded
from vultus.server.routing import make_router
from vultus.server.schemas import FoundFace, FoundFaces, Verified, boxes

router = make_router("/v1", "photos", 411, 413, 415)

Fmr = Annotated[float, Query(gt=0, le=1, description="False match rate, at most.")]


async def _pair(request: Request) -> list[bytes]:
    return await uploaded(request, "a", "b")


@router.post("/detect", openapi_extra=body_of("photo"))
def detect(caller: Reader, photo: Photo) -> FoundFaces:
    """Find the faces of a photo, and say which are too poor to be compared."""
    context = caller.context
    image = decoded(photo, what="the photo", most_pixels=context.settings.most_pixels)
    seen = next(context.recognizer.analyse([image]))
    faces = [
        FoundFace(box_xyxy=box, score=score, refusal=list(refusal))
        for box, score, refusal in zip(
            boxes(seen.faces), seen.faces.scores.tolist(), seen.refusals, strict=True
        )
    ]
    return FoundFaces(faces=faces, notes=[seen.righting.words] if seen.righting.words else [])


@router.post("/verify", openapi_extra=body_of("a", "b"))
def verify(
    caller: Reader, pair: Annotated[list[bytes], Depends(_pair)], fmr: Fmr = DEFAULT_FMR
) -> Verified:
    """Decide whether two photos show one person."""
    context = caller.context
    first, second = (
        decoded(data, what=name, most_pixels=context.settings.most_pixels)
        for data, name in zip(pair, ("a", "b"), strict=True)
    )
    answer = context.recognizer.verify(first, second, fmr=fmr)
    return Verified(**answer.to_dict())

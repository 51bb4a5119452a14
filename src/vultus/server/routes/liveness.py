"""A passive look at the faces of a photo: prints and screens, some of them."""

from pydantic import BaseModel, Field

from vultus.core.errors import NoFaceError, TooManyFacesError
from vultus.server.answers import boxes
from vultus.server.context import Reader
from vultus.server.liveness import LivenessTold
from vultus.server.photos import Photo, body_of, decoded
from vultus.server.routing import make_router
from vultus.server.schemas import (
    Box,
)

router = make_router("/v1", "liveness", 409, 411, 413, 415)


class LookedAtFace(BaseModel):
    """A face, and what networks make of it."""

    box_xyxy: Box = Field(description="In pixels of the photo.")
    liveness: LivenessTold


class LookedAtFaces(BaseModel):
    """The faces of a photo, each looked at."""

    faces: list[LookedAtFace]


@router.post("/liveness", openapi_extra=body_of("photo"))
def liveness(caller: Reader, photo: Photo) -> LookedAtFaces:
    """Look at each face of a photo for signs of a print or a screen. A signal, no proof."""
    passive = caller.looking()
    image = decoded(photo, what="the photo", most_pixels=caller.context.settings.most_pixels)
    faces = caller.context.recognizer.detector.detect(image)
    if not len(faces):
        raise NoFaceError("no face found in the photo; it must show one")
    if (most := caller.context.settings.most_faces) < len(faces):
        raise TooManyFacesError(f"the photo shows {len(faces)} faces, {most} are looked at at most")
    signals = passive.judge(image, faces)
    return LookedAtFaces(
        faces=[
            LookedAtFace(box_xyxy=box, liveness=LivenessTold(**signal.to_dict()))
            for box, signal in zip(boxes(faces), signals, strict=True)
        ]
    )

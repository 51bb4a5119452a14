"""A face as the model sees it."""

from fastapi import Response

from vultus.core.errors import QualityError
from vultus.image.encode import encoded
from vultus.pipeline.selection import select_face
from vultus.server.context import Reader
from vultus.server.photos import Photo, body_of, decoded
from vultus.server.routing import make_router

router = make_router("/v1", "photos", 411, 413, 415)


@router.post(
    "/crop",
    openapi_extra=body_of("photo"),
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "The aligned face."}},
)
def crop(caller: Reader, photo: Photo) -> Response:
    """The face of a photo, aligned as the embedder gets it: the one that verify compares."""
    context = caller.context
    image = decoded(photo, what="the photo", most_pixels=context.settings.most_pixels)
    seen = next(context.recognizer.analyse([image]))
    refusals = seen.refusals
    chosen = select_face(seen.faces, seen.image.shape[:2], refusals=refusals)
    if refusals[chosen]:
        raise QualityError(f"the face cannot be judged: {'; '.join(refusals[chosen])}")
    return Response(encoded(seen.crops.pixels[chosen], ".png"), media_type="image/png")

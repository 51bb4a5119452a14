"""Photos out of requests: as a part of a form or as the body, never an address or a path."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, File, Request
from fastapi import UploadFile as FormFile
from starlette.datastructures import UploadFile

from vultus.core.errors import ImageError
from vultus.core.faces import Image
from vultus.core.phases import phase
from vultus.image.io import read_image
from vultus.pipeline.photos import StoredPhoto
from vultus.server.forms import refuse_unknown
from vultus.server.problems import ProblemError
from vultus.server.settings import ServerSettings

_FORM = "multipart/form-data"
_RAW = ("image/", "application/octet-stream")


async def uploaded(request: Request, *fields: str) -> list[bytes]:
    """The bytes of the photos of a request, one for each field.

    Args:
        request: A form with a file in each field; or, for one field, the photo as the body.
        fields: Names in the form.

    Raises:
        ProblemError: If it is of another kind, or a file is missing, empty or there twice.
    """
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith(_FORM):
        async with request.form(max_files=len(fields) + 1, max_fields=16) as form:
            refuse_unknown("form", form, fields)
            return [await _part(form.getlist(field), field) for field in fields]
    if len(fields) == 1 and kind.startswith(_RAW):
        return [_filled(await request.body(), "the body")]
    raise ProblemError(
        415,
        "unsupported-media-type",
        f"send {_FORM} with {' and '.join(fields)}"
        + (", or the photo itself as image/jpeg or the like" if len(fields) == 1 else ""),
    )


def sources(photos: Sequence[UploadFile], settings: ServerSettings) -> list[StoredPhoto]:
    """Photos of a form, each decoded when its turn comes: many at once would not fit in memory.

    They are called ``photo 1``, ``photo 2``, in the order in which they were sent.

    Raises:
        ProblemError: If there are too many.
    """
    if len(photos) > settings.most_photos:
        raise ProblemError(
            413, "too-many-photos", f"send {settings.most_photos} photos at most, got {len(photos)}"
        )

    def source(photo: UploadFile, name: str) -> StoredPhoto:
        def fetch() -> Image:
            photo.file.seek(0)
            return decoded(photo.file.read(), what=name, most_pixels=settings.most_pixels)

        return StoredPhoto(name, fetch)

    return [source(photo, f"photo {place}") for place, photo in enumerate(photos, 1)]


def place_among(name: str) -> int:
    """Which photo of `sources` is called that, from 1."""
    return int(name.removeprefix("photo "))


def decoded(data: bytes, *, what: str, most_pixels: int) -> Image:
    """(h, w, 3) uint8, RGB.

    Raises:
        ImageError: If it is no photo, or has more pixels; known before it is decoded.
    """
    try:
        with phase("decode", photos=1):
            return read_image(data, max_pixels=most_pixels)
    except ImageError as error:
        raise ImageError(f"{what}: {error}") from error


async def _one_photo(request: Request) -> bytes:
    return (await uploaded(request, "photo"))[0]


Photo = Annotated[bytes, Depends(_one_photo)]
"""The one photo of a request; its operation is described by ``body_of("photo")``."""
Photos = Annotated[
    list[FormFile], File(min_length=1, max_length=1000, description="Once for each photo.")
]
"""Several photos of a request, for `sources`."""


def body_of(*fields: str) -> dict[str, Any]:
    """For the documentation of an operation: what `uploaded` takes."""
    binary = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {
        _FORM: {
            "schema": {
                "type": "object",
                "required": list(fields),
                "properties": dict.fromkeys(fields, binary),
            }
        }
    }
    if len(fields) == 1:
        content |= {kind: {"schema": binary} for kind in ("image/jpeg", "image/png", "image/webp")}
    return {"requestBody": {"required": True, "content": content}}


async def _part(found: list[UploadFile | str], field: str) -> bytes:
    if len(found) != 1 or not isinstance(found[0], UploadFile):
        raise ProblemError(422, "invalid-input", f"the form must have one file {field!r}")
    return _filled(await found[0].read(), field)


def _filled(data: bytes, what: str) -> bytes:
    if not data:
        raise ProblemError(422, "unreadable-photo", f"{what} is empty")
    return data

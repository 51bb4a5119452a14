"""Operations of the service: galleries. Written by scripts/client_operations.py."""

from dataclasses import dataclass
from typing import Any

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryTold:
    """A gallery.

    Attributes:
        id: Id.
        people: People.
        model: Model.
        sealed: Sealed.
        groups: Groups.
    """

    id: str
    people: int
    model: str
    sealed: bool
    groups: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryList:
    """Galleries that the key may touch.

    Attributes:
        galleries: Galleries.
    """

    galleries: tuple[GalleryTold, ...]


def list_galleries() -> Call[GalleryList]:
    """The galleries that the key may touch."""
    return Call("GET", "/v1/galleries", GalleryList, repeatable=True)


def make_gallery(*, id: str, idempotency_key: str | Unset = UNSET) -> Call[GalleryTold]:
    """Make a gallery of the service's model.

    Args:
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        id: 1 to 64 letters, digits, `_`, `.` or `-`, a letter or digit first.
    """
    return Call(
        "POST",
        "/v1/galleries",
        GalleryTold,
        headers={"Idempotency-Key": idempotency_key},
        body={"id": id},
        keyed=True,
    )


def gallery_told(gallery: str) -> Call[GalleryTold]:
    """How many people are in a gallery, of which model, whether it is sealed.

    Args:
        gallery: The gallery's id.
    """
    return Call("GET", f"/v1/galleries/{quoted(gallery)}", GalleryTold, repeatable=True)

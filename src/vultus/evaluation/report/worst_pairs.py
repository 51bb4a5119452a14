"""The worst pairs of a record with their photos, small enough to go into a page."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vultus.core.errors import InputError, VultusError
from vultus.data.formats.pair_set import read_pair_set
from vultus.evaluation.protocols.photos import PhotoFile, PhotoRoot
from vultus.evaluation.report.record import ScoredPair
from vultus.image.io import read_image
from vultus.pages.inline import InlineImage, inline_image

_HEIGHT_PX = 150
_WIDTH_PX = 200


class PairPhotos:
    """The photos of a protocol by the names that its records use.

    Args:
        root: Folder or zip of photos, or a ``*.bin`` verification set.

    Raises:
        InputError: If it is none of them.
    """

    def __init__(self, root: Path) -> None:
        self._images = read_pair_set(root)[0] if root.suffix == ".bin" else None
        self._photos = PhotoRoot(root) if self._images is None else None
        self._thumbnails: dict[str, InlineImage] = {}

    def thumbnail(self, name: str) -> InlineImage:
        """A photo as a small JPEG.

        Raises:
            InputError: If there is no such photo.
            ImageError: If it cannot be read.
        """
        if name not in self._thumbnails:
            photo = read_image(self._read(name))
            small = inline_image(photo, max_width=_WIDTH_PX, max_height=_HEIGHT_PX)
            self._thumbnails[name] = small
        return self._thumbnails[name]

    def _read(self, name: str) -> PhotoFile:
        if self._photos is not None:
            return self._photos.read(self._photos.find(name))
        images = self._images if self._images is not None else []
        if not name.isdecimal() or int(name) >= len(images):
            raise InputError(f"photos of a *.bin are numbered 0 .. {len(images) - 1}, got {name}")
        return images[int(name)]


@dataclass(frozen=True, slots=True)
class ShownPair:
    """One pair as the page shows it.

    Attributes:
        first: Name of the first photo.
        second: Name of the second photo.
        similarity: With four digits.
        pictures: Both photos, None for one that is not there or cannot be read; empty where names
            alone are shown.
    """

    first: str
    second: str
    similarity: str
    pictures: tuple[InlineImage | None, ...]


def shown_pairs(pairs: Iterable[ScoredPair], photos: PairPhotos | None) -> list[ShownPair]:
    """Pairs with their photos.

    Args:
        pairs: In order.
        photos: Where their photos are; None shows names only.
    """
    return [
        ShownPair(
            pair.first,
            pair.second,
            f"{pair.similarity:.4f}",
            () if photos is None else tuple(_picture(n, photos) for n in (pair.first, pair.second)),
        )
        for pair in pairs
    ]


def _picture(name: str, photos: PairPhotos) -> InlineImage | None:
    try:
        return photos.thumbnail(name)
    except VultusError:
        return None

"""Pairs of photos side by side, small enough to go into a page."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from vultus.core.errors import InputError, VultusError
from vultus.data.formats.pair_set import read_pair_set
from vultus.evaluation.protocols.photo_root import PhotoRoot
from vultus.evaluation.protocols.photos import PhotoFile
from vultus.evaluation.report.record import ScoredPair
from vultus.image.inline import inline_image
from vultus.image.io import read_image

_HEIGHT_PX = 150
_WIDTH_PX = 200


class PhotoSource:
    """The photos of a protocol by the names that its records use.

    Args:
        root: Folder or zip of photos, or a ``*.bin`` verification set.

    Raises:
        InputError: If it is none of them.
    """

    def __init__(self, root: Path) -> None:
        self._images = read_pair_set(root)[0] if root.suffix == ".bin" else None
        self._photos = PhotoRoot(root) if self._images is None else None
        self._thumbnails: dict[str, str] = {}

    def thumbnail(self, name: str) -> str:
        """A photo as the ``data:`` address of a small JPEG.

        Raises:
            InputError: If there is no such photo.
            ImageError: If it cannot be read.
        """
        if name not in self._thumbnails:
            photo = read_image(self._read(name))
            small = inline_image(photo, max_width=_WIDTH_PX, max_height=_HEIGHT_PX)
            self._thumbnails[name] = small.address
        return self._thumbnails[name]

    def _read(self, name: str) -> PhotoFile:
        if self._photos is not None:
            return self._photos.read(self._photos.find(name))
        images = self._images if self._images is not None else []
        if not name.isdecimal() or int(name) >= len(images):
            raise InputError(f"photos of a *.bin are numbered 0 .. {len(images) - 1}, got {name}")
        return images[int(name)]


def contact_sheet(pairs: Iterable[ScoredPair], *, photos: PhotoSource | None) -> str:
    """Pairs with their similarity, as HTML.

    Args:
        pairs: In order.
        photos: Where their photos are; None shows names only. A photo that is not there or cannot
            be read is told by a dash.
    """
    sheets = "".join(_pair(pair, photos) for pair in pairs)
    return f'<div class="pairs">{sheets}</div>'


def _pair(pair: ScoredPair, photos: PhotoSource | None) -> str:
    pictures = (
        "" if photos is None else _picture(pair.first, photos) + _picture(pair.second, photos)
    )
    shown = f'<div class="two">{pictures}</div>' if pictures else ""
    return (
        f'<figure class="pair">{shown}<figcaption><b>{pair.similarity:.4f}</b> '
        f"<br>{escape(pair.first)}<br>{escape(pair.second)}</figcaption></figure>"
    )


def _picture(name: str, photos: PhotoSource) -> str:
    try:
        address = photos.thumbnail(name)
    except VultusError:
        return '<span class="gone">&ndash;</span>'
    return f'<img alt="{escape(name, quote=True)}" src="{address}">'

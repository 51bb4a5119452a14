"""Decoded Pillow images of any mode as RGB arrays: depth, alpha, palette, orientation.

Works through the picture in bands of rows, so that next to the decoded picture and the result only
a few megabytes are ever needed.
"""

import logging

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from vultus.core.errors import ImageError
from vultus.core.faces import Image
from vultus.image.decode import EXIF_ORIENTATION, decoding

logger = logging.getLogger(__name__)

_BAND_PIXELS = 1 << 18

_ORIENTATION_TAG = 0x0112
_BITS_PER_SAMPLE_TAG = 258
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
_PLAIN_MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def pillow_to_rgb(picture: PilImage.Image, name: str) -> Image:
    """Convert a loaded Pillow image to upright RGB.

    Args:
        picture: A loaded image of any mode but 32-bit float.
        name: What messages call the image.

    Returns:
        (h, w, 3) uint8, C-contiguous, turned upright by its EXIF orientation. Alpha is composited
        on white. 16-bit grey is scaled to 8 bit. CMYK is converted by Pillow's plain formula,
        without a colour profile.

    Raises:
        ImageError: If the mode has no defined range (32-bit integer beyond 16 bit, float).
    """
    if picture.mode not in (*_ALPHA_MODES, *_PLAIN_MODES, *_SIXTEEN_BIT_MODES):
        raise ImageError(
            f"{name} has pixels of mode {picture.mode!r}, whose range is not defined; "
            "convert it to 8 bit a channel first"
        )
    orientation = _exif_orientation(picture, name)
    width, height = picture.size
    upright_hw = (width, height) if orientation >= 5 else (height, width)
    result = np.empty((*upright_hw, 3), np.uint8)
    as_stored = _stored_view(result, orientation)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        with decoding(name):
            band = picture.crop((0, top, width, bottom))
        as_stored[top:bottom] = _band_to_rgb(band, picture, name)
    return result


def composite_on_white(rgba: npt.NDArray[np.uint8]) -> Image:
    """Lay a picture with straight alpha on white.

    White, because cut-out portraits and scanned logos are made to be seen on paper, and because
    a black ground would add hard dark edges around hair that detectors take for shadow.

    Args:
        rgba: (h, w, 4) uint8.

    Returns:
        (h, w, 3) uint8.
    """
    alpha = rgba[..., 3:].astype(np.uint16)
    blended = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return np.asarray((blended + 127) // 255, np.uint8)


def _exif_orientation(picture: PilImage.Image, name: str) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the EXIF data is damaged.

    Damaged EXIF is common and harmless: every viewer then shows the picture as it is stored.
    """
    try:
        with decoding(name):
            value = picture.info.get(EXIF_ORIENTATION)
            if value is None:
                value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except ImageError as error:
        logger.info("EXIF of an image ignored: %s", type(error.__cause__).__name__)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _stored_view(upright: Image, orientation: int) -> Image:
    """A view of the upright array whose rows and columns run as they do in the file."""
    view = upright.transpose(1, 0, 2) if orientation >= 5 else upright
    if orientation in (3, 4, 6, 7):
        view = view[::-1]
    if orientation in (2, 3, 7, 8):
        view = view[:, ::-1]
    return view


def _band_to_rgb(band: PilImage.Image, picture: PilImage.Image, name: str) -> Image:
    if band.mode in _SIXTEEN_BIT_MODES:
        return _grey_to_rgb(_sixteen_to_eight(np.asarray(band), picture, name))
    with decoding(name):
        if band.mode in _ALPHA_MODES or "transparency" in band.info:
            return composite_on_white(np.asarray(band.convert("RGBA")))
        return np.asarray(band.convert("RGB"))


def _sixteen_to_eight(
    values: npt.NDArray[np.integer], picture: PilImage.Image, name: str
) -> npt.NDArray[np.uint8]:
    bits = _bits_per_sample(picture)
    wide = values.astype(np.int64)
    peak = (1 << bits) - 1
    if wide.min() < 0 or wide.max() > peak:
        raise ImageError(
            f"{name} has integer pixels from {wide.min()} to {wide.max()}, outside of {bits} bit "
            f"(0 to {peak}); scale it to 8 or 16 bit first"
        )
    return np.asarray((wide * 255 + peak // 2) // peak, np.uint8)


def _bits_per_sample(picture: PilImage.Image) -> int:
    # TIFF may hold 12 bit, which Pillow unpacks into 16-bit words without scaling.
    tags = getattr(picture, "tag_v2", None)
    declared = tags.get(_BITS_PER_SAMPLE_TAG) if tags is not None else None
    return 12 if declared in (12, (12,)) else 16


def _grey_to_rgb(grey: npt.NDArray[np.uint8]) -> Image:
    return np.repeat(grey[:, :, None], 3, axis=2)

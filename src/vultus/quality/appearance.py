"""What the pixels of aligned faces say: light, contrast, sharpness.

All functions take luminance (n, h, w) and a mask of the same shape that is True on the face, and
answer with one number a face; a face without a single True pixel gets 0.
"""

import numpy as np
import numpy.typing as npt

from vultus.core.crops import AlignedCrops
from vultus.core.geometry import invert_transform, transform_points

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FACE_ELLIPSE = (56.0, 68.0, 36.0, 40.0)
"""Centre x, y and half axes of the face in an arcface-112 crop, pixels: brows to chin, no hair."""

CROP_PX = 112
BLUR_TAPS = 9
_DARK = 25.5 / 255
_BRIGHT = 246.5 / 255


def luminance(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Luma of RGB pixels with the weights of ITU-R BT.709.

    Args:
        pixels: (n, h, w, 3) uint8.

    Returns:
        (n, h, w) float32 in [0, 1].
    """
    return np.asarray(pixels @ np.array([0.2126, 0.7152, 0.0722], np.float32) / 255, np.float32)


def face_ellipse() -> Mask:
    """(112, 112) bool: True inside of `FACE_ELLIPSE`."""
    y, x = np.mgrid[:CROP_PX, :CROP_PX]
    centre_x, centre_y, half_x, half_y = FACE_ELLIPSE
    return np.asarray(((x - centre_x) / half_x) ** 2 + ((y - centre_y) / half_y) ** 2 <= 1)


def face_masks(crops: AlignedCrops, image_hw: tuple[int, int], *, margin_px: float = 0) -> Mask:
    """Where a crop shows the face, and not what lies beyond the photo's edge.

    Args:
        crops: Crops of the template arcface-112.
        image_hw: Height and width of the photo.
        margin_px: Keep this far away from the photo's edge, in pixels of the crop.

    Returns:
        (n, 112, 112) bool: inside of `FACE_ELLIPSE` and of the photo.
    """
    ellipse = face_ellipse()
    grid = np.stack(np.meshgrid(np.arange(CROP_PX), np.arange(CROP_PX)), axis=2).astype(np.float32)
    masks = np.zeros((len(crops), CROP_PX, CROP_PX), np.bool_)
    for mask, transform in zip(masks, crops.transforms, strict=True):
        inverse = invert_transform(transform)
        source = transform_points(grid, inverse)
        keep = margin_px * float(np.linalg.norm(inverse[:, :2], ord=2)) - 0.5
        far = np.array([image_hw[1], image_hw[0]], np.float32) - 1 - keep
        mask[:] = ellipse & ((source >= keep) & (source <= far)).all(axis=2)
    return masks


def luminance_mean(luma: Floats, mask: Mask) -> Floats:
    """Mean luminance of the face, in [0, 1]."""
    return _masked_mean(luma, mask)


def contrast(luma: Floats, mask: Mask) -> Floats:
    """Standard deviation of the face's luminance, in [0, 0.5]."""
    mean = _masked_mean(luma, mask)
    variance = _masked_mean((luma - mean[:, None, None]) ** 2, mask)
    return np.asarray(np.sqrt(variance), np.float32)


def under_exposure(luma: Floats, mask: Mask) -> Floats:
    """Share of the face that is nearly black (8-bit luminance up to 25), in [0, 1]."""
    return _masked_mean((luma < _DARK).astype(np.float32), mask)


def over_exposure(luma: Floats, mask: Mask) -> Floats:
    """Share of the face that is nearly white (8-bit luminance from 247), in [0, 1]."""
    return _masked_mean((luma > _BRIGHT).astype(np.float32), mask)


def sharpness(luma: Floats, mask: Mask) -> Floats:
    """Sharpness by re-blurring: how much of its local variation a face loses when blurred again.

    A blurred picture hardly changes under more blur, a sharp one does. Along each axis the sum of
    ``max(0, |d luma| - |d blurred|)`` over that of ``|d luma|`` is taken, with neighbours'
    differences d and a mean of 9 pixels; the worse axis counts, so that motion blur shows.
    Measured in the crop, that is at a fixed size of the face: a small face that was enlarged has
    no fine detail and is not sharp, however crisp its own pixels were. Brightness and contrast
    cancel. Noise and hard compression look like detail: a noisy face reads sharper than it is.

    Args:
        luma: (n, h, w) float32 in [0, 1].
        mask: (n, h, w) bool.

    Returns:
        (n,) float32 in [0, 1]; clear 112 x 112 faces have about 0.45 to 0.65, and blur of 2 pixels
        (standard deviation) leaves about 0.27.

    Source: Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a
    new no-reference perceptual blur metric", SPIE 6492, 2007 (their measure is one minus this).
    """
    return np.minimum(_kept_detail(luma, mask, axis=1), _kept_detail(luma, mask, axis=2))


def _kept_detail(luma: Floats, mask: Mask, *, axis: int) -> Floats:
    variation = np.abs(np.diff(luma, axis=axis))
    left = np.abs(np.diff(_running_mean(luma, axis=axis), axis=axis))
    both = mask[:, 1:] & mask[:, :-1] if axis == 1 else mask[:, :, 1:] & mask[:, :, :-1]
    lost = _masked_mean(np.maximum(variation - left, 0), both)
    # Less than a hundredth of a grey level a pixel is no variation at all.
    return np.asarray(lost / np.maximum(_masked_mean(variation, both), 4e-5), np.float32)


def _running_mean(luma: Floats, *, axis: int) -> Floats:
    reach = BLUR_TAPS // 2
    widths = [(0, 0)] * luma.ndim
    widths[axis] = (reach, reach)
    padded = np.pad(luma, widths, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, BLUR_TAPS, axis=axis)
    return np.asarray(windows.mean(axis=-1), np.float32)


def _masked_mean(values: Floats, mask: Mask) -> Floats:
    total = np.where(mask, values, 0).sum(axis=(1, 2))
    return np.asarray(total / np.maximum(mask.sum(axis=(1, 2)), 1), np.float32)

"""Faces of an image -> crops of one size, each with the map that made it."""

import numpy as np
import numpy.typing as npt

from vultus.alignment.crop_templates import (
    CropTemplate,
    LandmarkTemplate,
    MarginTemplate,
    crop_template,
)
from vultus.core.checks import check_array
from vultus.core.crops import AlignedCrops
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.image.warp import warp

_MIN_EXTENT_PX = 1e-3
"""Landmarks closer together than this have no direction, and boxes thinner than this no size."""

_MIN_SCALE = 1e-6
"""Below this a similarity squeezes the image to a point."""


def align_faces(image: Image, faces: Faces, *, template: str = "arcface-112") -> AlignedCrops:
    """Warp every face of an image onto a template.

    Shrinking is free of aliasing (see `vultus.image.warp.warp`); what a crop needs from beyond the
    image's edge is black.

    Args:
        image: (h, w, 3) uint8, RGB.
        faces: The faces found in it; of landmarks and boxes only what the template uses is read.
        template: A name in `vultus.alignment.crop_templates.TEMPLATES`.

    Returns:
        One crop a face, in the same order, with the maps from image to crop; invert one with
        `vultus.core.geometry.invert_transform` to take points back to the photo.

    Raises:
        InputError: If the template is unknown, or a face's landmarks or box are degenerate; the
            message names the face.
    """
    chosen = crop_template(template)
    if isinstance(chosen, MarginTemplate):
        return _crops(image, _margin_transforms(faces.boxes, chosen), chosen)
    return _crops(image, similarity_transforms(faces.landmarks, chosen.points), chosen)


def margin_crops(
    image: Image, faces: Faces, *, size: int = 160, margin_px: int = 44
) -> AlignedCrops:
    """Cut out every face by its box and a margin, stretched to a square, without alignment.

    The box fills the middle ``size - margin_px`` pixels of the crop along each axis. This is the
    crop of FaceNet; the customary code clips the region at the image's edge, here it is black
    beyond, so that a face at the edge keeps its place.

    Args:
        image: (h, w, 3) uint8, RGB.
        faces: The faces found in it; only boxes are read.
        size: Height and width of the crops in pixels.
        margin_px: Pixels of the crop outside of the box, both sides together, in [0, size).

    Returns:
        One crop a face. Their template is ``"facenet-160"`` at the default size and margin, else
        ``"margin-<size>-<margin_px>"``.

    Raises:
        InputError: If a number is out of range, or a box is empty; the message names the face.
    """
    chosen = crop_template("facenet-160")
    if (size, margin_px) != (160, 44):
        chosen = MarginTemplate(f"margin-{size}-{margin_px}", size, margin_px)
    if not isinstance(chosen, MarginTemplate):
        raise TypeError(f"facenet-160 must be a MarginTemplate, is {type(chosen).__name__}")
    return _crops(image, _margin_transforms(faces.boxes, chosen), chosen)


def similarity_transforms(
    landmarks: npt.NDArray[np.float32], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """The least-squares similarity of every face: rotation, one scale, shift; no reflection.

    With points as complex numbers ``z`` (face) and ``w`` (target), both less their mean, the
    similarity is multiplication by one complex number, and least squares over all of them gives
    ``a = sum(conj(z) w) / sum(|z|^2)``: the planar case of Umeyama (1991), equations 40-43, where
    his correction of the determinant's sign keeps out reflections. Computed in float64.

    Args:
        landmarks: (n, k, 2) float32 ``x y``, k >= 2.
        target: (k, 2) float64 ``x y``.

    Returns:
        (n, 2, 3) float32, each from the image to the crop.

    Raises:
        InputError: If all points of a face lie in one place, or fit the target so badly that the
            best scale is zero; the message names the face.
    """
    check_array("target", target, dtype=np.float64, shape=("k", 2))
    check_array("landmarks", landmarks, dtype=np.float32, shape=("n", len(target), 2))
    points = landmarks.astype(np.float64)
    z, w = points[..., 0] + 1j * points[..., 1], target[:, 0] + 1j * target[:, 1]
    z_mean, w_mean = z.mean(axis=1), w.mean()
    centred = z - z_mean[:, None]
    spread = (np.abs(centred) ** 2).sum(axis=1)
    _refuse_faces(spread < _MIN_EXTENT_PX**2, landmarks, "landmarks that lie apart")
    a = (centred.conj() * (w - w_mean)).sum(axis=1) / spread
    _refuse_faces(np.abs(a) < _MIN_SCALE, landmarks, "landmarks that resemble the template")
    b = w_mean - a * z_mean
    rows = [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]
    return np.array(rows).transpose(2, 0, 1).astype(np.float32)


def _margin_transforms(
    boxes: npt.NDArray[np.float32], template: MarginTemplate
) -> npt.NDArray[np.float32]:
    """The map of every box onto the middle of a square crop.

    Args:
        boxes: (n, 4) float32 ``x1 y1 x2 y2`` in pixels.
        template: Size and margin.

    Returns:
        (n, 2, 3) float32, from the image to the crop; scale along x and y, and a shift.

    Raises:
        InputError: If a box has no width or height; the message names the face.
    """
    check_array("boxes", boxes, dtype=np.float32, shape=("n", 4))
    sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    _refuse_faces(sides.min(axis=1) < _MIN_EXTENT_PX, boxes, "a box with width and height")
    centres = (boxes[:, 2:].astype(np.float64) + boxes[:, :2]) / 2
    scales = (template.size - template.margin_px) / sides
    # Box edges are taken like landmarks, as coordinates of pixel centres; so is the crop's middle.
    shifts = (template.size - 1) / 2 - scales * centres
    transforms = np.zeros((len(boxes), 2, 3), np.float32)
    transforms[:, 0, 0], transforms[:, 1, 1] = scales[:, 0], scales[:, 1]
    transforms[:, :, 2] = shifts
    return transforms


def landmark_residuals(faces: Faces, template: str = "arcface-112") -> npt.NDArray[np.float32]:
    """How far each landmark ends up from its place in the template.

    Large values tell of a profile view, of landmarks in another order, or of a bad detection.

    Args:
        faces: The faces.
        template: Name of a template with landmarks.

    Returns:
        (n, 5) float32: distances in pixels of the crop.

    Raises:
        InputError: If the template is unknown or has no landmarks, or a face is degenerate.
    """
    chosen = crop_template(template)
    if not isinstance(chosen, LandmarkTemplate):
        raise InputError(f"template must be one with landmarks, got {template!r}")
    maps = similarity_transforms(faces.landmarks, chosen.points).astype(np.float64)
    laid = faces.landmarks @ maps[:, :, :2].transpose(0, 2, 1) + maps[:, None, :, 2]
    return np.asarray(np.linalg.norm(laid - chosen.points, axis=2), np.float32)


def _crops(
    image: Image, transforms: npt.NDArray[np.float32], template: CropTemplate
) -> AlignedCrops:
    pixels = np.zeros((len(transforms), *template.size_hw, 3), np.uint8)
    for crop, transform in zip(pixels, transforms, strict=True):
        crop[:] = warp(image, transform, size_hw=template.size_hw)
    return AlignedCrops(pixels, transforms, template.name)


def _refuse_faces(bad: npt.NDArray[np.bool_], values: npt.NDArray[np.float32], wanted: str) -> None:
    if bad.any():
        face = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"face {face} of {len(bad)} must have {wanted}, got {values[face].tolist()}; "
            "leave it out or detect it again"
        )

"""A person and conditions -> an aligned crop with its landmarks."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image
from vultus.data.augmentation.resolution import Noise
from vultus.data.paint import landmark_template
from vultus.data.synthetic.conditions import Conditions
from vultus.data.synthetic.features import draw_brows, draw_eyes, draw_mouth, draw_nose
from vultus.data.synthetic.head import (
    CROWN_Y,
    draw_background,
    draw_hair,
    draw_hair_behind,
    draw_head,
    hair_style,
)
from vultus.data.synthetic.identity import SyntheticIdentity
from vultus.data.synthetic.marks import draw_beard, draw_folds, draw_glasses, draw_moles
from vultus.data.synthetic.scene import NEUTRAL, Scene
from vultus.data.synthetic.view import View

_FINE = 2
"""Shapes are drawn this many times larger than the crop, then averaged: OpenCV places the corners
of polygons at whole rows, and half a pixel of a brow's height tells people apart."""

_RELIEF_SIGMA = 0.07
"""Softness of folds and hollows in head units."""


@dataclass(frozen=True, eq=False)
class SyntheticFace:
    """A rendered face.

    Attributes:
        image: (h, w, 3) uint8, RGB: an aligned crop of the template's size.
        landmarks: (5, 2) float32, ``x y`` in pixels of the crop, in the order of
            `vultus.core.faces.LANDMARK_NAMES`: where they are, not where the template wants them.
    """

    image: Image
    landmarks: npt.NDArray[np.float32]


def render_face(
    identity: SyntheticIdentity, conditions: Conditions, *, template: str = "arcface-112"
) -> SyntheticFace:
    """Draw a face. The same arguments give the same pixels.

    Args:
        identity: Who.
        conditions: How.
        template: Name of a template with landmarks.

    Raises:
        InputError: If there is no such template, or it has no landmarks.
    """
    target = landmark_template(template)
    details = np.random.default_rng(conditions.detail_seed)
    # Pixel centres are at integers, so the crop's corner is at -0.5 in both grids.
    view = View(identity, conditions, target=(target.points + 0.5) * _FINE - 0.5)
    height, width = target.size_hw
    pixels = draw_background((height * _FINE, width * _FINE), details)
    scene = Scene(view, identity, conditions, details, pixels)
    style = hair_style(scene)
    draw_hair_behind(scene, style)
    draw_head(scene)
    draw_moles(scene)
    draw_folds(scene)
    draw_nose(scene)
    draw_eyes(scene)
    draw_mouth(scene)
    draw_beard(scene)
    draw_brows(scene)
    draw_hair(scene, style)
    if conditions.glasses:
        draw_glasses(scene)
    landmarks = ((view.landmarks + 0.5) / _FINE - 0.5).astype(np.float32)
    return SyntheticFace(_photographed(_lit(scene), conditions, details), landmarks)


def _lit(scene: Scene) -> Image:
    """(h, w, 3) uint8 of the crop's size: colours times relief, light, exposure and tint."""
    how = scene.conditions
    size = (scene.relief.shape[1] // _FINE, scene.relief.shape[0] // _FINE)
    colours = cv2.resize(scene.pixels, size, interpolation=cv2.INTER_AREA)
    relief = cv2.resize(scene.relief, size, interpolation=cv2.INTER_AREA)
    relief = cv2.GaussianBlur(relief, (0, 0), _RELIEF_SIGMA * scene.view.scale_px / _FINE)
    brightness = relief.astype(np.float32) * _light(scene) * np.float32(how.exposure / NEUTRAL)
    gain = cv2.merge([brightness * np.float32(factor) for factor in how.tint])
    return np.asarray(cv2.multiply(colours, gain, dtype=cv2.CV_8U), np.uint8)


def _light(scene: Scene) -> npt.NDArray[np.float32]:
    """(h, w) float32: light that arrives, by the normals of an ellipsoid in the head's place."""
    how = scene.conditions
    height, width = (length // _FINE for length in scene.relief.shape)
    (x0, y0), (_, top) = scene.view.project([[0.0, 0.3, 0.0], [0.0, CROWN_Y, 0.0]]) / _FINE
    radius_x = 1.25 * scene.identity.face_width * scene.view.scale_px / _FINE
    x = ((np.arange(width) - x0) / radius_x).astype(np.float32)[None, :]
    y = ((np.arange(height) - y0) / (1.15 * (y0 - top))).astype(np.float32)[:, None]
    z = np.sqrt(np.maximum(np.float32(0.05), 1 - x**2 - y**2))
    light_x, light_y, light_z = how.light_xyz
    lambert = np.maximum(np.float32(0), light_x * x + light_y * y + light_z * z)
    return np.asarray(how.ambient + 1.15 * (1 - how.ambient) * lambert, np.float32)


def _photographed(image: Image, how: Conditions, generator: np.random.Generator) -> Image:
    """(h, w, 3) uint8: blurred and noisy."""
    if how.blur_px > 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), how.blur_px), np.uint8)
    return Noise(sigma=(how.noise, how.noise))(image, generator)

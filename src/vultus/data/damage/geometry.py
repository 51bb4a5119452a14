"""Damage that moves pixels: turns, stretches, slants, bends, cuts."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import (
    DAMAGES,
    Damage,
    Points,
    damage,
    eye_distance,
    fetched,
    places,
)

_Generator = np.random.Generator


def turned(photo: Image, quarters: int) -> Image:
    """A photo turned clockwise by so many quarters."""
    return np.ascontiguousarray(np.rot90(photo, -quarters))


def _turn(quarters: int) -> None:
    def operator(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
        return turned(photo, quarters)

    name = f"turn-{90 * quarters}"
    kind = "turned 180 degrees" if quarters == 2 else "turned onto its side"
    DAMAGES[name] = Damage(name, kind, (1.0,), operator)


for _quarters in (1, 2, 3):
    _turn(_quarters)


@damage("stretch-wide", "stretched wide", 1.25, 1.35, 1.5, 1.8, factor=True)
def stretch_wide(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Wider by a factor, as of a film shown at the wrong ratio of sides."""
    height, width = photo.shape[:2]
    return np.asarray(cv2.resize(photo, (round(width * strength), height)), np.uint8)


@damage("stretch-tall", "stretched tall", 1.25, 1.35, 1.5, 1.8, factor=True)
def stretch_tall(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Taller by a factor."""
    height, width = photo.shape[:2]
    return np.asarray(cv2.resize(photo, (width, round(height * strength))), np.uint8)


def _mapped(photo: Image, corners: np.ndarray) -> Image:
    height, width = photo.shape[:2]
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    corners = corners - corners.min(axis=0)
    size = np.array([width, height], np.float32)
    matrix = cv2.getPerspectiveTransform(square * size, (corners * size).astype(np.float32))
    out = np.ceil((corners * size).max(axis=0)).astype(int)
    return np.asarray(
        cv2.warpPerspective(
            photo, matrix, (int(out[0]), int(out[1])), borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


@damage("shear", "slanted", 0.3, 0.45, 0.6)
def shear(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Rows moved sideways in proportion to their height, to either side."""
    side = strength * float(generator.choice([-1, 1]))
    height, width = photo.shape[:2]
    shift = side * height / width
    return _mapped(photo, np.array([[shift, 0], [1 + shift, 0], [1, 1], [0, 1]], np.float32))


@damage("perspective", "slanted", 0.25, 0.35, 0.45)
def perspective(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """One side of the photo is farther away: a photo of a photo, taken from the side."""
    near = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    far = [(1, 2), (0, 3), (0, 1), (3, 2)][int(generator.integers(4))]
    middle = near[list(far)].mean(axis=0)
    near[list(far)] += (middle - near[list(far)]) * strength
    along = (near.mean(axis=0) - middle) * strength
    near[list(far)] += along
    return _mapped(photo, near)


def _grid(photo: Image, landmarks: Points) -> tuple[Points, Points, Points]:
    return *places(photo), landmarks.mean(axis=0)


@damage("lens", "distorted", -0.6, -0.45, -0.35, -0.25, 0.6, 1.0)
def lens(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A face near a wide lens: its middle swells (below 0) or shrinks."""
    x, y, centre = _grid(photo, landmarks)
    reach = 2.2 * eye_distance(landmarks)
    dx, dy = (x - centre[0]) / reach, (y - centre[1]) / reach
    factor = 1 + strength * np.maximum(0, 1 - (dx**2 + dy**2))
    return fetched(photo, centre[0] + dx * factor * reach, centre[1] + dy * factor * reach)


@damage("waves", "distorted", 0.1, 0.14, 0.2)
def waves(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Rows moved to and fro, as by a rolling shutter or water; in distances between the eyes."""
    x, y, _ = _grid(photo, landmarks)
    unit = eye_distance(landmarks)
    phase = generator.uniform(0, 2 * np.pi)
    length = unit * generator.uniform(0.8, 1.6)
    return fetched(photo, x + strength * unit * np.sin(2 * np.pi * y / length + phase), y)


@damage("swirl", "distorted", 0.5, 0.75, 1.0)
def swirl(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Turned about the nose by up to so many radians, less farther out."""
    x, y, centre = _grid(photo, landmarks)
    dx, dy = x - centre[0], y - centre[1]
    angle = strength * np.exp(-((dx**2 + dy**2) / (1.6 * eye_distance(landmarks)) ** 2))
    cosine, sine = np.cos(angle), np.sin(angle)
    return fetched(photo, centre[0] + cosine * dx - sine * dy, centre[1] + sine * dx + cosine * dy)


@damage("cut", "partly covered", 0.2, 0.45)
def cut(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The photo ends inside the face: so many distances between the eyes inside its outline."""
    unit, centre = eye_distance(landmarks), landmarks.mean(axis=0)
    far = round(unit * (1.05 - strength))
    height, width = photo.shape[:2]
    x, y = int(centre[0]), int(centre[1])
    side = int(generator.integers(4))
    if side == 0:
        return photo[:, max(0, x - far) :]
    if side == 1:
        return photo[:, : min(width, x + far)]
    if side == 2:
        return photo[max(0, y - far) :]
    return photo[: min(height, y + far)]

"""Damage by a head that is turned away, and by lenses, glass and water before it."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import (
    LOOKS_OF_SHAPES,
    Points,
    damage,
    eye_distance,
    fetched,
    places,
)

_Generator = np.random.Generator
_HEAD = 1.25
"""Half a head's width in distances between the eyes."""

_STEEPEST = 0.999


def _rolled(offset: Points, radius: float, angle_rad: float) -> Points:
    """Where on a drum seen from the front lies what shows at an offset after it was turned.

    What the turn brings out from behind is not in the photo: the drum's edge stands there, and
    what lies beside the drum stays where it is.
    """
    seen = np.arcsin(np.clip(offset / radius, -_STEEPEST, _STEEPEST))
    before = radius * np.sin(np.clip(seen + angle_rad, -np.pi / 2, np.pi / 2))
    beside = np.clip((np.abs(offset) / radius - 1) / 0.4, 0, 1)
    return np.asarray(before * (1 - beside) + offset * beside, np.float32)


@damage("profile", "turned away", 35, 50, 65)
def profile(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The face on a drum that is turned to either side by so many degrees."""
    x, y = places(photo)
    centre, side = landmarks.mean(axis=0), float(generator.choice([-1, 1]))
    radius = _HEAD * eye_distance(landmarks)
    return fetched(
        photo, centre[0] + _rolled(x - centre[0], radius, side * np.radians(strength)), y
    )


@damage("nod", "turned away", 30, 45)
def nod(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The same up or down: seen from above or below."""
    x, y = places(photo)
    centre, side = landmarks.mean(axis=0), float(generator.choice([-1, 1]))
    radius = 1.35 * _HEAD * eye_distance(landmarks)
    return fetched(
        photo, x, centre[1] + _rolled(y - centre[1], radius, side * np.radians(strength))
    )


@damage("bulge", "distorted", -0.6, -0.4, -0.25, 0.5, looks=LOOKS_OF_SHAPES)
def bulge(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A place on the face swells (below 0) or shrinks, not always its middle."""
    x, y = places(photo)
    unit = eye_distance(landmarks)
    centre = landmarks.mean(axis=0) + generator.normal(0, 0.35, 2) * unit
    reach = unit * generator.uniform(1.2, 3)
    dx, dy = (x - centre[0]) / reach, (y - centre[1]) / reach
    factor = 1 + strength * np.maximum(0, 1 - (dx**2 + dy**2))
    return fetched(photo, centre[0] + dx * factor * reach, centre[1] + dy * factor * reach)


@damage("barrel", "distorted", -0.3, 0.3, 0.6)
def barrel(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The whole photo bent about its middle: a wide lens (above 0), or one that was overdone."""
    x, y = places(photo)
    height, width = photo.shape[:2]
    reach = max(height, width) / 2
    dx, dy = (x - width / 2) / reach, (y - height / 2) / reach
    factor = 1 + strength * (dx**2 + dy**2)
    return fetched(photo, width / 2 + dx * factor * reach, height / 2 + dy * factor * reach)


@damage("warp", "distorted", 0.08, 0.14, 0.2, looks=LOOKS_OF_SHAPES)
def warp(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Smooth shifts by chance, as by bad glass; their spread in distances between the eyes."""
    x, y = places(photo)
    unit = eye_distance(landmarks)
    cell = unit * generator.uniform(0.4, 1)
    size = tuple(max(3, int(side / cell) + 2) for side in photo.shape[:2])
    fields = generator.normal(0, strength * unit, (2, *size)).astype(np.float32)
    shifts = [
        cv2.resize(field, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC) for field in fields
    ]
    return fetched(photo, x + shifts[0], y + shifts[1])


@damage("columns", "distorted", 0.1, 0.16, 0.22)
def columns(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Columns moved up and down in waves, or waves along a slanted line."""
    x, y = places(photo)
    unit = eye_distance(landmarks)
    length, phase = unit * generator.uniform(0.6, 1.8), generator.uniform(0, 2 * np.pi)
    slant = generator.uniform(-0.6, 0.6)
    wave = strength * unit * np.sin(2 * np.pi * (x + slant * y) / length + phase)
    return fetched(photo, x, np.asarray(y + wave, np.float32))


@damage("ripples", "distorted", 0.12, 0.2)
def ripples(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Rings about a place on the face, as on water; in distances between the eyes."""
    x, y = places(photo)
    unit = eye_distance(landmarks)
    centre = landmarks.mean(axis=0) + generator.normal(0, 0.3, 2) * unit
    dx, dy = x - centre[0], y - centre[1]
    far = np.maximum(np.hypot(dx, dy), 1e-3)
    length, phase = unit * generator.uniform(0.7, 1.4), generator.uniform(0, 2 * np.pi)
    shift = strength * unit * np.sin(2 * np.pi * far / length + phase) / far
    return fetched(photo, x + dx * shift, y + dy * shift)

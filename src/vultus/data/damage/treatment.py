"""Damage by what people and programs do to photos: filters, bad lenses, poor copies, spotlights."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import (
    LOOKS_OF_PARTS,
    LOOKS_OF_SHAPES,
    Points,
    damage,
    eye_distance,
    face_scale,
    fetched,
    places,
)

_Generator = np.random.Generator


def _clipped(values: np.ndarray) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _place(landmarks: Points, generator: _Generator, spread: float) -> Points:
    """Near the face's middle, its spread in distances between the eyes."""
    far = generator.normal(0, spread, 2) * eye_distance(landmarks)
    return np.asarray(landmarks.mean(axis=0) + far, np.float32)


@damage("power", "distorted", 0.6, 0.75, 1.35, 1.7, looks=LOOKS_OF_SHAPES)
def power(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Distances from a place on the face to that power: a fish eye (above 1), or pinched."""
    x, y = places(photo)
    centre = _place(landmarks, generator, 0.25)
    reach = eye_distance(landmarks) * generator.uniform(1.8, 3.2)
    dx, dy = (x - centre[0]) / reach, (y - centre[1]) / reach
    far = np.maximum(np.hypot(dx, dy), 1e-3)
    factor = reach * np.where(far < 1, far ** (strength - 1), 1)
    return fetched(photo, centre[0] + dx * factor, centre[1] + dy * factor)


@damage("taper", "distorted", 0.25, 0.4, 0.55, looks=LOOKS_OF_SHAPES)
def taper(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Narrower towards one end, along any line, smoothly or at an edge: a wedge, a folded print."""
    x, y = places(photo)
    centre, unit = _place(landmarks, generator, 0.15), eye_distance(landmarks)
    angle = generator.uniform(0, 2 * np.pi)
    along = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
    across = -(x - centre[0]) * np.sin(angle) + (y - centre[1]) * np.cos(angle)
    far = np.tanh(along / (unit * generator.uniform(0.2, 2.0)))
    across = across * (1 + strength * far)
    return fetched(
        photo,
        centre[0] + along * np.cos(angle) - across * np.sin(angle),
        centre[1] + along * np.sin(angle) + across * np.cos(angle),
    )


_PARTS = (((0, 1), 0.75), ((2,), 0.7), ((3, 4), 0.7), ((2, 3, 4), 1.3))
"""Places in the landmarks that one part of a face has, and its reach: eyes, nose, mouth, jaw."""


@damage("features", "distorted", 0.3, 0.45, 0.6, looks=LOOKS_OF_PARTS)
def features(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """One or two parts of the face larger or smaller, as beauty filters do: eyes, nose, jaw."""
    x, y = places(photo)
    unit = eye_distance(landmarks)
    for part in generator.choice(len(_PARTS), int(generator.integers(1, 3)), replace=False):
        rows, size = _PARTS[int(part)]
        amounts = strength * np.array(((1, 1), (1, 0), (0, 1))[int(generator.integers(3))])
        amounts = amounts * (1.0 if generator.random() < 0.6 else -0.8)
        middles = landmarks[list(rows)]
        for centre in middles if len(rows) == 2 and size < 0.71 else (middles.mean(axis=0),):
            reach = unit * size * generator.uniform(0.8, 1.2)
            dx, dy = x - centre[0], y - centre[1]
            share = np.exp(-2 * (dx**2 + dy**2) / reach**2)
            x = np.asarray(centre[0] + dx * (1 - amounts[0] * share), np.float32)
            y = np.asarray(centre[1] + dy * (1 - amounts[1] * share), np.float32)
    return fetched(photo, x, y)


@damage("zoom-blur", "blurred", 0.06, 0.12, 0.2)
def zoom_blur(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The mean of views at scales that differ by so much, or turned by so many radians."""
    centre = _place(landmarks, generator, 0.3)
    turned = generator.random() < 0.4
    total = np.zeros(photo.shape, np.float32)
    steps = np.linspace(-strength, strength, 9)
    for step in steps:
        degrees, scale = (float(np.degrees(step)), 1.0) if turned else (0.0, 1 + float(step))
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), degrees, scale)
        total += cv2.warpAffine(photo, matrix, photo.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return _clipped(total / len(steps))


@damage("sharpened", "over-sharpened", 2.5, 4, 7)
def sharpened(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """What blurring takes away is added so many times."""
    size = face_scale(landmarks) * generator.uniform(0.8, 3)
    soft = cv2.GaussianBlur(photo, (0, 0), size).astype(np.float32)
    return _clipped(photo + strength * (photo - soft))


@damage("relief", "altered colours", 0.7, 1.5)
def relief(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Slopes of light instead of light, from any side: embossed."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), 0.8 * face_scale(landmarks))
    angle, (dy, dx) = generator.uniform(0, 2 * np.pi), np.gradient(soft)
    slope = (dx * np.cos(angle) + dy * np.sin(angle)) * 6 * face_scale(landmarks)
    return np.repeat(_clipped(128 + strength * slope)[..., None], 3, axis=2)


@damage("interlaced", "distorted", 0.06, 0.1, 0.16)
def interlaced(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Every other band of rows beside its place: two half frames, in distances between the eyes."""
    rows = int(generator.integers(1, 4))
    shift = max(1, round(strength * eye_distance(landmarks)))
    out = photo.copy()
    moved = np.arange(photo.shape[0]) // rows % 2 == 1
    out[moved] = np.roll(photo[moved], shift * int(generator.choice([-1, 1])), axis=1)
    return out


@damage("frosted", "distorted", 1.5, 2.5, 4)
def frosted(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Pixels taken from anywhere near, in pixels of a usual face: frosted glass, oil paint."""
    x, y = places(photo)
    reach = max(1.0, strength * face_scale(landmarks))
    dx, dy = generator.uniform(-reach, reach, (2, *photo.shape[:2]))
    return fetched(photo, np.rint(x + dx), np.rint(y + dy))


@damage("spotlight", "partly covered", 0.6, 0.9, 1.3)
def spotlight(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Light falls off about a place on the face, the faster the stronger; the rest is dark."""
    x, y = places(photo)
    unit, centre = eye_distance(landmarks), _place(landmarks, generator, 0.2)
    far = np.hypot(x - centre[0], (y - centre[1]) * generator.uniform(0.7, 1.1)) / unit
    light = 1 - strength * np.maximum(0, far - generator.uniform(0.2, 0.6))
    return _clipped(photo * np.clip(light, generator.uniform(0.01, 0.12), 1)[..., None])

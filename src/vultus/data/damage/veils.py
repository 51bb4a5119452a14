"""Damage that lies over a whole photo: patterns, other pictures, filters of colour."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import LOOKS, Points, damage, eye_distance, fetched, places

_Generator = np.random.Generator


def _clipped(values: np.ndarray) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _pattern(photo: Image, landmarks: Points, generator: _Generator) -> Points:
    """(h, w, 1) float32 in [0, 1]: lines, a grid, a chequered board, or dots."""
    x, y = places(photo)
    unit, centre = eye_distance(landmarks), landmarks.mean(axis=0)
    angle, period = generator.uniform(0, np.pi), unit * generator.uniform(0.08, 0.5)
    along = ((x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)) / period
    across = ((y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)) / period
    waves = np.sin(2 * np.pi * along), np.sin(2 * np.pi * across)
    way = int(generator.integers(4))
    made = (
        waves[0],
        np.maximum(waves[0], waves[1]),
        np.sign(waves[0] * waves[1]),
        4 * waves[0] * waves[1] - 1,
    )[way]
    sharp = generator.uniform(1, 5)
    return np.asarray(1 / (1 + np.exp(-2 * sharp * made)), np.float32)[..., None]


@damage("pattern", "partly covered", 0.35, 0.55, 0.75, looks=LOOKS)
def pattern(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Lines, grids, squares or dots over all of it, so opaque: a watermark, a screen's moire."""
    share = strength * _pattern(photo, landmarks, generator)
    tint = generator.choice([0.0, 255.0]) if generator.random() < 0.7 else 128.0
    return _clipped(photo * (1 - share) + tint * share)


@damage("reflection", "partly covered", 0.35, 0.5, 0.6, looks=LOOKS)
def reflection(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Another picture shines through by that share: a window, a second exposure."""
    cells = int(generator.integers(4, 24))
    grain = generator.uniform(0, 255, (cells, cells, 1 if generator.random() < 0.4 else 3))
    way = cv2.INTER_CUBIC if generator.random() < 0.7 else cv2.INTER_NEAREST
    other = cv2.resize(grain.astype(np.float32), photo.shape[1::-1], interpolation=way)
    return _clipped(photo * (1 - strength) + other.reshape(*photo.shape[:2], -1) * strength)


@damage("mixed-colours", "altered colours", 0.5, 0.8, 1.1, looks=LOOKS)
def mixed_colours(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Each channel a mixture of all: swapped channels, another hue, sepia, night vision."""
    to = generator.uniform(-0.4, 1, (3, 3))
    to /= np.maximum(np.abs(to).sum(axis=1, keepdims=True), 1e-3) / generator.uniform(0.8, 1.3)
    if generator.random() < 0.4:
        to = np.eye(3)[generator.permutation(3)]
    share = min(strength, 1.0)
    matrix = np.eye(3) * (1 - share) + to * share
    lift = generator.normal(0, 25 * strength, 3)
    return _clipped(photo.astype(np.float32) @ matrix.T + lift)


@damage("curve", "altered colours", 0.8, 1.1, 1.4, looks=LOOKS)
def curve(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Light through a power, a steep curve or more colour; the strength is a logarithm."""
    amount = float(np.exp(strength))
    values = photo.astype(np.float32) / 255
    way = int(generator.integers(4))
    if way == 3:
        grey = values.mean(axis=2, keepdims=True)
        return _clipped(255 * (grey + amount * (values - grey)))
    if way == 2:
        middle = generator.uniform(0.3, 0.6)
        return _clipped(255 / (1 + np.exp(-3 * amount * (values - middle))))
    return _clipped(255 * values ** (amount if way else 1 / amount))


@damage("drops", "distorted", 0.5, 0.9, looks=LOOKS)
def drops(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Drops of water on the lens, each of which shows its surroundings smaller."""
    x, y = places(photo)
    unit, middle = eye_distance(landmarks), landmarks.mean(axis=0)
    for _ in range(10):
        centre = middle + generator.uniform(-1.3, 1.3, 2) * unit
        reach = unit * generator.uniform(0.2, 0.5)
        dx, dy = x - centre[0], y - centre[1]
        share = strength * np.maximum(0, 1 - (dx**2 + dy**2) / reach**2)
        x, y = np.asarray(x + dx * share), np.asarray(y + dy * share)
    return fetched(photo, x, y)

"""Damage that gives a face another shape, as filters and bad copies give all their faces."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import (
    LOOKS,
    LOOKS_OF_PARTS,
    LOOKS_OF_SHAPES,
    Points,
    damage,
    eye_distance,
    fetched,
    places,
)

_Generator = np.random.Generator


def _curve(offsets: Points, knots: Points, factors: Points) -> Points:
    """Offsets after each piece of the way to them was made longer or shorter by a factor."""
    steps = np.linspace(knots[0], knots[-1], 120, dtype=np.float32)
    pace = np.interp(steps, knots, factors)
    way = np.concatenate([[0], np.cumsum((pace[1:] + pace[:-1]) / 2 * np.diff(steps))])
    way -= np.interp(0, steps, way)
    inside = np.interp(offsets, steps, way)
    return np.asarray(inside + (offsets - np.clip(offsets, steps[0], steps[-1])), np.float32)


def _factors(strength: float, count: int, generator: _Generator, *, alike: bool) -> Points:
    drawn = generator.normal(0, strength, count)
    if alike:  # both sides of a face
        drawn = drawn + drawn[::-1]
        drawn /= np.sqrt(2)
    return np.asarray(np.exp(np.clip(drawn, -2 * strength, 2 * strength)), np.float32)


@damage("reshaped", "distorted", 0.2, 0.3, 0.45, looks=LOOKS_OF_SHAPES)
def reshaped(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Bands of rows, columns or both made larger or smaller, or only rows' widths.

    A long chin, a high forehead, a broad half, a thin jaw. The strength is the spread of the
    logarithm of the factors.
    """
    x, y = places(photo)
    unit, centre = eye_distance(landmarks), landmarks.mean(axis=0)
    across, down = (x[0] - centre[0]) / unit, (y[:, 0] - centre[1]) / unit
    ways = (("rows",), ("columns",), ("widths",), ("rows", "widths"), ("rows", "columns"))
    chosen = ways[int(generator.integers(len(ways)))]
    count = int(generator.integers(4, 7))
    knots = np.linspace(-1.7, 1.7, count).astype(np.float32)
    symmetric = bool(generator.random() < 0.6)
    rows = _factors(strength, count, generator, alike=False)
    columns = _factors(strength, count, generator, alike=symmetric)
    widths = _factors(strength, count, generator, alike=False)
    to_y = _curve(down, knots, rows) if "rows" in chosen else down
    to_x = _curve(across, knots, columns) if "columns" in chosen else across
    scale = np.interp(down, knots, widths) if "widths" in chosen else np.ones_like(down)
    return fetched(
        photo,
        centre[0] + unit * np.outer(scale, to_x).astype(np.float32),
        centre[1] + unit * np.repeat(to_y[:, None], len(across), axis=1).astype(np.float32),
    )


@damage("moved-parts", "distorted", 0.12, 0.18, 0.26, looks=LOOKS_OF_PARTS)
def moved_parts(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Eyes, nose and corners of the mouth moved; the spread in distances between the eyes.

    Mostly both sides alike: eyes farther apart, a mouth that is broader or lower, a caricature.
    """
    x, y = places(photo)
    unit = eye_distance(landmarks)
    moves = generator.normal(0, strength * unit, (5, 2))
    if generator.random() < 0.7:
        for left, right in ((0, 1), (3, 4)):
            moves[right] = moves[left] * (-1, 1)
        moves[2, 0] = 0
    shares = [
        np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * (0.4 * unit) ** 2))
        for place in landmarks
    ]
    moved_x = sum(share * move[0] for share, move in zip(shares, moves, strict=True))
    moved_y = sum(share * move[1] for share, move in zip(shares, moves, strict=True))
    return fetched(photo, np.asarray(x - moved_x), np.asarray(y - moved_y))


@damage("mirrored", "distorted", 0.0, 0.15, looks=2)
def mirrored(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """One half of the face beside its own mirror image, so far from the middle."""
    x, y = places(photo)
    side = float(generator.choice([-1, 1]))
    axis = landmarks[:, 0].mean() + side * strength * eye_distance(landmarks)
    return fetched(photo, np.asarray(axis + side * np.abs(x - axis)), y)


@damage("tiled", "distorted", 0.08, 0.13, 0.2, looks=LOOKS)
def tiled(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Squares beside their places; the spread in distances between the eyes: lost packets."""
    x, y = places(photo)
    unit, centre = eye_distance(landmarks), landmarks.mean(axis=0)
    side = unit * generator.uniform(0.3, 0.7)
    moves = generator.normal(0, strength * unit, (2, 16, 16)).astype(np.float32)
    columns = np.clip((x - centre[0]) // side + 8, 0, 15).astype(int)
    rows = np.clip((y - centre[1]) // side + 8, 0, 15).astype(int)
    from_x, from_y = (
        np.maximum(place + move[rows, columns], 0).astype(np.float32)
        for place, move in zip((x, y), moves, strict=True)
    )
    moved = cv2.remap(photo, from_x, from_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)

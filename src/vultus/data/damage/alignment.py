"""What detectors do wrong: landmarks beside the face, and faces where there is none."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import Points, eye_distance

MISALIGNED = "badly aligned"
NO_FACE = "not a face"


def misplaced(landmarks: Points, strength: float, generator: np.random.Generator) -> Points:
    """Landmarks as a detector gives them that took something else for the face.

    Args:
        landmarks: (5, 2) float32, ``x y`` in pixels.
        strength: 1 moves, turns and scales a face so that strangers begin to look alike.
        generator: What every random number is drawn from.

    Returns:
        (5, 2) float32.
    """
    centre, unit = landmarks.mean(axis=0), eye_distance(landmarks)
    angle = generator.uniform(0.15, 0.55) * float(generator.choice([-1, 1])) * strength
    scale = np.exp(generator.uniform(0.12, 0.4) * float(generator.choice([-1, 1])) * strength)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = generator.normal(0, 0.18, 2) * unit * strength
    jitter = generator.normal(0, 0.06, (5, 2)) * unit * strength
    return np.asarray((landmarks - centre) @ matrix.T + centre + shift + jitter, np.float32)


def no_face(
    photo: Image, landmarks: Points, generator: np.random.Generator
) -> tuple[Image, Points]:
    """A place in a photo that is no face, and landmarks that somebody found there.

    Scrambled tiles of a face, a part of one far enlarged, cloth-like texture, or smooth shades.

    Args:
        photo: (h, w, 3) uint8, RGB.
        landmarks: (5, 2) float32 of its face.
        generator: What every random number is drawn from.
    """
    way, unit = int(generator.integers(4)), eye_distance(landmarks)
    if way == 0:
        return _scrambled(photo, round(unit * generator.uniform(0.35, 0.8)), generator), landmarks
    if way == 1:
        scale, place = generator.uniform(0.15, 0.4), landmarks[int(generator.integers(5))]
        centred = (landmarks - landmarks.mean(axis=0)) * scale
        return photo, np.asarray(centred + place + generator.normal(0, 0.2, 2) * unit, np.float32)
    cells = generator.uniform(2, 8) if way == 2 else generator.uniform(20, 90)
    size = (max(2, round(cells)), max(2, round(cells * generator.uniform(0.4, 2))))
    grain = generator.uniform(0, 255, (*size, 3)).astype(np.float32)
    shades = cv2.resize(grain, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    tint = generator.uniform(0.2, 1, 3)
    return np.asarray(np.clip(shades * tint, 0, 255), np.uint8), landmarks


def _scrambled(photo: Image, tile: int, generator: np.random.Generator) -> Image:
    tile = max(4, tile)
    rows, columns = photo.shape[0] // tile, photo.shape[1] // tile
    out = photo.copy()
    for target, source in enumerate(generator.permutation(rows * columns)):
        y, x = divmod(target, columns)
        v, u = divmod(int(source), columns)
        part = photo[v * tile : (v + 1) * tile, u * tile : (u + 1) * tile]
        out[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = part
    return out

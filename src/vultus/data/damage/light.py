"""Damage of light and colour."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import LOOKS, Points, damage, eye_distance

_Generator = np.random.Generator


def _clipped(values: np.ndarray) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


@damage("dark", "too dark", 0.03, 0.06, 0.1)
def dark(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """That share of the light, with the sensor's noise of two steps."""
    return _clipped(photo * strength + generator.normal(0, 2, photo.shape))


@damage("dark-lifted", "noise", 0.03, 0.05)
def dark_lifted(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A dark photo made bright again: few levels and much noise."""
    return _clipped(dark(photo, landmarks, strength, generator) / strength)


@damage("over-exposed", "over-exposed", 2.5, 4, 6)
def over_exposed(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """So many times the light, and what is too bright is white."""
    return _clipped(photo.astype(np.float32) * strength)


@damage("washed-out", "washed out", 0.04, 0.08, 0.15)
def washed_out(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """That share of the contrast is left: fog."""
    level = generator.uniform(90, 200)
    return _clipped(level + (photo.astype(np.float32) - 128) * strength)


@damage("half-lit", "partly covered", 0.03, 0.08, 0.15)
def half_lit(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """One half of the face has that share of the light."""
    width = photo.shape[1]
    x = np.arange(width) - landmarks.mean(axis=0)[0]
    side = float(generator.choice([-1, 1]))
    share = 1 / (1 + np.exp(np.clip(-side * x / (0.08 * eye_distance(landmarks)), -30, 30)))
    return _clipped(photo * (strength + (1 - strength) * share)[None, :, None])


@damage("shadow", "partly covered", 0.05, 0.12, 0.2)
def shadow(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """An edge of shadow at any angle across the face; behind it that share of the light."""
    share = _beyond_edge(photo, landmarks, generator, softest=0.3)
    return _clipped(photo * (strength + (1 - strength) * share)[..., None])


@damage("glare", "partly covered", 0.7, 1.0)
def glare(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """One side of the face is burnt out to white by that share."""
    share = strength * _beyond_edge(photo, landmarks, generator, softest=0.4)
    return _clipped(photo + (255.0 - photo) * share[..., None])


def _beyond_edge(
    photo: Image, landmarks: Points, generator: _Generator, *, softest: float
) -> Points:
    """(h, w) float32 in [0, 1]: on which side of an edge near the face's middle a pixel lies."""
    unit = eye_distance(landmarks)
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = landmarks.mean(axis=0) + generator.normal(0, 0.2, 2) * unit
    angle = generator.uniform(0, 2 * np.pi)
    far = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
    soft = unit * generator.uniform(0.03, softest)
    return np.asarray(1 / (1 + np.exp(np.clip(-far / soft, -30, 30))), np.float32)


@damage("negative", "altered colours", 1)
def negative(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """White is black."""
    return np.asarray(255 - photo, np.uint8)


@damage("solarised", "altered colours", 100, 140)
def solarised(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """What is brighter than that is turned round."""
    return np.where(photo > strength, 255 - photo, photo)


@damage("cast", "altered colours", 0.1, 0.25, looks=LOOKS)
def cast(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """One channel is left, of the others that share."""
    gains = np.full(3, strength)
    gains[generator.integers(3)] = 1
    return _clipped(photo * gains)


@damage("false-colours", "altered colours", 1)
def false_colours(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Heat colours instead of grey, as of an infrared camera's screen."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    maps = (cv2.COLORMAP_JET, cv2.COLORMAP_HOT, cv2.COLORMAP_RAINBOW)
    shown = cv2.applyColorMap(grey, maps[int(generator.integers(len(maps)))])
    return np.asarray(shown[..., ::-1], np.uint8)


@damage("edges", "altered colours", 1)
def edges(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A drawing: dark edges on white."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), max(1.0, 0.08 * eye_distance(landmarks)))
    drawn = np.minimum(255, 255 * (grey + 20) / (soft + 20))
    return np.repeat(_clipped((drawn - 150) / 105 * 255)[..., None], 3, axis=2)

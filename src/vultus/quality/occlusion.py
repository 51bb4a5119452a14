"""A guess at how likely something covers the eyes, the mouth or one side of an aligned face."""

import numpy as np
import numpy.typing as npt

from vultus.quality.appearance import luminance

Floats = npt.NDArray[np.float32]
_Region = tuple[slice, slice]

# Rows and columns in an arcface-112 crop; right and left are the person's own.
_RIGHT_EYE: _Region = (slice(44, 60), slice(26, 51))
_LEFT_EYE: _Region = (slice(44, 60), slice(61, 86))
_MOUTH: _Region = (slice(84, 102), slice(38, 74))
_FOREHEAD: _Region = (slice(26, 40), slice(34, 78))
_RIGHT_CHEEK: _Region = (slice(62, 78), slice(24, 40))
_LEFT_CHEEK: _Region = (slice(62, 78), slice(72, 88))
_RIGHT_JAW: _Region = (slice(80, 100), slice(24, 38))
_LEFT_JAW: _Region = (slice(80, 100), slice(74, 88))
_SKIN = (_RIGHT_CHEEK, _LEFT_CHEEK, _FOREHEAD)

# Logistic regressions, one a part: see `guess_occlusion`.
_EYES = (-16.6, -1.4, 26.0)
_MOUTH_PART = (-10.9, -7.5, 27.0)
_SIDE = (-9.6, 29.0, 5.0)


def guess_occlusion(pixels: npt.NDArray[np.uint8], face: npt.NDArray[np.bool_]) -> Floats:
    """How likely a part of the face is covered: a guess, the largest of three parts.

    - eyes: both regions dark against cheeks and forehead, with little texture (sunglasses, bars);
    - mouth: a region without texture whose colour differs from the skin's (masks, hands);
    - one side: colour and eye texture of the two halves differ (something held before the face).

    Each part is a logistic regression on two numbers, fitted to development faces with painted
    covers and, as uncovered, the same faces clean, blurred, dark, bright, foggy, noisy and grey.

    What it can see: dark glasses, plain masks, a cover of half the face. What it cannot: clear
    glasses, beards, hair, microphones, small covers, patterned masks with folds like a mouth, a
    skin-coloured cover over an eye. What it takes for a cover: deep shadow over the eyes, strong
    light from one side, profiles. It has been tuned on painted covers; how often it errs on real
    ones is not measured.

    Args:
        pixels: (n, 112, 112, 3) uint8, RGB, template arcface-112.
        face: (n, 112, 112) bool, the pixels that show the face.

    Returns:
        (n,) float32 in [0, 1].
    """
    luma, chroma = luminance(pixels), _chromaticity(pixels)
    count = np.maximum(face.sum(axis=(1, 2)), 1)
    mean = np.where(face, luma, 0).sum(axis=(1, 2)) / count
    squares = np.where(face, (luma - mean[:, None, None]) ** 2, 0).sum(axis=(1, 2)) / count
    spread = np.sqrt(squares) + 0.02
    eyes = _logistic(_EYES, *_eye_features(luma, spread))
    mouth = _logistic(_MOUTH_PART, *_mouth_features(luma, chroma, spread))
    side = _logistic(_SIDE, *_side_features(luma, chroma))
    return np.maximum(np.maximum(eyes, mouth), side)


def _eye_features(luma: Floats, spread: Floats) -> tuple[Floats, Floats]:
    texture = np.minimum(_std(luma, _RIGHT_EYE), _std(luma, _LEFT_EYE)) / spread
    skin = _mean_of(luma, _SKIN)
    brighter_eye = np.maximum(_mean(luma, _RIGHT_EYE), _mean(luma, _LEFT_EYE))
    return np.log(texture + 0.02), (skin - brighter_eye) / (skin + 0.05)


def _mouth_features(luma: Floats, chroma: Floats, spread: Floats) -> tuple[Floats, Floats]:
    difference = _mean(chroma, _MOUTH) - _mean_of(chroma, _SKIN)
    return np.log(_std(luma, _MOUTH) / spread + 0.02), np.linalg.norm(difference, axis=1)


def _side_features(luma: Floats, chroma: Floats) -> tuple[Floats, Floats]:
    right = _mean_of(chroma, (_RIGHT_CHEEK, _RIGHT_EYE, _RIGHT_JAW))
    left = _mean_of(chroma, (_LEFT_CHEEK, _LEFT_EYE, _LEFT_JAW))
    ratio = (_std(luma, _RIGHT_EYE) + 0.01) / (_std(luma, _LEFT_EYE) + 0.01)
    return np.linalg.norm(right - left, axis=1), np.abs(np.log(ratio))


def _chromaticity(pixels: npt.NDArray[np.uint8]) -> Floats:
    """(n, h, w, 2): the shares of red and green, drawn to a third where there is little light."""
    rgb = pixels.astype(np.float32) / 255
    return np.asarray((rgb[..., :2] + 1 / 30) / (rgb.sum(axis=3, keepdims=True) + 0.1), np.float32)


def _mean(values: Floats, region: _Region) -> Floats:
    return np.asarray(values[:, region[0], region[1]].mean(axis=(1, 2)), np.float32)


def _mean_of(values: Floats, regions: tuple[_Region, ...]) -> Floats:
    return np.asarray(np.mean([_mean(values, region) for region in regions], axis=0), np.float32)


def _std(values: Floats, region: _Region) -> Floats:
    return np.asarray(values[:, region[0], region[1]].std(axis=(1, 2)), np.float32)


def _logistic(weights: tuple[float, float, float], first: Floats, second: Floats) -> Floats:
    constant, of_first, of_second = weights
    evidence = np.clip(constant + of_first * first + of_second * second, -30, 30)
    return np.asarray(1 / (1 + np.exp(-evidence)), np.float32)

"""What differs between two images of one synthetic person: pose, expression, light, camera."""

import math
from dataclasses import dataclass

import numpy as np

from vultus.core.checks import check_range

_MAX_YAW_DEG = 38.0
_MAX_PITCH_DEG = 25.0


@dataclass(frozen=True)
class Conditions:
    """How one image was taken.

    Attributes:
        yaw_deg: Turn of the head in degrees; positive towards the image's right.
        pitch_deg: Nod in degrees; positive is down.
        distance: Of the camera, in half eye distances; near cameras enlarge the nose.
        landmark_noise: (5, 2) errors of the landmarks that the face was aligned by, in head units.
        smile: From -0.5 (corners down) to 1.
        mouth_open: From 0 to 1.
        brow_raise: From -1 to 1.
        eyes_open: Factor of the eye's height.
        gaze: ``x y`` of the irises, shares of the eye's size.
        light_xyz: Unit vector towards the light; z is towards the camera.
        ambient: Share of light that comes from everywhere, in [0, 1].
        exposure: Factor of brightness.
        tint: Factors of red, green, blue.
        blur_px: Standard deviation of the blur in pixels; 0 for none.
        noise: Standard deviation of the noise in steps of 255.
        glasses: Whether glasses are worn.
        hair_scale: Factor of the hair's volume.
        stubble: Density of shaven hair in [0, 1], for who has a beard to shave.
        restyled: Whether the hair is not as usual on this day.
        detail_seed: Seed of the background, the clothes and everything else that means nothing.
    """

    yaw_deg: float
    pitch_deg: float
    distance: float
    landmark_noise: tuple[tuple[float, float], ...]
    smile: float
    mouth_open: float
    brow_raise: float
    eyes_open: float
    gaze: tuple[float, float]
    light_xyz: tuple[float, float, float]
    ambient: float
    exposure: float
    tint: tuple[float, float, float]
    blur_px: float
    noise: float
    glasses: bool
    hair_scale: float
    stubble: float
    restyled: bool
    detail_seed: int


def draw_conditions(
    generator: np.random.Generator, *, difficulty: float = 1.0, glasses_habit: float = 0.0
) -> Conditions:
    """Draw conditions at random.

    Args:
        generator: What every number is drawn from.
        difficulty: Scale of all variation, in [0, 2]: at 0 every image is a sharp, frontal,
            evenly lit one with a neutral expression.
        glasses_habit: `SyntheticIdentity.glasses` of the person.

    Raises:
        InputError: If the difficulty is out of range.
    """
    d = check_range("difficulty", difficulty, low=0, high=2)
    normal, uniform = generator.normal, generator.uniform
    light_x, light_y = normal(0, 0.65 * d), normal(-0.25 * d, 0.4 * d)
    norm = math.sqrt(light_x**2 + light_y**2 + 1)
    wears = 0.8 if glasses_habit > 0.75 else 0.12
    return Conditions(
        yaw_deg=_clipped(normal(0, 19 * d), _MAX_YAW_DEG),
        pitch_deg=_clipped(normal(0, 8 * d), _MAX_PITCH_DEG),
        distance=1 / (1 / 30 + d * uniform(0, 1 / 12)),
        landmark_noise=tuple((float(x), float(y)) for x, y in normal(0, 0.07 * d, (5, 2))),
        smile=d * _clipped(normal(0.15, 0.48), 1.0),
        mouth_open=min(1.0, d * max(0.0, normal(-0.12, 0.45))),
        brow_raise=_clipped(normal(0, 0.54 * d), 1.0),
        eyes_open=1 - d * uniform(-0.08, 0.44),
        gaze=(d * uniform(-0.35, 0.35), d * uniform(-0.2, 0.2)),
        light_xyz=(light_x / norm, light_y / norm, 1 / norm),
        ambient=1 - min(0.75, d * uniform(0.24, 0.8)),
        exposure=math.exp(_clipped(normal(0, 0.35 * d), 0.8)),
        tint=_tint(generator, 0.1 * d),
        blur_px=float(max(0.0, d * uniform(-0.4, 1.7))),
        noise=d * uniform(0.0, 12.0),
        glasses=bool(generator.random() < d * wears),
        hair_scale=math.exp(_clipped(normal(0, 0.35 * d), 0.8)),
        stubble=d * uniform(0, 0.5),
        restyled=bool(generator.random() < 0.2 * d),
        detail_seed=int(generator.integers(2**31)),
    )


def _tint(generator: np.random.Generator, spread: float) -> tuple[float, float, float]:
    red, green, blue = np.exp(generator.normal(0, spread, 3)).tolist()
    return red, green, blue


def _clipped(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))

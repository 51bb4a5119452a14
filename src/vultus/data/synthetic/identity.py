"""Who a synthetic face is: the measures and colours that all its images share."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

Colour = tuple[float, float, float]
"""Red, green and blue in [0, 255]."""

HAIR_STYLES = ("bald", "receding", "short", "parted", "fringe", "long", "curly")

# Lowest and highest value of every measure; see `SyntheticIdentity` for the units.
_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType({
    "face_width": (1.9, 2.4), "cheek_width": (0.84, 1.0), "jaw_width": (0.55, 0.86),
    "chin_width": (0.16, 0.42), "chin_y": (3.15, 3.95), "ear_size": (0.5, 0.85),
    "eye_spacing": (0.9, 1.1), "eye_width": (0.5, 0.76), "eye_height": (0.17, 0.36),
    "eye_slant": (-0.12, 0.14), "iris_size": (0.8, 1.1), "lid_crease": (0.0, 1.0),
    "brow_height": (0.42, 0.78), "brow_thickness": (0.08, 0.27), "brow_arch": (-0.02, 0.26),
    "brow_slant": (-0.14, 0.16), "brow_length": (0.75, 1.2), "brow_inset": (-0.12, 0.12),
    "nose_length": (0.98, 1.42), "nose_width": (0.34, 0.68), "bridge_width": (0.14, 0.32),
    "nose_depth": (0.55, 0.95), "mouth_y": (2.02, 2.5), "mouth_width": (0.66, 1.12),
    "upper_lip": (0.08, 0.26), "lower_lip": (0.12, 0.36), "lip_bow": (0.0, 0.6),
    "mouth_curve": (-0.1, 0.1), "hairline": (1.35, 2.3), "hair_volume": (0.1, 0.6),
    "hair_part": (-0.8, 0.8), "beard": (0.0, 1.0), "moustache": (0.0, 1.0), "age": (0.0, 1.0),
    "freckles": (0.0, 1.0), "glasses": (0.0, 1.0),
})  # fmt: skip

# Ends of the scales that colours are mixed on; measured on nothing, chosen by eye.
_SKIN = np.array([[250, 222, 200], [228, 182, 148], [190, 132, 94], [132, 86, 60], [84, 54, 40]])
_HAIR = np.array([[30, 24, 22], [66, 44, 32], [116, 76, 46], [196, 158, 98], [160, 70, 36]])
_GREY_HAIR = np.array([176.0, 174.0, 172.0])
_IRIS = np.array([[60, 38, 24], [108, 72, 36], [92, 108, 64], [96, 140, 176], [120, 132, 140]])
_MOLES = 3


@dataclass(frozen=True)
class SyntheticIdentity:
    """A person who does not exist.

    Lengths are in head units: from the middle between the eyes, with eyes that lie about 1 unit
    to either side; x grows to the image's right, y downwards. Widths are measured to one side.

    Attributes:
        face_width: At the temples.
        cheek_width: Share of ``face_width`` at the cheeks.
        jaw_width: Share of ``face_width`` at the corners of the jaw.
        chin_width: Share of ``face_width`` near the chin.
        chin_y: The chin's lower edge.
        ear_size: Half the ear's height.
        eye_spacing: From the middle to the centre of an eye.
        eye_width: Half the eye's length.
        eye_height: Half the open eye's height.
        eye_slant: How much higher the outer corner lies.
        iris_size: Factor.
        lid_crease: Strength in [0, 1].
        brow_height: Above the eye.
        brow_thickness: At its thickest.
        brow_arch: Rise of the middle.
        brow_slant: How much higher the outer end lies.
        brow_length: Half its length.
        brow_inset: How much farther out it lies than the eye.
        nose_length: The tip's y.
        nose_width: At the nostrils.
        bridge_width: Between the eyes.
        nose_depth: Of the tip before the face.
        mouth_y: Of the line between the lips.
        mouth_width: Half its length.
        upper_lip: Thickness.
        lower_lip: Thickness.
        lip_bow: Depth of the notch in the upper lip, as a share of its thickness.
        mouth_curve: Rise of the corners at rest.
        hairline: Height of the hair's edge over the eyes.
        hair_volume: Thickness of the hair over the skull.
        hair_part: Where it is parted, -1 (image's left) to 1.
        beard: Below 0.6 none, then denser up to 1.
        moustache: Likewise.
        age: Strength of wrinkles and share of grey hair, in [0, 1].
        freckles: Below 0.7 none, then more up to 1.
        glasses: Below 0.75 rarely worn, above mostly.
        hair_style: One of `HAIR_STYLES`.
        skin: Colour in even light.
        hair: Colour in even light.
        iris: Colour in even light.
        lips: Colour in even light.
        moles: ``x y radius`` of each.
        marks_seed: Seed of the freckles' places.
    """

    face_width: float
    cheek_width: float
    jaw_width: float
    chin_width: float
    chin_y: float
    ear_size: float
    eye_spacing: float
    eye_width: float
    eye_height: float
    eye_slant: float
    iris_size: float
    lid_crease: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    brow_slant: float
    brow_length: float
    brow_inset: float
    nose_length: float
    nose_width: float
    bridge_width: float
    nose_depth: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    lip_bow: float
    mouth_curve: float
    hairline: float
    hair_volume: float
    hair_part: float
    beard: float
    moustache: float
    age: float
    freckles: float
    glasses: float
    hair_style: str
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    moles: tuple[tuple[float, float, float], ...]
    marks_seed: int


def draw_identity(generator: np.random.Generator) -> SyntheticIdentity:
    """Draw a person at random.

    Every measure is the mean of two even draws from its range, so that average faces are more
    frequent than extreme ones, and lookalikes occur.
    """
    share = generator.random((2, len(_RANGES))).mean(axis=0)
    low, high = np.array(list(_RANGES.values())).T
    measures = dict(zip(_RANGES, (low + share * (high - low)).tolist(), strict=True))
    # Rare features need draws that are even: a mean of two seldom comes near 1.
    for name in ("beard", "moustache", "freckles", "glasses"):
        measures[name] = float(generator.random())
    skin = _on_scale(_SKIN, generator.random(), jitter=7.0, generator=generator)
    # Dark hair goes with every skin, fair hair mostly with fair skin.
    fairest = 1.0 if skin.mean() > 150 else 0.45
    hair = _on_scale(_HAIR, fairest * generator.random(), jitter=8.0, generator=generator)
    grey = max(0.0, measures["age"] - 0.55) * 2
    lips = 0.62 * skin + 0.38 * np.array([168.0, 50.0, 60.0]) + generator.normal(0, 7, 3)
    return SyntheticIdentity(
        **measures,
        hair_style=HAIR_STYLES[generator.integers(len(HAIR_STYLES))],
        skin=_colour(skin),
        hair=_colour(hair + grey * (_GREY_HAIR - hair)),
        iris=_colour(_on_scale(_IRIS, generator.random(), jitter=6.0, generator=generator)),
        lips=_colour(lips),
        moles=_draw_moles(generator),
        marks_seed=int(generator.integers(2**31)),
    )


def _draw_moles(generator: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    count = int(generator.integers(_MOLES + 1))
    places = generator.uniform((-1.5, -1.2, 0.05), (1.5, 2.9, 0.11), (count, 3))
    return tuple((float(x), float(y), float(radius)) for x, y, radius in places)


def _on_scale(
    scale: np.ndarray, place: float, *, jitter: float, generator: np.random.Generator
) -> np.ndarray:
    """The colour at a place in [0, 1] of a scale of colours, with normal jitter."""
    at = np.linspace(0, 1, len(scale))
    mixed = np.array([np.interp(place, at, channel) for channel in scale.T])
    return np.asarray(mixed + generator.normal(0, jitter, 3))


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = np.clip(values, 0, 255).tolist()
    return red, green, blue

"""What all kinds of damage share: the table by name, the face's place, the words of the kinds."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.text import unknown_name

Points = npt.NDArray[np.float32]
Operator = Callable[[Image, Points, float, np.random.Generator], Image]
"""``(photo, landmarks, strength, generator) -> photo``: (h, w, 3) uint8 RGB in and out, of any size
each; landmarks are (5, 2) float32 ``x y`` pixels of the one face that is meant. The photo given is
left as it is."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One way in which a whole photo may be spoiled before a face is looked for in it.

    Attributes:
        name: What tables call it.
        kind: What a refusal calls it, see `KINDS`; several ways may be one kind.
        strengths: From mild to hard, in the operator's own unit.
        operator: Does it.
        factor: True where the strength is the factor by which the face is stretched.
        looks: How many looks there are to be among samples, where random numbers choose a place,
            a side or a colour; 0 where they are noise or there are none.
    """

    name: str
    kind: str
    strengths: tuple[float, ...]
    operator: Operator
    factor: bool = False
    looks: int = 0

    def __call__(
        self, photo: Image, landmarks: Points, *, strength: float, generator: np.random.Generator
    ) -> Image:
        """Spoil one photo.

        Args:
            photo: (h, w, 3) uint8, RGB; not changed.
            landmarks: (5, 2) float32, ``x y`` in pixels: where the face is.
            strength: In the operator's unit; those of ``strengths`` are usual.
            generator: What every random number is drawn from.

        Returns:
            (h, w, 3) uint8, RGB, of a size of its own.

        Raises:
            InputError: If dtypes or shapes do not match.
        """
        check_array("photo", photo, dtype=np.uint8, shape=("h", "w", 3))
        check_array("landmarks", landmarks, dtype=np.float32, shape=(5, 2))
        return np.ascontiguousarray(self.operator(photo, landmarks, strength, generator))


LOOKS = 8
"""Of a damage in which random numbers choose something: as many faces share each of its looks."""

LOOKS_OF_SHAPES = 16
"""Of one that gives a face another shape, of which there are many: it gets twice the samples."""

LOOKS_OF_PARTS = 48
"""Of one that changes parts of a face, in which people differ, too: it gets four times the samples.

What is done to a part has several numbers. With few looks most of what filters do to eyes or to a
jaw is in none of them, and passes for one more way in which people differ.
"""

CLEAN = "clean"
KINDS = (
    CLEAN, "turned 180 degrees", "turned onto its side", "stretched wide",
    "stretched tall", "slanted", "distorted", "noise", "few grey levels", "compressed", "blurred",
    "coarse", "over-sharpened", "too dark", "over-exposed", "washed out", "altered colours",
    "eyes covered", "mouth covered", "partly covered", "turned away", "badly aligned", "not a face",
)  # fmt: skip
"""What a face that was damaged may be called.

To which side a photo lies is no kind: embedders that look at a face and its mirror image, in which
left is right, cannot tell."""

DAMAGES: dict[str, Damage] = {}
"""Every way by its name."""


def damage(
    name: str, kind: str, *strengths: float, factor: bool = False, looks: int = 0
) -> Callable[[Operator], Operator]:
    """Enter an operator into `DAMAGES`.

    Raises:
        InputError: If the name is taken or the kind none of `KINDS`.
    """
    if name in DAMAGES or kind not in KINDS:
        raise InputError(f"damage must have a new name and a kind of KINDS, got {name!r}, {kind!r}")

    def enter(operator: Operator) -> Operator:
        DAMAGES[name] = Damage(name, kind, strengths, operator, factor, looks)
        return operator

    return enter


def find_damage(name: str) -> Damage:
    """The damage of that name.

    Raises:
        InputError: If there is none; the message says the nearest.
    """
    if name not in DAMAGES:
        raise InputError(f"damages: no {unknown_name(name, list(DAMAGES))}")
    return DAMAGES[name]


def eye_distance(landmarks: Points) -> float:
    """Between the eyes in pixels, at least 1: the unit of what depends on the face's size."""
    return max(1.0, float(np.linalg.norm(landmarks[1] - landmarks[0])))


USUAL_EYES_PX = 36.0
"""Blur and the like are given for a face of this distance between the eyes, and grow with it."""


def face_scale(landmarks: Points) -> float:
    """How many times a usual face's size a face has."""
    return eye_distance(landmarks) / USUAL_EYES_PX


def places(photo: Image) -> tuple[Points, Points]:
    """``(x, y)``, each (h, w) float32: where each pixel lies."""
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x, y


def fetched(photo: Image, x: Points, y: Points) -> Image:
    """The photo whose pixels are taken from (h, w) places; beyond the edge it is continued."""
    moved = cv2.remap(
        photo,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.uint8)

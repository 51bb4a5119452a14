"""Light of colours, thrown from a screen onto a face: whether it comes back in their order.

A screen lights what is near, the face, and what is behind it hardly. So the colour of a face
against that of its surroundings changes with the screen,

    v = log(face) - log(surroundings),    less its mean over red, green and blue,

in linear light, where white balance and exposure of the camera, and a tint laid over the whole
picture, cancel. The changes of v must be those of the lights in their order: a film that was made
before does not know it, and a picture that is put in a camera's place is lit by nothing.

Nobody tried it on people: it is off unless asked for. How far a screen's light shows depends on the
room (daylight drowns it), the screen and its distance. A photo held up is lit as a face is.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.faces import Image
from vultus.liveness.session.head_pose import HeadPose
from vultus.liveness.session.reasons import Reason

Light = Literal["red", "green", "blue"]
"""What the screen is filled with."""
LIGHTS: tuple[Light, ...] = get_args(Light)
SCREEN_RGB: dict[Light, tuple[int, int, int]] = {
    "red": (255, 90, 90),
    "green": (90, 255, 90),
    "blue": (90, 90, 255),
}
"""Colours of the page, sRGB: pale, so that a change is no glaring flash."""

_GAMMA = 2.2
_SMALL_PX = 160
_SURROUNDINGS = 0.04
"""Of the frame, at least, must be neither face nor what stands beneath it."""
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LightSettings:
    """What light on a face must show.

    Attributes:
        settle_s: So long after a light is told nothing is looked at: the page fades it in, and the
            camera gets used to it, in seconds.
        n_frames: Frames that each light must be seen in, at least.
        late_s: So long is waited for them, in seconds.
        least: By so much must the face change colour as the lights do, as a logarithm: 0.01 is one
            part in a hundred.
        likeness: Correlation of the changes of the face with those of the lights, at least.

    Raises:
        InputError: If a number is out of range.
    """

    settle_s: float = 0.6
    n_frames: int = 3
    late_s: float = 6.0
    least: float = 0.01
    likeness: float = 0.7

    def __post_init__(self) -> None:
        check_range("settle_s", self.settle_s, low=0, high=5)
        check_positive_int("n_frames", self.n_frames)
        check_range("late_s", self.late_s, low=1, high=60)
        check_range("least", self.least, low=0, high=1)
        check_range("likeness", self.likeness, low=-1, high=1)


@dataclass(slots=True)
class LightFinder:
    """Goes from light to light, and judges what the face showed of them.

    Attributes:
        lights: In their order.
        lights_s: How long each is shown, in seconds.
        since_s: When the one that is shown now was told.
        settings: What they must show.
        done: Lights that were shown.
    """

    lights: Sequence[Light]
    lights_s: Sequence[float]
    since_s: float
    settings: LightSettings
    done: int = 0
    _now: list[_Floats] = field(default_factory=list)
    _seen: list[_Floats] = field(default_factory=list)

    @property
    def shown(self) -> Light | None:
        """What the screen is to be filled with now; None after the last."""
        return self.lights[self.done] if self.done < len(self.lights) else None

    def take(self, time_s: float, image: Image, pose: HeadPose) -> Reason | None:
        """Take in the next frame.

        Args:
            time_s: When, in seconds.
            image: (h, w, 3) uint8, RGB: the whole frame.
            pose: Of the face in it.

        Returns:
            Why the session is rejected; else None.
        """
        if self.shown is None or time_s - self.since_s < self.settings.settle_s:
            return None
        found = face_colour(image, pose)
        if found is None:
            return Reason(
                "lights", "the face fills the picture, and its surroundings are not seen; go back"
            )
        self._now.append(found)
        enough = len(self._now) >= self.settings.n_frames
        if enough and time_s - self.since_s >= self.lights_s[self.done]:
            self._seen.append(np.median(self._now, axis=0))
            self._now, self.done, self.since_s = [], self.done + 1, time_s
        return self._lacking() if self.done == len(self.lights) else None

    def late(self, time_s: float) -> Reason | None:
        """Why the session is rejected where so much time went by; else None."""
        if self.shown is None or time_s - self.since_s <= self.settings.late_s:
            return None
        return Reason("too-slow", f"{self.shown} light was not seen in {self.settings.late_s:g} s")

    def _lacking(self) -> Reason | None:
        change, likeness = lit_as(self._seen, self.lights)
        if change < self.settings.least or likeness < self.settings.likeness:
            return Reason(
                "lights",
                f"the screen's light was not seen on the face: it changed by {100 * change:.1f} "
                f"parts in a hundred, {likeness:.2f} alike ({100 * self.settings.least:g} and "
                f"{self.settings.likeness:g} are needed); daylight drowns a screen",
            )
        others = (order for order in _orders(len(self.lights)) if order != tuple(self.lights))
        if any(lit_as(self._seen, order)[1] >= likeness for order in others):
            return Reason("lights", "the light on the face came in another order than the screen's")
        return None


def face_colour(image: Image, pose: HeadPose) -> _Floats | None:
    """The colour of a face against that of its surroundings.

    Args:
        image: (h, w, 3) uint8, RGB: the whole frame.
        pose: `vultus.liveness.session.head_pose.head_pose` of the face in it.

    Returns:
        (3,) logarithms of red, green, blue in linear light, with mean 0; None where too little of
        the surroundings is seen.
    """
    factor = min(1.0, _SMALL_PX / max(image.shape[:2]))
    size = (max(1, round(factor * image.shape[1])), max(1, round(factor * image.shape[0])))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    at = (np.stack([columns, rows], axis=-1) + 0.5) / factor - pose.origin
    x, y = np.moveaxis(at @ np.linalg.inv(pose.plane).T, -1, 0)
    # Cheeks, nose and forehead; what is beside and above the head, shoulders left out.
    face = x**2 + ((y - 0.4) / 1.1) ** 2 < 0.7
    around = (np.abs(x) > 2.6) & (y < 1.5) | (y < -2.0)
    if face.sum() < 9 or around.sum() < _SURROUNDINGS * around.size:
        return None
    linear = (small.astype(np.float64) / 255) ** _GAMMA + 1e-3
    told = np.log(linear[face].mean(axis=0)) - np.log(linear[around].mean(axis=0))
    return np.asarray(told - told.mean(), np.float64)


def lit_as(seen: Sequence[_Floats], lights: Sequence[Light]) -> tuple[float, float]:
    """How far a face changed its colour as lights do.

    Args:
        seen: (3,) each, `face_colour` under each light.
        lights: In their order, as many.

    Returns:
        The change of the face for a full change of the lights, as a logarithm, and the correlation
        of both in [-1, 1].
    """
    found, wanted = np.stack(seen), np.stack([_tint(light) for light in lights])
    found, wanted = found - found.mean(axis=0), wanted - wanted.mean(axis=0)
    along, of_both = float((found * wanted).sum()), float((wanted**2).sum())
    size = float(np.linalg.norm(found)) * of_both**0.5
    return (along / of_both, along / size) if size and of_both else (0.0, 0.0)


def _tint(light: Light) -> _Floats:
    linear = (np.array(SCREEN_RGB[light]) / 255) ** _GAMMA
    return np.asarray(linear - linear.mean(), np.float64)


def _orders(n: int) -> list[tuple[Light, ...]]:
    every = itertools.product(LIGHTS, repeat=n)
    return [one for one in every if all(a != b for a, b in itertools.pairwise(one))]

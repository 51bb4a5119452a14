"""Frames that were seen before, or do not come as a camera's frames come."""

import hashlib
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image

_SMALL_WH = (96, 64)
_KEPT = 600
_FAR_S = 0.45
"""Frames nearer than this resemble each other anyhow."""
_MOVING = 0.8
"""Mean difference to the frame before, in grey levels, from which a scene is said to move."""
_AS_BEFORE = 0.5
"""A moving frame that is so much nearer to an old one than to its neighbour is that one again."""
_RUN = 5
"""So many in a row that follow each other as the old ones did are a repeated piece of film."""
_AS_BEFORE_BACK, _RUN_BACK = 0.3, 6
"""Likewise the other way round: a head that comes back passes where it was, though not just there.
Frames of a film come again to 0.1 to 0.24 of the way between neighbours, those of a head to 0.5."""
_SAME_FAR = 3
"""No camera gives the same pixels again later; some give a frame twice at once."""
_FROZEN_S = 1.0
_FROZEN_SHARE = 0.5
_LEAST_FRAMES = 10
_CLOCKS_APART_S = 1.0
_CLOCKS_SHARE = 0.25


@dataclass(slots=True)
class _Kept:
    time_s: float
    digest: bytes
    small: npt.NDArray[np.float32]


@dataclass(slots=True)
class RepeatFinder:
    """Looks for frozen and repeated frames, and for clocks that do not agree.

    Attributes:
        n_frames: Frames taken in.
        n_frozen: Those equal to the one before.
        n_repeated: Those equal to an older one.
    """

    n_frames: int = 0
    n_frozen: int = 0
    n_repeated: int = 0
    _kept: deque[_Kept] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _frozen_since: float | None = None
    _run: int = 0
    _run_at: int | None = None
    _step: int = 0
    _first: tuple[float, float] | None = None
    _sent_s: float | None = None

    def take(self, image: Image, time_s: float, sent_s: float | None = None) -> str:
        """Take in the next frame.

        Args:
            image: (h, w, 3) uint8, RGB.
            time_s: When it came, by the clock of who judges, in seconds.
            sent_s: When it was taken, by the clock of who sends; None where nobody says.

        Returns:
            What is wrong, in words; empty where nothing is.
        """
        clocks = self._clocks(time_s, sent_s)
        digest = hashlib.sha256(np.ascontiguousarray(image).data).digest()
        small = cv2.resize(image, _SMALL_WH, interpolation=cv2.INTER_AREA)
        grey = small.astype(np.float32).mean(axis=2)
        self.n_frames += 1
        wrong = clocks or self._frozen(digest, time_s) or self._repeated(digest, grey, time_s)
        self._kept.append(_Kept(time_s, digest, grey))
        return wrong

    def _clocks(self, time_s: float, sent_s: float | None) -> str:
        if sent_s is None:
            return ""
        before, self._sent_s = self._sent_s, sent_s
        if before is not None and sent_s <= before:
            return "the frames' own times do not ascend"
        if self._first is None:
            self._first = time_s, sent_s
            return ""
        here, there = time_s - self._first[0], sent_s - self._first[1]
        if abs(here - there) > _CLOCKS_APART_S + _CLOCKS_SHARE * here:
            return f"the frames' own clock went {there:.1f} s while {here:.1f} s passed"
        return ""

    def _frozen(self, digest: bytes, time_s: float) -> str:
        if not self._kept or self._kept[-1].digest != digest:
            self._frozen_since = None
        else:
            self.n_frozen += 1
            if self._frozen_since is None:
                self._frozen_since = self._kept[-1].time_s
            if time_s - self._frozen_since > _FROZEN_S:
                return f"the picture stands still for more than {_FROZEN_S:g} s"
        if self.n_frames >= _LEAST_FRAMES and self.n_frozen > _FROZEN_SHARE * self.n_frames:
            return f"{self.n_frozen} of {self.n_frames} frames are the one before once more"
        return ""

    def _repeated(self, digest: bytes, grey: npt.NDArray[np.float32], time_s: float) -> str:
        old = [one for one in self._kept if time_s - one.time_s >= _FAR_S]
        if not old:
            return ""
        if digest != self._kept[-1].digest and any(one.digest == digest for one in old):
            self.n_repeated += 1
            if self.n_repeated >= _SAME_FAR:
                return f"{self.n_repeated} frames came a second time"
        moved = float(np.abs(grey - self._kept[-1].small).mean())
        apart = np.abs(np.stack([one.small for one in old]) - grey).mean(axis=(1, 2))
        nearest = int(np.argmin(apart))
        number = self.n_frames - 1 - len(self._kept) + nearest  # of the old frame, in the session
        if moved < _MOVING or apart[nearest] > _AS_BEFORE * moved:
            self._run, self._run_at = 0, None
            return ""
        return self._ran(number, apart[nearest] / moved)

    def _ran(self, number: int, share: float) -> str:
        step = 0 if self._run_at is None else number - self._run_at
        if step < 0 and share > _AS_BEFORE_BACK:
            self._run, self._run_at = 0, None
            return ""
        goes_on = step != 0 and (self._step == 0 or (step > 0) == (self._step > 0))
        self._run = self._run + 1 if goes_on and abs(step) <= _RUN else 1
        self._step = step if goes_on else 0
        self._run_at = number
        is_film = self._run >= (_RUN_BACK if self._step < 0 else _RUN)
        return f"{self._run} frames in a row were seen before" if is_film else ""

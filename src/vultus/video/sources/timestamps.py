"""The times of a stream, made to ascend where they are missing or broken."""

import math

LONGEST_GAP_S = 3600.0
"""A stream whose clock leaps by more is taken to have begun to count anew."""


class MendedTimes:
    """Times since the first frame, ascending whatever the stream says.

    Args:
        frame_s: Time between two frames that is assumed where nobody knows it, in seconds.

    Attributes:
        mended: How many frames had no time, or one that could not be.
    """

    def __init__(self, frame_s: float) -> None:
        self.mended = 0
        self._frame_s = frame_s
        self._offset: float | None = None
        self._last: float | None = None

    def next(self, told_s: float | None) -> float:
        """The time of the next frame.

        Args:
            told_s: What the stream says, in seconds; None for nothing.

        Returns:
            Seconds since the first frame.
        """
        if self._last is None:
            self._offset = told_s if _is_time(told_s) else None
            self.mended += not _is_time(told_s)
            self._last = 0.0
            return 0.0
        expected = self._last + self._frame_s
        if told_s is None or not _is_time(told_s):
            self.mended += 1
            self._last = expected
            return expected
        if self._offset is None:  # the first time that is told continues what was assumed
            self._offset = told_s - expected
        time_s = told_s - self._offset
        if not 0 < time_s - self._last <= LONGEST_GAP_S:
            self.mended += 1
            self._offset, time_s = told_s - expected, expected
        self._last = time_s
        return time_s


def _is_time(value: float | None) -> bool:
    return value is not None and math.isfinite(value)

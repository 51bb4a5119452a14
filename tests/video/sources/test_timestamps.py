import math

import pytest

from vultus.video.sources.timestamps import MendedTimes


def mended(told: list[float | None], frame_s: float = 0.04) -> tuple[list[float], int]:
    times = MendedTimes(frame_s)
    return [round(times.next(one), 6) for one in told], times.mended


def test_good_times_are_kept_and_begin_at_zero() -> None:
    assert mended([5.0, 5.1, 5.3]) == ([0.0, 0.1, 0.3], 0)


@pytest.mark.parametrize("broken", [None, math.nan, 5.1, 5.0, -3.0, 1e9])
def test_a_broken_time_is_the_next_frame_s(broken: float | None) -> None:
    times, count = mended([5.0, 5.1, broken])
    assert times == [0.0, 0.1, 0.14]
    assert count == 1


def test_a_clock_that_begins_anew_goes_on() -> None:
    assert mended([100.0, 100.04, 0.0, 0.04, 0.08]) == ([0.0, 0.04, 0.08, 0.12, 0.16], 1)


def test_times_that_begin_late_continue_what_was_assumed() -> None:
    assert mended([None, None, 7.0, 7.5]) == ([0.0, 0.04, 0.08, 0.58], 2)


def test_no_times_at_all() -> None:
    assert mended([None] * 3) == ([0.0, 0.04, 0.08], 3)

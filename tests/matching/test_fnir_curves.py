import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.matching.fnir_curves import FnirCurves, FnirLevel


def level(photos: int, fnirs: list[float], highs: list[float]) -> FnirLevel:
    return FnirLevel(photos, 40, 80, np.array([0.2, 0.6]), np.array(fnirs), np.array(highs))


CURVES = FnirCurves((level(1, [0.1, 0.5], [0.2, 0.6]), level(3, [0.0, 0.2], [0.1, 0.4])), "some")


def test_between_thresholds_lines_are_straight_and_people_weigh_alike() -> None:
    assert CURVES.at(0.4) == pytest.approx((0.3, 0.4))
    assert CURVES.at(0.4, people_by_photos={3: 7}) == pytest.approx((0.1, 0.25))
    mixed = CURVES.at(0.4, people_by_photos={1: 1, 3: 3})
    assert mixed == pytest.approx((0.25 * 0.3 + 0.75 * 0.1, 0.25 * 0.4 + 0.75 * 0.25))


def test_two_photos_count_as_one_and_ten_as_three() -> None:
    assert CURVES.at(0.4, people_by_photos={2: 5}) == CURVES.at(0.4)
    assert CURVES.at(0.4, people_by_photos={10: 5}) == CURVES.at(0.4, people_by_photos={3: 5})


def test_beyond_what_was_measured_nothing_is_better_than_there() -> None:
    assert CURVES.at(-1) == (0.1, 0.2)
    assert CURVES.at(0.61) == (1.0, 1.0)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="must not fall"):
        level(1, [0.5, 0.1], [0.6, 0.7])
    with pytest.raises(InputError, match="rising photos per person from 1"):
        FnirCurves((level(2, [0.1, 0.5], [0.2, 0.6]),), "some")

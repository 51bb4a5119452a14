import numpy as np
import pytest

from vultus.core.checks import check_array, check_positive_int, check_range, frozen
from vultus.core.errors import InputError


def test_check_array_returns_the_same_object() -> None:
    boxes = np.zeros((3, 4), np.float32)
    assert check_array("boxes", boxes, dtype=np.float32, shape=("n", 4)) is boxes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 2)), r"float32 of shape \(n, 4\), got float64 of shape \(4, 2\)"),
        (np.zeros((2, 5), np.float32), r"got float32 of shape \(2, 5\)"),
        (np.zeros(4, np.float32), r"got float32 of shape \(4,\)"),
        ([[0, 0, 1, 1]], "got list"),
        (None, "got NoneType"),
    ],
)
def test_check_array_says_what_came(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_array("boxes", value, dtype=np.float32, shape=("n", 4))


def test_a_named_axis_must_have_one_length() -> None:
    check_array("pairs", np.zeros((3, 3)), dtype=np.float64, shape=("n", "n"))
    with pytest.raises(InputError):
        check_array("pairs", np.zeros((3, 2)), dtype=np.float64, shape=("n", "n"))


def test_check_array_counts_values_that_are_not_finite() -> None:
    values = np.array([1, np.nan, np.inf], np.float32)
    with pytest.raises(InputError, match="2 NaN or infinite of 3"):
        check_array("scores", values, dtype=np.float32, shape=("n",))
    check_array("scores", values, dtype=np.float32, shape=("n",), finite=False)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.25)])
def test_check_range_accepts_the_closed_interval(value: float) -> None:
    assert check_range("fmr", value, low=0, high=1) == float(value)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_check_range_refuses_what_is_outside_or_no_number(value: object) -> None:
    with pytest.raises(InputError, match=r"fmr must be a number in \[0, 1\]"):
        check_range("fmr", value, low=0, high=1)


def test_open_ends_are_excluded() -> None:
    with pytest.raises(InputError, match=r"\(0, 1\)"):
        check_range("fmr", 0, low=0, high=1, low_open=True, high_open=True)
    with pytest.raises(InputError):
        check_range("fmr", 1, low=0, high=1, low_open=True, high_open=True)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3"])
def test_check_positive_int_refuses(value: object) -> None:
    with pytest.raises(InputError, match="dim must be an integer of at least 1"):
        check_positive_int("dim", value)


def test_frozen_does_not_lock_the_callers_array() -> None:
    array = np.zeros(3)
    view = frozen(array)
    array[0] = 1
    assert view[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 2

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from vultus.core.text import argument, did_you_mean, option_words, rounded_up


def test_nothing_near_means_no_suggestion() -> None:
    assert did_you_mean("xyzzy", ["mean", "std"]) == ""


def test_an_argument_in_the_words_of_who_called() -> None:
    assert argument("fmr", 1e-4) == "fmr=0.0001"
    with option_words():
        assert argument("photos_per_person", 3) == "--photos-per-person 3"
    assert argument("photos_per_person") == "photos_per_person=..."


@given(st.floats(1e-12, 1e6), st.integers(1, 6))
def test_a_number_rounded_up_is_no_smaller_and_near(value: float, digits: int) -> None:
    short = Decimal(rounded_up(value, digits=digits))
    assert 0 <= short - Decimal(repr(value)) <= Decimal(value) * Decimal(10) ** (1 - digits)
    assert float(short) >= value

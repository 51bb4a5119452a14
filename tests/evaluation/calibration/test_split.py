import re
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.calibration.split import (
    check_people_for_fmr,
    held_out,
    people_for_fmr,
    people_in_all,
    smallest_fmr,
    split_sizes,
)


def test_nobody_is_on_both_sides() -> None:
    who = np.array([f"p{i % 31}" for i in range(100)])
    kept = held_out(who, generator=np.random.default_rng(0), share=0.3)
    assert not set(who[kept]) & set(who[~kept])
    assert len(set(who[kept])) == 9
    again = held_out(who, generator=np.random.default_rng(1), share=0.3)
    assert (kept != again).any()
    with pytest.raises(InputError, match="share"):
        held_out(who, generator=np.random.default_rng(0), share=1)


@pytest.mark.parametrize("fmr", [1.0, 0.1, 1e-2, 3e-3, 1e-4, 1e-6])
def test_the_number_needed_is_the_least(fmr: float) -> None:
    n = people_for_fmr(fmr)
    assert smallest_fmr(n) <= fmr < smallest_fmr(n - 1)


def refusal(fmr: float, n_people: int, share: float) -> str | None:
    try:
        check_people_for_fmr(fmr, n_people=n_people, share=share)
    except CalibrationError as error:
        return str(error)
    return None


@given(
    st.floats(-5, 0).map(lambda power: 10**power),
    st.integers(1, 60),
    st.sampled_from([0.5, 0.3, 0.25, 1 / 3, 0.6, 0.9]),
)
def test_with_the_number_told_it_passes_and_with_one_fewer_not(
    fmr: float, n_people: int, share: float
) -> None:
    message = refusal(fmr, n_people, share)
    if message is None:
        return
    found = re.search(r"takes ([\d,]+) people", message)
    assert found is not None
    told = int(found[1].replace(",", ""))
    assert f"there are {n_people:,}: {told - n_people:,} more" in message
    assert refusal(fmr, told, share) is None
    assert refusal(fmr, told - 1, share) is not None
    if less := re.search(r"carry FMR ([\d.e-]+):", message):
        assert refusal(float(less[1]), n_people, share) is None


def test_a_refusal_does_not_jump_with_parity() -> None:
    for n_people in range(10, 50):
        with pytest.raises(CalibrationError, match="takes 50 people"):
            check_people_for_fmr(1e-2, n_people=n_people)
    check_people_for_fmr(1e-2, n_people=50)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.37, 2 / 3, 0.99])
@pytest.mark.parametrize("sides", [(1, 0), (0, 1), (30, 0), (25, 25), (7, 31)])
def test_the_fewest_in_all_by_trying_all(share: float, sides: tuple[int, int]) -> None:
    tried = next(
        n
        for n in count()
        if all(got >= want for got, want in zip(split_sizes(n, share=share), sides, strict=True))
    )
    assert people_in_all(*sides, share=share) == tried


@given(st.lists(st.integers(1, 5), min_size=2, max_size=40), st.integers(0, 9))
def test_people_with_many_photos_are_split_as_all_are(photos: list[int], seed: int) -> None:
    who, counts = np.repeat(np.arange(len(photos)), photos), np.array(photos)
    kept = held_out(who, generator=np.random.default_rng(seed), photo_counts=[2, 4])
    sides = [np.unique(who[mask]) for mask in (~kept, kept)]
    for least in (1, 2, 4):
        sizes = tuple(int((counts[side] >= least).sum()) for side in sides)
        assert sizes == split_sizes(int((counts >= least).sum()))


def test_a_refusal_counts_all_people() -> None:
    check_people_for_fmr(1e-3, n_people=156)
    with pytest.raises(CalibrationError, match=r"takes 156 people .* are 100: 56 more"):
        check_people_for_fmr(1e-3, n_people=100)
    with pytest.raises(CalibrationError, match="Bring more"):
        check_people_for_fmr(1e-3, n_people=1)

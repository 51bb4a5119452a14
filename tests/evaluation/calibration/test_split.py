import numpy as np
import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.calibration.split import (
    check_people_for_fmr,
    held_out,
    people_for_fmr,
    smallest_fmr,
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


def test_a_refusal_counts_all_people() -> None:
    check_people_for_fmr(1e-3, n_people=78)
    with pytest.raises(CalibrationError, match=r"takes 156 people .* are 100: 56 more"):
        check_people_for_fmr(1e-3, n_people=50, share=0.5)
    with pytest.raises(CalibrationError, match="Bring more"):
        check_people_for_fmr(1e-3, n_people=1)

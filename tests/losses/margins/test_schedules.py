import pytest

from vultus.core.errors import InputError
from vultus.losses.margins.schedules import LambdaAnnealing, MarginWarmup


def test_lambda_of_sphereface() -> None:
    annealing = LambdaAnnealing()
    assert annealing(0) == 1000
    assert annealing(1000) == pytest.approx(8.26, abs=0.005)
    assert annealing(1658) > 5
    assert annealing(1659) == annealing(10**6) == 5


def test_lambda_of_l_softmax_falls_to_nothing() -> None:
    annealing = LambdaAnnealing(1000, 2.5e-5, 35, 0)
    values = [annealing(step) for step in range(0, 100_000, 1000)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1e-6


def test_warm_up_is_a_line_after_the_delay() -> None:
    warmup = MarginWarmup(steps=4, delay=2)
    assert [warmup(step) for step in range(8)] == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="steps must be"):
        MarginWarmup(steps=0)
    with pytest.raises(InputError, match="gamma must be"):
        LambdaAnnealing(gamma=-1)

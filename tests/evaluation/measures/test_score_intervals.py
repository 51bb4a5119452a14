import math

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures.rates import equal_error_rate, roc_curve
from vultus.evaluation.measures.score_intervals import (
    area_interval,
    d_prime_interval,
    equal_error_interval,
)
from vultus.evaluation.measures.scores import d_prime


def _delong(genuine: np.ndarray, impostor: np.ndarray) -> tuple[float, float]:
    """AUC and its variance by loops over all pairs."""

    def wins(g: float, i: float) -> float:
        return 1.0 if g > i else 0.5 if g == i else 0.0

    v10 = [np.mean([wins(g, i) for i in impostor]) for g in genuine]
    v01 = [np.mean([wins(g, i) for g in genuine]) for i in impostor]
    variance = np.var(v10, ddof=1) / len(genuine) + np.var(v01, ddof=1) / len(impostor)
    return float(np.mean(v10)), float(variance)


@pytest.mark.parametrize("digits", [1, 6])
def test_the_interval_of_the_area_is_delongs(digits: int) -> None:
    generator = np.random.default_rng(0)
    genuine = generator.normal(0.5, 0.2, 40).round(digits)
    genuine[3] = -np.inf
    impostor = generator.normal(0.2, 0.2, 60).round(digits)
    area, variance = _delong(genuine, impostor)
    found = area_interval(roc_curve(genuine, impostor))
    half = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    ends = [1 / (1 + math.exp(-(math.log(area / (1 - area)) + s * half))) for s in (-1, 1)]
    assert (found.low, found.high) == pytest.approx(ends)
    assert found.method == "DeLong"


def test_without_overlap_the_area_has_the_rule_of_three() -> None:
    found = area_interval(roc_curve(np.linspace(0.6, 0.9, 50), np.linspace(0, 0.3, 400)))
    assert (found.low, found.high) == pytest.approx((1 - 2.9957 / 50, 1.0), abs=1e-4)
    assert found.method == "rule of three"


def _scores(n_genuine: int, n_impostor: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(0.6, 0.2, n_genuine), generator.normal(0.1, 0.2, n_impostor)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Two normals 2.5 deviations apart: EER = Phi(-1.25), AUC = Phi(2.5 / sqrt 2)."""
    truth_eer = 0.5 * math.erfc(1.25 / math.sqrt(2))
    truth_area = 0.5 * math.erfc(-2.5 / 2)
    held_eer = held_area = 0
    for seed in range(200):
        curve = roc_curve(*_scores(80, 150, seed))
        eer, area = equal_error_interval(curve), area_interval(curve)
        assert eer.low <= equal_error_rate(curve) <= eer.high
        held_eer += eer.low <= truth_eer <= eer.high
        held_area += area.low <= truth_area <= area.high
    assert held_eer >= 190
    assert 182 <= held_area <= 198


def test_the_equal_error_interval_narrows_with_more_scores() -> None:
    few, many = (equal_error_interval(roc_curve(*_scores(n, n, 0))) for n in (50, 5000))
    assert many.high - many.low < 0.2 * (few.high - few.low)
    perfect = equal_error_interval(roc_curve(np.full(100, 0.9), np.full(100, 0.1)))
    assert perfect.low == 0
    assert 0.01 < perfect.high < 0.05


def test_all_genuine_comparisons_failed() -> None:
    curve = roc_curve(np.full(30, -np.inf), np.linspace(0, 1, 40))
    eer = equal_error_interval(curve)
    assert 0 < eer.low <= eer.high == 1.0
    assert area_interval(curve).low == 0.0


def test_d_prime_by_drawing_people() -> None:
    generator = np.random.default_rng(0)
    people = np.repeat(np.arange(15), 4)
    genuine = generator.normal(0.6, 0.1, 60) + 0.1 * np.sin(people)
    pairs = np.stack(np.triu_indices(15, 1), axis=1).astype(np.int64)
    impostor = generator.normal(0.1, 0.1, len(pairs))
    found = d_prime_interval(
        genuine, impostor, genuine_people=people, impostor_people=pairs,
        generator=np.random.default_rng(3), draws=100,
    )  # fmt: skip
    again = np.random.default_rng(3)
    values = []
    for _ in range(100):
        drawn = again.integers(0, 15, 15).tolist()
        own = [score for who in drawn for score in genuine[people == who]]
        other = [
            impostor[row]
            for row, (a, b) in enumerate(pairs.tolist())
            for _ in range(drawn.count(a) * drawn.count(b))
        ]
        values.append(d_prime(np.array(own), np.array(other)))
    low = np.quantile(values, 0.025, method="lower")
    high = np.quantile(values, 0.975, method="higher")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.low < d_prime(genuine, impostor) < found.high


def test_scores_that_never_vary_have_no_interval() -> None:
    with pytest.raises(InputError, match="whose scores vary"):
        d_prime_interval(
            np.ones(4), np.zeros(6), genuine_people=np.arange(4),
            impostor_people=np.zeros((6, 2), np.int64), generator=np.random.default_rng(0),
        )  # fmt: skip

import math

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures.groups import group_rates, ratio_interval
from vultus.evaluation.measures.intervals import bootstrap_draws


def test_each_group_is_counted_at_the_same_threshold() -> None:
    result = group_rates(
        np.array([0.9, 0.4, 0.8, 0.7]),
        np.array([0.6, 0.1, 0.2, 0.6, 0.7, 0.1]),
        genuine_groups=np.array(["a", "a", "b", "b"]),
        impostor_groups=np.array(["a", "a", "a", "a", "b", "b"]),
        threshold=0.5,
    )
    assert result.points["a"].fmr == 0.5
    assert result.points["a"].fnmr == 0.5
    assert result.points["b"].fmr == 0.5
    assert result.points["b"].fnmr == 0.0
    assert result.fmr_ratio == 1.0
    assert result.fnmr_ratio is None
    assert result.to_dict()["groups"]["b"]["n_impostor"] == 2


def test_ratio_is_the_maximum_over_the_geometric_mean() -> None:
    impostor = np.concatenate([np.arange(100) < 16, np.arange(100) < 4]).astype(float)
    groups = np.repeat([1, 2], 100)
    result = group_rates(
        np.ones(2),
        impostor,
        genuine_groups=np.array([1, 2]),
        impostor_groups=groups,
        threshold=0.5,
    )
    assert result.fmr_ratio == pytest.approx(0.16 / math.sqrt(0.16 * 0.04))


def test_ratio_interval_holds_the_ratio_and_opens_without_errors() -> None:
    generator = np.random.default_rng(0)
    ids = np.repeat(np.arange(200)[:, None], 2, axis=1)
    errors = {name: generator.binomial(10, rate, 200) for name, rate in (("a", 0.2), ("b", 0.05))}
    draws = {
        name: bootstrap_draws(
            count, np.full(200, 10), identities=ids, generator=generator, draws=300
        )
        for name, count in errors.items()
    }
    interval = ratio_interval(draws)
    rates = [count.mean() / 10 for count in errors.values()]
    assert interval.low < max(rates) / math.sqrt(rates[0] * rates[1]) < interval.high < 4
    assert ratio_interval({"a": draws["a"], "b": np.zeros(300)}).high == math.inf


def test_a_group_without_comparisons_is_refused() -> None:
    with pytest.raises(InputError, match="'b' needs genuine and impostor"):
        group_rates(
            np.ones(1),
            np.zeros(2),
            genuine_groups=np.array(["a"]),
            impostor_groups=np.array(["a", "b"]),
            threshold=0.5,
        )
    with pytest.raises(InputError, match="equally long"):
        group_rates(
            np.ones(1),
            np.zeros(2),
            genuine_groups=np.array(["a"]),
            impostor_groups=np.array(["a"]),
            threshold=0.5,
        )
    with pytest.raises(InputError, match="at least one group"):
        ratio_interval({})

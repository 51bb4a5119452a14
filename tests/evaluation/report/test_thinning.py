import numpy as np
import pytest

from vultus.evaluation.measures.error_versus_reject import error_versus_reject
from vultus.evaluation.measures.rates import equal_error_rate, operating_point, roc_curve
from vultus.evaluation.measures.summary import claimable
from vultus.evaluation.report.record import thin_curve, thin_reject


@pytest.mark.parametrize("decimals", [7, 2])
def test_stated_rates_and_the_eer_stay_exact(decimals: int) -> None:
    generator = np.random.default_rng(0)
    genuine = generator.normal(0.5, 0.2, 4000).round(decimals)
    impostor = generator.normal(0, 0.1, 200_000).round(decimals)
    whole = roc_curve(genuine, impostor)
    thin = thin_curve(whole, at_fmr=[0.0371], points=40)
    assert len(thin) < 120
    for rate in (*claimable(whole.n_impostor), 0.0371):
        assert operating_point(thin, fmr=rate) == operating_point(whole, fmr=rate)
    assert equal_error_rate(thin) == equal_error_rate(whole)
    rows = np.searchsorted(-whole.thresholds, -thin.thresholds)
    assert (whole.thresholds[rows] == thin.thresholds).all()
    assert (whole.n_true_matches[rows] == thin.n_true_matches).all()
    assert (whole.n_false_matches[rows] == thin.n_false_matches).all()


def test_no_gap_in_what_pictures_show() -> None:
    generator = np.random.default_rng(1)
    whole = roc_curve(generator.normal(0.4, 0.2, 3000), generator.normal(0, 0.1, 100_000))
    thin = thin_curve(whole, points=200)
    for rates in (thin.fmr, thin.fnmr[::-1]):
        shown = rates[rates > 0.02]
        assert (shown[1:] / shown[:-1]).max() < 1.1


@pytest.mark.parametrize(
    ("genuine", "impostor"),
    [([0.5], [0.5]), ([1.0], [0.0]), ([0.0], [1.0]), ([-np.inf], [0.3]), ([0.1, 0.9], [0.5])],
)
def test_the_smallest_curves_keep_everything(genuine: list[float], impostor: list[float]) -> None:
    whole = roc_curve(np.array(genuine), np.array(impostor))
    thin = thin_curve(whole)
    assert equal_error_rate(thin) == equal_error_rate(whole)
    assert thin.thresholds[-1] == whole.thresholds[-1]


def test_steps_that_stay_of_a_reject_curve_are_exact() -> None:
    generator = np.random.default_rng(2)
    quality = generator.random(2000)
    whole = error_versus_reject(quality + generator.random(2000), quality, threshold=0.6)
    thin = thin_reject(whole, points=50)
    assert len(thin.rejected) <= 50
    assert thin.rejected[0] == 0
    for share, fnmr in zip(thin.rejected, thin.fnmr, strict=True):
        assert whole.at(float(share)) == fnmr
    assert thin_reject(whole, points=5000) is whole

import numpy as np
import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import SearchRates, Threshold
from vultus.evaluation.calibration.plots import (
    plot_gallery_thresholds,
    plot_gallery_trade,
    plot_reliability,
)
from vultus.evaluation.calibration.probability import ProbabilityCheck
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel
from vultus.matching.gallery_trade import TradePoint


def level(photos: int, n_people: int) -> PhotoLevel:
    curves = tuple(
        FpirCurve(size, np.array([0.3, 0.5, 0.7]) + 0.1 * photos, np.array([0.4, 0.05, 1e-5]))
        for size in (1, 100)
    )
    return PhotoLevel(photos, curves, n_people, n_people, n_people)


def test_dots_lie_where_said_meets_seen() -> None:
    said, seen = np.array([0.1, 0.9]), np.array([0.2, 0.8])
    check = ProbabilityCheck(0.3, 0.1, 0.1, said, seen, np.array([0.5, 0.5]))
    axes = plot_reliability({"isotonic": check}).axes[0]
    line = axes.get_lines()[1]
    np.testing.assert_array_equal(line.get_xydata(), np.stack([said, seen], axis=1))
    assert line.get_label() == "isotonic, log loss 0.300, ECE 0.100"
    with pytest.raises(InputError, match="at least one method"):
        plot_reliability({})


def test_lines_end_where_the_people_end() -> None:
    rates = FpirCurves((level(1, 3000), level(2, 400)), "made up")
    axes = plot_gallery_thresholds(rates, fpir=0.01).axes[0]
    ends = {line.get_label(): np.asarray(line.get_xdata())[-1] for line in axes.get_lines()}
    # 0.01 x n (n - 1) / 2 / 3: 14,995 and 266 people.
    assert ends == {"1 photo(s) each": 10_000, "2 photo(s) each": 200}
    for line, photos in zip(axes.get_lines(), (1, 2), strict=True):
        rule = rates.threshold(0.01, people_by_photos={photos: 100})
        points = dict(np.asarray(line.get_xydata()).tolist())
        assert points[100] == rule.similarity
    with pytest.raises(CalibrationError, match="takes a calibration on 30,000 people"):
        plot_gallery_thresholds(rates, fpir=1e-4)


def test_the_trade_is_a_line_per_rate_and_number_of_photos() -> None:
    def point(people: int, fpir: float, fnir: float | None) -> TradePoint:
        rates = SearchRates(fpir, 2 * fpir, fnir, None if fnir is None else fnir + 0.1)
        return TradePoint(people, 1, fpir, Threshold(0.5, search=rates))

    refused = TradePoint(1000, 1, 0.01, None, "too few people")
    points = [point(10, 0.1, 0.02), point(100, 0.1, 0.05), point(10, 0.01, 0.2), refused]
    axes = plot_gallery_trade(points).axes[0]
    lines = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.get_lines()}
    assert lines == {
        "FPIR 0.1, 1 photo(s) each": [[10, 2], [100, 5]],
        "FPIR 0.01, 1 photo(s) each": [[10, 20]],
    }
    with pytest.raises(InputError, match="needs a measured FNIR"):
        plot_gallery_trade([refused, point(10, 0.1, None)])

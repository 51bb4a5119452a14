import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from vultus.core.errors import InputError, MissingDependencyError
from vultus.evaluation.measures.error_versus_reject import error_versus_reject
from vultus.evaluation.measures.identification import CmcCurve
from vultus.evaluation.measures.rates import RocCurve, roc_curve
from vultus.evaluation.plots import (
    plot_cmc,
    plot_det,
    plot_distractors,
    plot_open_set,
    plot_reject,
    plot_roc,
    plot_scores,
    save_figure,
)


@pytest.fixture(scope="module")
def curve() -> RocCurve:
    generator = np.random.default_rng(0)
    return roc_curve(generator.normal(0.6, 0.15, 2000), generator.normal(0, 0.1, 20_000))


def test_normal_scores_give_a_straight_det() -> None:
    places = [NormalDist().inv_cdf((k + 0.5) / 2000) for k in range(2000)]
    normal = np.array(places)
    line = plot_det({"normal": roc_curve(0.4 + 0.3 * normal, 0.2 * normal)}).axes[0].get_lines()[0]
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert np.corrcoef(x, y)[0, 1] < -0.999
    # Minus the ratio of the standard deviations.
    assert np.polyfit(x, y, 1)[0] == pytest.approx(-0.2 / 0.3, rel=0.02)


def test_roc_is_drawn_where_the_data_carry_it(curve: RocCurve) -> None:
    axes = plot_roc({"one": curve, "two": curve}).axes[0]
    assert axes.get_xlim()[0] == pytest.approx(3 / 20_000)
    assert len(axes.get_lines()) == 2
    drawn = axes.get_lines()[0]
    assert len(np.asarray(drawn.get_xdata())) <= 5000
    legend = axes.get_legend()
    assert legend is not None
    assert "EER" in legend.get_texts()[0].get_text()


def test_histogram_has_unit_area_and_the_threshold(curve: RocCurve) -> None:
    axes = plot_scores(curve, threshold=0.3).axes[0]
    for patch in axes.patches:
        values, edges, _ = patch.get_data()  # type: ignore[attr-defined]
        assert (values * np.diff(edges)).sum() == pytest.approx(1)
    assert np.asarray(axes.get_lines()[0].get_xdata()).tolist() == [0.3, 0.3]
    with pytest.raises(InputError, match="two distinct"):
        plot_scores(roc_curve(np.ones(3), np.ones(3)))


def test_rates_among_distractors_are_drawn_in_the_order_of_sizes() -> None:
    axes = plot_distractors({"a": {1000: 0.5, 10: 0.9}, "b": {10: 0.8}}, rank=5).axes[0]
    lines = axes.get_lines()
    assert np.asarray(lines[0].get_xdata()).tolist() == [10, 1000]
    assert np.asarray(lines[0].get_ydata()).tolist() == [0.9, 0.5]
    assert axes.get_xscale() == "log"
    assert axes.get_ylabel() == "Rank-5 identification rate"


def test_cmc_and_reject_curves_are_drawn() -> None:
    found = CmcCurve(np.array([5, 7, 9]), 10)
    line = plot_cmc({"a": found}).axes[0].get_lines()[0]
    assert np.asarray(line.get_ydata()).tolist() == [0.5, 0.7, 0.9]
    generator = np.random.default_rng(0)
    quality = generator.random(500)
    rejecting = error_versus_reject(quality + generator.random(500), quality, threshold=0.6)
    lines = plot_reject({"quality": rejecting}).axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["quality", "ideal"]


def test_open_set_curves_go_down_to_what_the_searches_carry() -> None:
    generator = np.random.default_rng(0)
    curve = roc_curve(generator.normal(0.6, 0.2, 300), generator.normal(0.3, 0.1, 400))
    axes = plot_open_set({"a": curve}).axes[0]
    assert "FPIR" in axes.get_xlabel()
    assert "FNIR" in axes.get_ylabel()
    assert axes.get_xlim()[0] == pytest.approx(NormalDist().inv_cdf(3 / 400))


def test_several_reject_curves_have_an_ideal_each() -> None:
    generator = np.random.default_rng(0)
    quality = generator.random(500)
    curves = {
        f"{threshold}": error_versus_reject(quality, quality, threshold=threshold)
        for threshold in (0.1, 0.2)
    }
    lines = plot_reject(curves).axes[0].get_lines()
    assert len(lines) == 4
    # A quality that is the score itself is the oracle: each curve lies on its ideal.
    for real, ideal in zip(lines[:2], lines[2:], strict=True):
        x, y = np.asarray(ideal.get_xdata()), np.asarray(ideal.get_ydata())
        steps = np.asarray(real.get_xdata()), np.asarray(real.get_ydata())
        assert np.interp(x, *steps) == pytest.approx(y, abs=0.005)
        assert real.get_color() == ideal.get_color()


def test_few_comparisons_can_be_drawn() -> None:
    tiny = roc_curve(np.array([0.5]), np.array([0.1]))
    for draw in (plot_roc, plot_det, plot_open_set):
        draw({"a": tiny}).canvas.draw()


def test_pictures_are_written(tmp_path: Path, curve: RocCurve) -> None:
    save_figure(plot_roc({"a": curve}), tmp_path / "roc.png")
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_no_curve_and_no_matplotlib_are_explained(
    curve: RocCurve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="at least one curve"):
        plot_roc({})
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="pip install 'matplotlib"):
        plot_roc({"a": curve})

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.similarity import paired_similarity
from vultus.evaluation.measures.error_versus_reject import error_versus_reject
from vultus.evaluation.measures.rates import equal_error_rate, operating_point, roc_curve
from vultus.evaluation.measures.summary import claimable
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.report.record import (
    EvaluationRecord,
    record_evaluation,
    thin_curve,
    thin_reject,
)

MakeRecord = Callable[..., EvaluationRecord]
MakeResult = Callable[..., ProtocolResult]


def test_curves_say_what_the_figures_say(make_record: MakeRecord) -> None:
    record = make_record()
    curve = record.curves["comparisons"]
    for point in record.result.operating_points:
        found = operating_point(curve, fmr=point.target_fmr)
        assert (found.tar, found.threshold) == (point.tar, point.threshold)
    identification = record.result.identification
    assert identification is not None
    for row in identification.open_set:
        found = operating_point(record.curves["open_set"], fmr=row.target_fpir)
        assert (found.fmr, found.fnmr) == (row.fpir, row.fnir)
    assert record.cmc is not None
    for rank, figures in identification.rank.items():
        assert record.cmc.rate(int(rank)) == figures.rate
    assert record.result.far is not None
    assert record.threshold == operating_point(curve, fmr=record.result.far).threshold
    assert record.histogram is not None
    # One failed photo: its three genuine comparisons have no score.
    assert record.histogram.genuine.sum() == curve.n_genuine - 3
    assert record.histogram.impostor.sum() == curve.n_impostor


def test_worst_pairs_are_the_extremes_of_all(
    make_result: MakeResult, photo_root: Path, embed_noise: Any, run_figures: Any
) -> None:
    result = make_result("alpha")
    figures = run_figures(result)
    record = record_evaluation(result, figures=figures, created="", software={}, worst=7)
    names = sorted(p.relative_to(photo_root).as_posix() for p in photo_root.rglob("*.png"))
    embedded = embed_noise("alpha", noise=0.9)(names, aligned=True)
    kept = [name for name, failed in zip(names, embedded.failed, strict=True) if not failed]
    scored = []
    for i in range(len(kept)):
        for j in range(i + 1, len(kept)):
            score = paired_similarity(embedded.embeddings[[i]], embedded.embeddings[[j]])[0]
            scored.append((float(score), kept[i], kept[j]))
    genuine = sorted(s for s in scored if s[1][:3] == s[2][:3])[:7]
    impostor = sorted((s for s in scored if s[1][:3] != s[2][:3]), reverse=True)[:7]
    for found, wanted in ((record.worst_genuine, genuine), (record.worst_impostor, impostor)):
        assert [{p.first, p.second} for p in found] == [{a, b} for _, a, b in wanted]
        assert [p.similarity for p in found] == pytest.approx([s for s, _, _ in wanted], abs=1e-6)


def test_reject_curves_start_at_the_fnmr(make_record: MakeRecord) -> None:
    record = make_record()
    curve = record.reject["feature norm"]
    assert record.result.far is not None
    point = operating_point(record.curves["comparisons"], fmr=record.result.far)
    assert curve.fnmr[0] == point.fnmr
    # The failed photo has the lowest quality: its three comparisons go first, together.
    assert curve.rejected[1] == 3 / point.n_genuine
    areas = record.reject_areas["feature norm"]
    assert areas.ideal_area <= areas.area == pytest.approx(curve.area())


def test_pairs_are_named_only_when_asked(make_record: MakeRecord) -> None:
    record = make_record(worst=0)
    assert record.worst_genuine == record.worst_impostor == ()
    with pytest.raises(InputError, match="worst"):
        make_record(worst=-1)


def test_a_list_of_pairs_gives_a_record_too(pair_record: MakeRecord) -> None:
    record = pair_record()
    assert len(record.worst_genuine) == len(record.worst_impostor) == 12
    assert record.worst_genuine[0].first.startswith("p")
    scores = np.array([pair.similarity for pair in record.worst_impostor])
    assert (np.diff(scores) <= 0).all()
    assert set(record.curves) == {"comparisons"}
    assert record.cmc is None


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

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import CalibrationError, InputError
from vultus.core.text import option_words
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.embedding.embedder import Embedder
from vultus.matching.calibration import Calibration
from vultus.matching.fnir_curves import FnirCurves, FnirLevel
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel
from vultus.matching.model_rates import ModelRates
from vultus.matching.operating_point import (
    fmr_for_fpir,
    fpir_of_fmr,
    threshold_for_fmr,
    threshold_for_fpir,
    threshold_for_gallery,
)

TABLE = ThresholdTable(
    tuple(
        Threshold(similarity, fmr=fmr, n_impostor=10_000_000, origin="a set")
        for similarity, fmr in ((0.3, 1e-2), (0.4, 1e-3), (0.5, 1e-4), (0.6, 1e-5))
    )
)


@given(st.floats(1e-6, 0.999), st.integers(1, 10**7))
def test_fmr_and_fpir_are_inverse(fpir: float, n: int) -> None:
    fmr = fmr_for_fpir(fpir, gallery_size=n)
    assert 0 < fmr <= fpir * (1 + 1e-9)
    assert fpir_of_fmr(fmr, gallery_size=n) == pytest.approx(fpir, rel=1e-9)


def test_the_formula_on_figures_worked_out_by_hand() -> None:
    assert fmr_for_fpir(0.75, gallery_size=2) == pytest.approx(0.5)
    assert fpir_of_fmr(0.5, gallery_size=3) == pytest.approx(0.875)
    assert fpir_of_fmr(1, gallery_size=3) == 1
    assert fpir_of_fmr(0, gallery_size=3) == 0


def test_a_larger_gallery_needs_a_higher_threshold() -> None:
    chosen = [threshold_for_fpir(TABLE, fpir=0.01, gallery_size=n) for n in (0, 1, 10, 100, 1000)]
    assert [point.similarity for point in chosen] == [0.3, 0.3, 0.4, 0.5, 0.6]


def test_the_error_tells_what_the_table_can_carry_and_that_works() -> None:
    with pytest.raises(CalibrationError, match=r"FPIR 0\.096\. Ask .*fpir=0\.096") as caught:
        threshold_for_fpir(TABLE, fpir=0.01, gallery_size=10_000)
    assert "10,000 people" in str(caught.value)
    assert threshold_for_fpir(TABLE, fpir=0.096, gallery_size=10_000).similarity == 0.6


@given(st.floats(1e-6, 0.9), st.integers(1, 100_000))
def test_the_rate_that_is_offered_is_carried(fmr: float, size: int) -> None:
    table = ThresholdTable((Threshold(0.5, fmr=fmr, n_impostor=10**7, origin="a set"),))
    try:
        threshold_for_fpir(table, fpir=fmr / 2, gallery_size=size)
    except CalibrationError as error:
        message = str(error)
    with option_words(), pytest.raises(CalibrationError) as caught:
        threshold_for_fpir(table, fpir=fmr / 2, gallery_size=size)
    assert "--threshold" in str(caught.value)
    assert "=..." in message
    assert "=..." not in str(caught.value)
    if offered := re.search(r"--fpir ([\d.e-]+)", str(caught.value)):
        rule = threshold_for_fpir(table, fpir=float(offered[1]), gallery_size=size)
        assert rule.similarity == 0.5


def test_a_sample_without_a_false_match_carries_the_rule_of_threes_rate() -> None:
    table = ThresholdTable((Threshold(0.5, fmr=1e-3, n_impostor=3000, origin="a set"),))
    assert threshold_for_fpir(table, fpir=0.01, gallery_size=10).similarity == 0.5
    with pytest.raises(CalibrationError, match="FMR"):
        threshold_for_fpir(table, fpir=0.01, gallery_size=11)


def test_an_empty_table_and_bad_rates_are_refused() -> None:
    with pytest.raises(CalibrationError, match="no calibrated thresholds"):
        threshold_for_fpir(ThresholdTable(), fpir=0.01, gallery_size=3)
    for fpir in (0, 1, 1.5, float("nan")):
        with pytest.raises(InputError, match="fpir"):
            threshold_for_fpir(TABLE, fpir=fpir, gallery_size=3)
    with pytest.raises(InputError, match="gallery_size"):
        threshold_for_fpir(TABLE, fpir=0.1, gallery_size=-1)


@pytest.fixture
def card(tiny_embedder: Embedder) -> ThresholdTable:
    return tiny_embedder.thresholds


def test_the_site_comes_before_the_card(
    card: ThresholdTable, tiny_calibration: Calibration
) -> None:
    site = threshold_for_fmr(card, fmr=1e-2, calibration=tiny_calibration)
    assert site.similarity == 0.7
    assert threshold_for_fmr(card, fmr=1e-2).similarity == 0.8


def test_beyond_the_sites_reach_the_card_answers_if_it_is_not_laxer(
    card: ThresholdTable, tiny_calibration: Calibration
) -> None:
    rule = threshold_for_fmr(card, fmr=1e-3, calibration=tiny_calibration)
    assert rule.similarity == 0.9
    assert rule.origin == (
        "model card: made up for tests; the calibration of people does not reach that far"
    )
    lax, strict = tiny_calibration.thresholds.points
    stricter = replace(
        tiny_calibration, thresholds=ThresholdTable((lax, replace(strict, similarity=0.93)))
    )
    with pytest.raises(CalibrationError, match=r"fmr=0\.003"):
        threshold_for_fmr(card, fmr=1e-3, calibration=stricter)
    assert threshold_for_fmr(card, fmr=1e-4, calibration=stricter).similarity == 0.95


@pytest.mark.parametrize(
    ("people", "expected"), [({}, 0.5), ({1: 10}, 0.6), ({1: 100}, 0.7), ({3: 100}, 0.75)]
)
def test_the_threshold_follows_the_gallery(
    card: ThresholdTable,
    tiny_calibration: Calibration,
    people: dict[int, int],
    expected: float,
) -> None:
    rule = threshold_for_gallery(
        card, fpir=0.01, people_by_photos=people, calibration=tiny_calibration
    )
    assert rule.similarity == pytest.approx(expected, abs=1e-6)


def test_too_few_people_for_an_fpir_leave_the_formula_on_their_own_pairs(
    card: ThresholdTable, tiny_calibration: Calibration
) -> None:
    def rule(fpir: float, site: Calibration) -> Threshold:
        return threshold_for_gallery(card, fpir=fpir, people_by_photos={1: 2}, calibration=site)

    measured = rule(0.0075, tiny_calibration)  # takes 400 people
    assert measured.origin == "FPIR 0.0075 among 2 people; this site"
    few = rule(0.007, tiny_calibration)
    assert few.similarity == 0.85
    assert few.origin == "FPIR 0.007 among 2 people by formula, not measured; this site"
    assert rule(0.007, replace(tiny_calibration, fpir_curves=None)) == few


def test_a_gallery_beyond_the_people_falls_back_to_the_card(
    card: ThresholdTable, tiny_calibration: Calibration
) -> None:
    def rule(fpir: float) -> Threshold:
        return threshold_for_gallery(
            card, fpir=fpir, people_by_photos={1: 10}, calibration=tiny_calibration
        )

    assert rule(0.005).similarity == 0.95  # takes 600 people
    assert rule(0.005).origin.startswith("model card: FPIR 0.005 among 10 people by formula")
    with pytest.raises(CalibrationError, match="takes a calibration on 30,000 people"):
        rule(1e-4)


def searched(*, fnir: float, max_fnir: float = 0.5) -> ModelRates:
    """A card with searches: FPIR falls tenfold each 0.1, ``fnir`` at every threshold."""
    grid = np.array([0.3, 0.4, 0.5, 0.6, 0.7])
    curves = tuple(
        FpirCurve(n, grid, np.minimum(0.5 - grid / 10, n * 10 ** (-10 * grid))) for n in (1, 50)
    )
    fpir = FpirCurves((PhotoLevel(1, curves, 1000, 1000, 1000),), "made up")
    level = FnirLevel(1, 40, 80, grid, np.full(5, fnir), np.full(5, (1 + fnir) / 2))
    return ModelRates(TABLE.points, fpir, (FnirCurves((level,), "others"),), max_fnir)


def test_a_cards_searches_come_before_the_formula_and_tell_the_price() -> None:
    rule = threshold_for_gallery(searched(fnir=0.2), fpir=0.01, people_by_photos={1: 50})
    assert "FPIR 0.01 among 50 people; made up" in rule.origin
    assert rule.search is not None
    assert (rule.search.fpir, rule.search.fnir, rule.search.fnir_high) == (0.01, 0.2, 0.6)
    assert rule.search.fnir_origin == "others"
    # Where its people end, the card's thresholds answer as before.
    beyond = threshold_for_gallery(searched(fnir=0.2), fpir=0.001, people_by_photos={1: 10})
    assert "by formula" in beyond.origin
    assert beyond.similarity == threshold_for_fpir(TABLE, fpir=0.001, gallery_size=10).similarity
    assert beyond.search is not None
    assert beyond.search.fpir_high is None


def test_a_threshold_that_misses_too_many_is_refused_unless_told() -> None:
    with pytest.raises(CalibrationError, match=r"misses 60% .*at most 50%.*max_fnir=0\.6"):
        threshold_for_gallery(searched(fnir=0.6), fpir=0.01, people_by_photos={1: 50})
    told = searched(fnir=0.6, max_fnir=0.6)
    rule = threshold_for_gallery(told, fpir=0.01, people_by_photos={1: 50})
    assert rule.search is not None
    assert rule.search.fnir == 0.6


def test_the_same_question_again_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = searched(fnir=0.11)
    first = threshold_for_gallery(rates, fpir=0.01, people_by_photos={1: 50})
    monkeypatch.delattr(FpirCurves, "threshold")
    assert threshold_for_gallery(rates, fpir=0.01, people_by_photos={1: 50}) is first
    with pytest.raises(AttributeError):
        threshold_for_gallery(rates, fpir=0.01, people_by_photos={1: 49})


def test_a_calibration_without_thresholds_leaves_the_card_to_answer(
    tiny_calibration: Calibration,
) -> None:
    bare = replace(tiny_calibration, thresholds=ThresholdTable(), fpir_curves=None)
    assert threshold_for_fmr(TABLE, fmr=1e-3, calibration=bare).similarity == 0.4
    with pytest.raises(CalibrationError):
        threshold_for_fmr(ThresholdTable(), fmr=1e-3, calibration=bare)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.matching.operating_point import fmr_for_fpir, fpir_of_fmr, threshold_for_fpir

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
    with pytest.raises(CalibrationError, match=r"FPIR >= 0\.0952") as caught:
        threshold_for_fpir(TABLE, fpir=0.01, gallery_size=10_000)
    assert "10,000 people" in str(caught.value)
    assert threshold_for_fpir(TABLE, fpir=0.0952, gallery_size=10_000).similarity == 0.6


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

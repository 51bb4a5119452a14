import json

import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import SearchRates, Threshold, ThresholdTable

TABLE = ThresholdTable(
    (
        Threshold(0.5, fmr=1e-4, n_impostor=100_000, origin="a set"),
        Threshold(0.3, fmr=1e-2, n_impostor=100_000, origin="a set"),
        Threshold(0.4, fmr=1e-3, n_impostor=100_000, origin="a set"),
    )
)


def test_at_fmr_never_exceeds_what_was_asked() -> None:
    assert TABLE.at_fmr(1e-3).similarity == 0.4
    assert TABLE.at_fmr(9.9e-3).similarity == 0.4
    assert TABLE.at_fmr(1e-2).similarity == 0.3
    assert TABLE.at_fmr(1).similarity == 0.3


def test_a_decade_is_the_mean_step_to_a_tenth_of_the_rate() -> None:
    assert TABLE.per_decade() == pytest.approx(0.1)
    wider = (
        Threshold(0.1, fmr=0.1, n_impostor=100_000),  # steep where rates are high: left out
        Threshold(0.3, fmr=1e-2, n_impostor=100_000),
        Threshold(0.36, fmr=1e-3, n_impostor=100_000),
        Threshold(0.9, fmr=1e-6, n_impostor=1_000_000, n_false=0, fmr_by_tail=1e-7, origin="tail"),
    )
    assert ThresholdTable(wider).per_decade() == pytest.approx(0.06)
    assert ThresholdTable(wider[:2]).per_decade() is None
    assert ThresholdTable().per_decade() is None


def test_what_was_not_measured_is_refused_with_a_way_out() -> None:
    with pytest.raises(CalibrationError, match=r"fmr=0\.0001.*calibrate"):
        TABLE.at_fmr(1e-5)
    with pytest.raises(CalibrationError, match="no calibrated thresholds"):
        ThresholdTable().at_fmr(0.1)
    with pytest.raises(InputError, match="fmr"):
        TABLE.at_fmr(0)


def test_a_table_must_be_monotone_and_measured() -> None:
    with pytest.raises(InputError, match="higher FMR"):
        ThresholdTable(
            (Threshold(0.3, fmr=0.1, n_impostor=90), Threshold(0.4, fmr=0.2, n_impostor=90))
        )
    with pytest.raises(InputError, match="must state the fmr"):
        ThresholdTable((Threshold(0.3),))


def test_a_threshold_states_rate_and_sample_together() -> None:
    with pytest.raises(InputError, match="together or neither"):
        Threshold(0.3, fmr=0.1)
    with pytest.raises(InputError, match=r"\[-1, 1\]"):
        Threshold(1.5)


def test_zero_is_a_threshold_like_any_other() -> None:
    assert Threshold(0.0).similarity == 0
    assert json.loads(json.dumps(Threshold(0.0).to_dict()))["similarity"] == 0


def test_text_names_rate_sample_and_origin() -> None:
    assert str(TABLE.at_fmr(1e-3)) == "0.4000 (FMR 1.0e-03 on 100,000 impostor pairs, a set)"
    assert "no false match rate known" in str(Threshold(0.2))


@pytest.mark.parametrize(
    ("similarity", "fmr", "n_impostor", "message"),
    [
        (-1, 1e-6, 1, "rule of three"),
        (0.5, 1e-3, 2_900, "2,900 comparisons carry 0.001"),
        (0.5, 0.0, 3_000, "rule of three"),
        (-1, 1e-6, 10_000_000, r"accepts at least 0.5 of all strangers"),
        (-0.5, 0.3, 10_000_000, r"accepts at least 0.33"),
    ],
)
def test_claims_that_cannot_be_are_refused(
    similarity: float, fmr: float, n_impostor: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ThresholdTable((Threshold(similarity, fmr=fmr, n_impostor=n_impostor),))


def test_one_threshold_has_one_rate() -> None:
    twice = (Threshold(0.4, fmr=0.2, n_impostor=90), Threshold(0.4, fmr=0.1, n_impostor=90))
    with pytest.raises(InputError, match="must have one FMR"):
        ThresholdTable(twice)


def test_a_claim_may_be_as_strict_as_its_comparisons_carry() -> None:
    table = ThresholdTable((Threshold(-1, fmr=1, n_impostor=1), Threshold(0.5, 1e-3, 3_000)))
    assert table.at_fmr(1e-3).similarity == 0.5


def extrapolated(**values: float) -> Threshold:
    fields = {"fmr": 1e-6, "n_impostor": 1_000_000, "n_false": 0, "fmr_by_tail": 2e-7} | values
    return Threshold(0.6, origin="a tail", **fields)  # type: ignore[arg-type]


def test_an_extrapolated_rate_says_so_and_reaches_a_tenth_of_a_comparison() -> None:
    point = extrapolated()
    assert point.extrapolated
    assert "1.0e-06 at most, 2.0e-07 by the fitted tail of 1,000,000" in str(point)
    assert ThresholdTable((point,)).at_fmr(1e-6) == point
    assert Threshold(**point.to_dict()) == point
    with pytest.raises(InputError, match=r"0\.1 / n_impostor"):
        ThresholdTable((extrapolated(fmr=9e-8, fmr_by_tail=1e-8),))
    with pytest.raises(InputError, match="rule of three"):
        ThresholdTable((Threshold(0.6, fmr=1e-6, n_impostor=1_000_000),))


def test_the_evidence_of_a_rate_must_go_together() -> None:
    with pytest.raises(InputError, match="fmr_by_tail must be 0 to fmr"):
        extrapolated(fmr_by_tail=2e-6)
    with pytest.raises(InputError, match="n_false must be 0 to n_impostor"):
        extrapolated(n_false=1_000_001)
    assert "n_false" not in Threshold(0.6, fmr=1e-3, n_impostor=10_000).to_dict()


def test_what_a_search_gives_is_told_in_words() -> None:
    assert str(SearchRates(0.01)).startswith("FPIR 0.01; nobody measured")
    rates = SearchRates(0.01, 0.018, 0.19, 0.46, "people of a set")
    assert (
        str(rates)
        == "FPIR 0.01 (at most 0.018); misses 19% (up to 46%) of the enrolled, people of a set"
    )


def test_a_raised_threshold_states_what_it_stated_and_ends_at_one() -> None:
    rule = Threshold(0.4, fmr=1e-3, n_impostor=10_000)
    raised = rule.raised(0.25)
    assert (raised.similarity, raised.fmr, raised.n_impostor) == (0.65, 1e-3, 10_000)
    assert rule.raised(0.9).similarity == 1.0
    assert rule.raised(0) == rule
    with pytest.raises(InputError, match="by must be"):
        rule.raised(-0.1)

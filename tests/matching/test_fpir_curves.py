import math

import numpy as np
import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.core.text import rounded_up
from vultus.matching.fpir_curves import FpirCurves, people_for_fpir, smallest_fpir
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel, RateSpread
from vultus.matching.stretch import Stretch

N_PEOPLE = 2000


def exponential(size: int, *, shift: float = 0.0, smallest: float) -> FpirCurve:
    """Comparisons whose tail is exp(-20 (t - shift)), N of them independent."""
    fpirs = np.geomspace(0.5, smallest, 40)
    rates = -np.expm1(np.log1p(-fpirs) / size)
    return FpirCurve(size, shift - np.log(rates) / 20, fpirs)


def level(photos: int, *, shift: float = 0.0, n_people: int = N_PEOPLE) -> PhotoLevel:
    pairs = n_people * (n_people - 1) / 2
    sizes = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    curves = [exponential(n, shift=shift, smallest=3 * n / pairs) for n in sizes if n < n_people]
    return PhotoLevel(photos, tuple(curves), n_people, n_people, 2 * n_people)


RATES = FpirCurves((level(1), level(3, shift=0.05)), "made up")


@pytest.mark.parametrize("size", [1, 3, 10, 70, 500, 1000, 4000])
def test_the_threshold_keeps_what_was_asked(size: int) -> None:
    rule = RATES.threshold(0.01, people_by_photos={1: size})
    true = -math.expm1(size * math.log1p(-math.exp(-20 * rule.similarity)))
    assert true == pytest.approx(0.01, rel=0.02)
    assert RATES.fpir(rule.similarity, people_by_photos={1: size}) == pytest.approx(0.01)
    assert rule.fmr == pytest.approx(math.exp(-20 * rule.similarity), rel=0.02)
    assert ("extrapolated from 1,000" in rule.origin) == (size > 1000)


def test_thresholds_rise_with_people_and_photos_and_mix_between() -> None:
    few, many, fused, mixed = (
        RATES.threshold(0.01, people_by_photos=people).similarity
        for people in ({1: 10}, {1: 100}, {2: 100}, {1: 50, 3: 50})
    )
    assert few < many < mixed < fused == pytest.approx(many + 0.05)
    # Half the people at each level: hazards add up.
    tail = 50 * math.exp(-20 * mixed) * (1 + math.exp(20 * 0.05))
    assert tail == pytest.approx(0.01, rel=0.02)


def test_a_level_that_happens_to_be_laxer_lowers_nothing() -> None:
    odd = FpirCurves((level(1), level(3, shift=-0.1)), "made up")
    rules = [odd.threshold(0.01, people_by_photos={k: 100}).similarity for k in (1, 3)]
    assert rules[0] == rules[1]


def test_where_few_people_had_so_many_photos_fewer_photos_stand_in() -> None:
    rates = FpirCurves((level(1), level(3, shift=0.05), level(10, n_people=40)), "made up")
    rule = rates.threshold(0.01, people_by_photos={1: 99, 10: 1})
    assert "more than 3 photo(s) each taken as 3" in rule.origin
    assert rule.similarity > RATES.threshold(0.01, people_by_photos={1: 100}).similarity


def test_a_claim_beyond_the_people_is_refused_with_their_number() -> None:
    # 3 / 0.001 strangers; 3 x 1,000,000 / 0.01 pairs.
    for fpir, size, needed in ((0.001, 10, "3,000"), (0.01, 1_000_000, "24,496")):
        with pytest.raises(CalibrationError, match=f"takes a calibration on {needed} people"):
            RATES.threshold(fpir, people_by_photos={1: size})
    with pytest.raises(CalibrationError, match=r"carry FPIR 0\.0015"):
        RATES.threshold(0.001, people_by_photos={1: 10})
    assert RATES.threshold(0.0015, people_by_photos={1: 10}).similarity > 0


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
@pytest.mark.parametrize("fpir", [0.5, 0.1, 0.06, 0.03, 1e-2, 1e-3, 1.7e-4])
def test_the_number_of_people_is_the_least_that_carries_the_rate(fpir: float, size: int) -> None:
    n = people_for_fpir(fpir, gallery_size=size)
    assert smallest_fpir(n, gallery_size=size) <= fpir * (1 + 1e-9)
    assert smallest_fpir(n - 1, gallery_size=size) > fpir


def test_so_many_people_carry_the_rate_that_is_said_to_be_theirs() -> None:
    for n in range(30, 400):
        for size in (1, 10, 77):
            reach = smallest_fpir(n, gallery_size=size)
            if reach < 0.9:
                assert people_for_fpir(reach, gallery_size=size) == n
                assert people_for_fpir(float(rounded_up(reach)), gallery_size=size) <= n
    assert smallest_fpir(1, gallery_size=1) == math.inf


def test_strangers_as_alike_as_one_person_are_named() -> None:
    heavy = FpirCurve(1, np.array([0.2, 0.9]), np.array([0.4, 0.02]))
    rates = FpirCurves((PhotoLevel(1, (heavy,), 2000, 2000, 4000),), "made up")
    with pytest.raises(CalibrationError, match="one person under two names"):
        rates.threshold(0.01, people_by_photos={1: 10})


def test_the_number_needed_is_the_least_that_satisfies_both_rules() -> None:
    for fpir, size in ((0.1, 3), (0.01, 100), (0.01, 4000), (0.3, 100_000)):
        n = people_for_fpir(fpir, gallery_size=size)
        rules = [(3 / k <= fpir and 3 / (k * (k - 1) / 2) <= fpir / size) for k in (n - 1, n)]
        assert rules == [False, True]


def test_nonsense_is_refused() -> None:
    for people in ({}, {0: 5}, {1: 0}):
        with pytest.raises(InputError):
            RATES.threshold(0.01, people_by_photos=people)
    with pytest.raises(InputError, match="fpir"):
        RATES.threshold(0, people_by_photos={1: 5})
    with pytest.raises(InputError, match="rising photos per person from 1"):
        FpirCurves((level(3),), "made up")
    with pytest.raises(InputError, match="rising similarities"):
        FpirCurve(3, np.array([0.5, 0.4]), np.array([0.2, 0.1]))
    with pytest.raises(InputError, match="rising sizes"):
        PhotoLevel(1, (), 5, 5, 5)


def test_a_spread_becomes_the_interval_of_single_photos_at_the_same_rate() -> None:
    spread = RateSpread(np.array([0.2, 0.6]), np.array([1.0, 0.6]), np.array([1.0, 3.0]))
    spread_rates = FpirCurves(RATES.levels, "made up", spread)
    single, fused = (spread_rates.threshold(0.01, people_by_photos={k: 100}) for k in (1, 3))
    ends = spread_rates.interval(0.01, gallery_size=100)
    assert ends is not None
    low, high = spread.factors(single.similarity)
    hazard = -math.log1p(-0.01)
    assert ends == pytest.approx((-math.expm1(-low * hazard), -math.expm1(-high * hazard)))
    assert single.search is not None
    assert fused.search is not None
    assert single.search.fpir_high == fused.search.fpir_high == pytest.approx(ends[1])
    assert RATES.interval(0.01, gallery_size=100) is None
    with pytest.raises(InputError, match="highs at least 1"):
        RateSpread(np.array([0.2]), np.array([0.5]), np.array([0.9]))


def test_a_followed_tail_carries_thirty_times_more_and_no_more() -> None:
    assert people_for_fpir(0.01, gallery_size=10_000, least_pairs=0.1) == 448
    smallest = 0.1 * 2 / (N_PEOPLE * (N_PEOPLE - 1))
    curves = tuple(exponential(n, smallest=n * smallest) for n in (1, 1000))
    longer = PhotoLevel(1, curves, N_PEOPLE, N_PEOPLE, N_PEOPLE)
    followed = FpirCurves((longer,), "made up", None, 0.1)
    words = "by a tail fitted beyond what is counted"
    assert words in followed.threshold(0.01, people_by_photos={1: 10_000}).origin
    assert words not in followed.threshold(0.01, people_by_photos={1: 1_000}).origin
    with pytest.raises(CalibrationError, match="takes a calibration on 24,496 people"):
        RATES.threshold(0.01, people_by_photos={1: 1_000_000})
    with pytest.raises(CalibrationError, match="takes a calibration on 4,473 people"):
        followed.threshold(0.01, people_by_photos={1: 1_000_000})
    # To give three of four strangers a name is no advice.
    for size, advised in ((5_000_000, True), (15_000_000, False)):
        with pytest.raises(CalibrationError, match="takes a calibration on") as refused:
            followed.threshold(0.01, people_by_photos={1: size})
        assert ("ask for that" in str(refused.value)) == advised


@pytest.mark.parametrize("fpir", [5e-324, 1e-310, 1e-300, 1e-160, 1e-17])
@pytest.mark.parametrize("size", [1, 10**6])
def test_the_smallest_rates_are_refused_like_small_ones(fpir: float, size: int) -> None:
    with pytest.raises(CalibrationError, match="takes a calibration on"):
        RATES.threshold(fpir, people_by_photos={1: size})


def test_as_many_photos_as_nobody_measured_are_taken_as_the_next_more() -> None:
    stretches = tuple(Stretch(k, 1, 1 + k / 100, 1.0, 1.2, 100 + k) for k in (1, 2, 3, 5))
    curve = FpirCurve(10, np.array([0.1, 0.5, 0.9]), np.array([0.5, 1e-2, 1e-6]))
    curves = FpirCurves((PhotoLevel(1, (curve,), 10, 10, 100),), "made up", stretches=stretches)
    four = curves.for_probes(4)
    assert "4 photos of the probe taken as 5 fused, as of 105 people" in four.origin
    five = curves.for_probes(5)
    np.testing.assert_array_equal(
        four.levels[0].curves[0].similarities, five.levels[0].curves[0].similarities
    )

import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import Threshold
from vultus.matching.stretch import ONE_PHOTO_EACH, Stretch, Stretches, stretch_of


def stretch(k: int, m: int, factor: float) -> Stretch:
    return Stretch(k, m, factor, factor - 0.01, factor + 0.02, 50)


KNOWN = (
    Stretch(1, 1, 1.0, 1.0, 1.0, 90),
    stretch(1, 3, 1.05),
    stretch(3, 1, 1.06),
    stretch(3, 3, 1.15),
)
RULE = Threshold(0.4, 1e-3, 10_000, "counted")


@pytest.mark.parametrize(
    ("photos", "factor"), [((1, 1), 1.0), ((1, 2), 1.05), ((2, 1), 1.06), ((2, 9), 1.15)]
)
def test_what_was_not_measured_counts_as_the_next_more(
    photos: tuple[int, int], factor: float
) -> None:
    found = stretch_of(KNOWN, photos_per_probe=photos[0], photos_per_person=photos[1])
    assert found is not None
    assert found.factor == factor


def test_single_photos_need_no_measurement() -> None:
    assert stretch_of((), photos_per_probe=1, photos_per_person=1) is ONE_PHOTO_EACH
    assert stretch_of((), photos_per_probe=1, photos_per_person=2) is None


def test_the_sites_own_measurement_comes_first_where_it_has_photos_enough() -> None:
    site = (KNOWN[0], stretch(2, 1, 1.5))
    both = Stretches(site, KNOWN)
    assert both.of_probes(1) is site
    assert both.of_probes(2) is site
    assert both.of_probes(3) is KNOWN
    assert Stretches(KNOWN, site).of_probes(9) is KNOWN
    assert Stretches((), KNOWN).of_probes(2) is KNOWN


def test_a_rule_is_raised_by_the_upper_end_and_says_so() -> None:
    raised = Stretches((), KNOWN).raised(RULE, photos_per_probe=3, photos_per_person=3)
    assert raised.similarity == pytest.approx(0.4 * 1.17)
    assert (raised.fmr, raised.n_impostor) == (RULE.fmr, RULE.n_impostor)
    assert "raise it by 1.150 (taken as 1.170, the upper end), measured on 50" in raised.origin
    below = Threshold(-0.1, 0.5, 10_000, "counted")
    rule = Stretches(KNOWN).raised(below, photos_per_probe=1, photos_per_person=3)
    assert rule.similarity == pytest.approx(-0.1 / 1.07)


def test_what_nobody_measured_is_refused_or_said() -> None:
    nothing = Stretches()
    assert nothing.raised(RULE, photos_per_probe=1, photos_per_person=1) is RULE
    rule = nothing.raised(RULE, photos_per_probe=1, photos_per_person=4)
    assert rule.similarity == RULE.similarity
    assert "4 enrolled ones fused not measured" in rule.origin
    with pytest.raises(CalibrationError, match=r"nobody measured .* 2 photos fused"):
        nothing.raised(RULE, photos_per_probe=2, photos_per_person=1)
    high = Threshold(0.99, 1e-3, 10_000, "counted")
    with pytest.raises(CalibrationError, match="no similarity is high enough"):
        Stretches(KNOWN).raised(high, photos_per_probe=3, photos_per_person=3)


@pytest.mark.parametrize("ends", [(0.9, 0.8, 1.0), (1.2, 1.1, 1.15), (1.1, 1.2, 1.3)])
def test_ends_must_be_around_the_factor(ends: tuple[float, float, float]) -> None:
    factor, low, high = ends
    with pytest.raises(InputError, match="low <= factor <= high"):
        Stretch(2, 1, factor, low, high, 50)

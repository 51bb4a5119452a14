from tests.evaluation.report.group_figures import figures

from vultus.evaluation.measures.differentials import Differential
from vultus.evaluation.measures.intervals import rate_interval
from vultus.evaluation.protocols.groups.figures import RateFigures
from vultus.evaluation.report.group_tables import (
    differential_lines,
    needed_words,
    photo_words,
    rate_words,
    ratio_words,
    shown_target,
)


def _rate(rate: float | None, n_errors: int, n: int) -> RateFigures:
    interval = rate_interval(n_errors, n) if n else None
    return RateFigures(rate=rate, interval=interval, n_errors=n_errors, n=n)


def test_rates_in_words() -> None:
    assert rate_words(_rate(0.0012, 12, 10_000)) == "1.2e-3"
    assert rate_words(_rate(0.0344, 344, 10_000), percent=True) == "3.4 %"
    assert rate_words(_rate(None, 0, 1000)) == "< 3e-3"
    # Two errors leave more open than none.
    assert rate_words(_rate(None, 2, 1000)) == "< 7.3e-3"
    assert rate_words(_rate(None, 0, 2)) == "not measurable"
    assert rate_words(_rate(None, 0, 0)) == rate_words(None) == "\N{EN DASH}"


def test_ratios_in_words() -> None:
    assert ratio_words(Differential(8.72, 7.4, 10.5)) == "8.72 (7.4 to 10.5)"
    assert ratio_words(Differential(8.72, 7.4)) == "8.72 (7.4 or more)"
    assert ratio_words(Differential(8.72)) == "8.72"
    assert ratio_words(Differential(None)) == "not measurable"


def test_lines_name_the_groups_that_lie_apart_most() -> None:
    lines = dict(differential_lines(figures()))
    assert "highest (west) over lowest (<b>east</b>)" in lines["FMR differential"]
    assert "1 not measurable and left out" in lines["FMR differential"]
    assert "faces refused" not in lines  # nobody was


def test_what_a_group_would_need() -> None:
    made = figures()
    assert shown_target(made) == 1e-3
    cells = {cell.name: cell for cell in made.cells}
    assert needed_words(cells["north"], 1e-2) == ("not measurable", "")
    value, ends = needed_words(cells["west"], 1e-2)
    low, high = map(float, ends.split(" to "))
    assert low <= float(value) <= high
    assert photo_words(made) == "123 photos, 63 people, 3 groups"

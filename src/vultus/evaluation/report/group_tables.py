"""An evaluation of groups as words and cells of tables: the terminal and the page have them."""

from collections.abc import Iterator

from vultus.evaluation.measures.differentials import Differential
from vultus.evaluation.measures.intervals import Interval
from vultus.evaluation.protocols.groups.cautious import worst_groups
from vultus.evaluation.protocols.groups.figures import (
    DifferentialFigures,
    GroupCell,
    GroupFigures,
    RateFigures,
)

NOTHING = "\N{EN DASH}"
UNMEASURABLE = "not measurable"


def rate_words(figure: RateFigures | None, *, percent: bool = False) -> str:
    """A rate: ``1.2e-3`` or ``3.4 %``, and a dash for no comparison.

    One that is not measurable is below the upper end of its interval: 3 / n without any error,
    more with one or two.
    """
    if figure is None or not figure.n:
        return NOTHING
    if figure.rate is None:
        high = 1.0 if figure.interval is None else figure.interval.high
        return UNMEASURABLE if high >= 1 else f"< {number_words(high, percent=percent)}"
    return number_words(figure.rate, percent=percent)


def interval_words(interval: Interval | None, *, percent: bool = False) -> str:
    """Both ends of an interval, ``1.0e-3 to 1.4e-3``."""
    if interval is None:
        return NOTHING
    ends = (number_words(end, percent=percent) for end in (interval.low, interval.high))
    return " to ".join(ends)


def number_words(value: float, *, percent: bool = False) -> str:
    """A rate as tables have it: two digits, and no more of an exponent than it needs.

    Example:
        >>> number_words(0.00123), number_words(1e-3)
        ('1.2e-3', '1e-3')
        >>> number_words(0.0344, percent=True), number_words(1, percent=True)
        ('3.4 %', '100 %')
    """
    if percent:
        return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.2g} %"
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(power)}" if value else "0"


def needed_words(cell: GroupCell, target: float) -> tuple[str, str]:
    """The threshold that a group would need, and its interval."""
    for figure in cell.needed:
        if figure.target_fmr == target:
            if figure.threshold is None:
                return UNMEASURABLE, ""
            ends = figure.interval
            return (
                f"{figure.threshold:.3f}",
                "" if ends is None else f"{ends.low:.3f} to {ends.high:.3f}",
            )
    return NOTHING, ""


def shown_target(figures: GroupFigures) -> float:
    """The rate of which tables tell the threshold that a group would need."""
    rates = [figure.target_fmr for cell in figures.cells[:1] for figure in cell.needed]
    asked = figures.target_fmr
    return asked if asked is not None else min(rates, key=lambda rate: abs(rate - 1e-3))


def photo_words(figures: GroupFigures) -> str:
    """How many photos of whom there were, and which were left out."""
    told = f"{figures.n_photos:,} photos, {figures.n_people:,} people, {len(figures.cells)} groups"
    out = [
        f"{count:,} {words}"
        for count, words in (
            (figures.filtered, "left out by a filter"),
            (figures.unlabelled, "without a label"),
        )
        if count
    ]
    return f"{told}; {', '.join(out)}" if out else told


def differential_lines(figures: GroupFigures) -> Iterator[tuple[str, str]]:
    """What lies apart how far: name and words, a line a kind of error."""
    for name, found in (
        ("FMR differential", figures.fmr_differentials),
        ("FNMR differential", figures.fnmr_differentials),
    ):
        if found is not None:
            yield name, _differential_words(found)
    for name, found in (
        ("photos without a face", figures.no_face_differentials),
        ("faces refused", figures.refused_differentials),
    ):
        # Where hardly any is lost there is nothing to compare.
        if found is not None and found.n_groups > 1:
            yield name, _differential_words(found)
    if figures.garbe is not None:
        yield "GARBE, half FMR and half FNMR", ratio_words(figures.garbe)


def _differential_words(found: DifferentialFigures) -> str:
    left = f"; {found.n_left_out} not measurable and left out" if found.n_left_out else ""
    if found.max_over_min is None or found.max_over_geometric_mean is None or found.gini is None:
        return f"not measurable: a rate is known of {found.n_groups} of the groups{left}"
    return (
        f"highest ({found.highest}) over lowest ({found.lowest}) "
        f"{ratio_words(found.max_over_min)}, over the geometric mean "
        f"{ratio_words(found.max_over_geometric_mean)}, Gini {ratio_words(found.gini)}; "
        f"{found.n_groups} groups{left}"
    )


def cautious_lines(figures: GroupFigures) -> Iterator[str]:
    """Of each rate, the threshold that holds inside the worst group."""
    for found in worst_groups([figures]):
        small = found.n_too_small
        left = f"; {small} {'is' if small == 1 else 'are'} too small to say" if small else ""
        yield (
            f"FMR {number_words(found.target_fmr)} inside each of {found.n_groups} groups takes a "
            f"threshold of {found.threshold:.4f} ({found.name}){left}"
        )


def ratio_words(found: Differential) -> str:
    """A number with its interval, ``8.7 (7.1 to 11)``."""
    if found.value is None:
        return UNMEASURABLE
    value = f"{found.value:.3g}"
    if found.low is None:
        return value
    return (
        f"{value} ({found.low:.3g} {'or more' if found.high is None else f'to {found.high:.3g}'})"
    )

"""From counts by pairs of cells to rates, matrices and differentials."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.thresholds import smallest_claim
from vultus.evaluation.measures.differentials import (
    Differential,
    differential,
    garbe,
    gini,
    max_over_geometric_mean,
    max_over_min,
)
from vultus.evaluation.measures.group_pairs import (
    Came,
    CellFaces,
    GroupCounts,
    GroupImpostors,
    threshold_for_share,
)
from vultus.evaluation.measures.intervals import percentile_interval, rate_interval
from vultus.evaluation.protocols.groups.figures import (
    DifferentialFigures,
    GroupMatrix,
    NeededFigures,
    RateFigures,
)
from vultus.evaluation.protocols.groups.labels import JOIN, Cells

LEAST_ERRORS = 3
"""A rate below 3 / n is not measurable (the rule of three)."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Errors and trials of g things, as found and in b draws of people.

    Attributes:
        errors: (g,) int64.
        trials: (g,) int64.
        error_draws: (b, g) float64.
        trial_draws: (b, g) float64.
    """

    errors: Ints
    trials: Ints
    error_draws: Floats
    trial_draws: Floats

    def rate(self, place: int) -> RateFigures:
        """One rate with its interval: by draws, or the rule of three where it is below 3 / n."""
        n_errors, n = int(self.errors[place]), int(self.trials[place])
        if not n:
            return RateFigures(rate=None, interval=None, n_errors=0, n=0)
        errors, trials = self.error_draws[:, place], self.trial_draws[:, place]
        known = errors[trials > 0] / trials[trials > 0]
        few = n_errors < LEAST_ERRORS
        # Nothing but errors leaves draws nothing to vary.
        sure = few or n_errors == n or not len(known)
        interval = rate_interval(n_errors, n) if sure else percentile_interval(known)
        found = None if few else n_errors / n
        return RateFigures(rate=found, interval=interval, n_errors=n_errors, n=n)

    def rates(self) -> list[RateFigures]:
        """All of them."""
        return [self.rate(place) for place in range(len(self.errors))]

    def draws_of(self, places: Sequence[int]) -> Floats:
        """(b, places) float64 rates; nan where a draw held nothing to compare."""
        chosen = list(places)
        errors, trials = self.error_draws[:, chosen], self.trial_draws[:, chosen]
        drawn = np.full(errors.shape, np.nan)
        np.divide(errors, trials, out=drawn, where=trials > 0)
        return drawn


def summed(counts: GroupCounts, masks: Sequence[Mask]) -> Counted:
    """Counts of sums of pairs of cells.

    Args:
        counts: Of all pairs of cells.
        masks: (g, g) bool each; a pair of cells counts once, whichever of its places are set.
    """
    halves = [np.triu(mask | mask.T) for mask in masks]
    return Counted(
        np.array([counts.errors[half].sum() for half in halves], np.int64),
        np.array([counts.trials[half].sum() for half in halves], np.int64),
        np.stack([counts.error_draws[:, half].sum(axis=1) for half in halves], axis=1),
        np.stack([counts.trial_draws[:, half].sum(axis=1) for half in halves], axis=1),
    )


def inside(counts: GroupCounts) -> Counted:
    """Counts inside each cell."""
    return Counted(
        np.diagonal(counts.errors),
        np.diagonal(counts.trials),
        np.diagonal(counts.error_draws, axis1=1, axis2=2),
        np.diagonal(counts.trial_draws, axis1=1, axis2=2),
    )


def shares(photos: CellFaces, hit: Mask, came: Came) -> Counted:
    """How many photos of each cell something holds for.

    Args:
        photos: Whose and where.
        hit: (n,) bool.
        came: (p, b) of `draw_people`.
    """
    g, cells = photos.n_cells, photos.cells
    draws = np.zeros((2, came.shape[1], g))
    for draw in range(came.shape[1]):
        times = came[photos.people, draw]
        draws[0, draw] = np.bincount(cells, times * hit, minlength=g)
        draws[1, draw] = np.bincount(cells, times, minlength=g)
    found, n = np.bincount(cells[hit], minlength=g), np.bincount(cells, minlength=g)
    return Counted(found.astype(np.int64), n.astype(np.int64), draws[0], draws[1])


def matrices(cells: Cells, fmr: GroupCounts, fnmr: GroupCounts | None) -> Iterator[GroupMatrix]:
    """All cells against all, and each column's values against each other with the others equal."""
    crossed = len(cells.by) > 1
    yield _matrix(" x ".join(cells.by), cells.names, np.arange(len(cells.names)), None, fmr, fnmr)
    for place, column in enumerate(cells.by if crossed else ()):
        values = cells.axes[place]
        own = np.array([values.index(cell[place]) for cell in cells.values])
        others = [JOIN.join(v for k, v in enumerate(cell) if k != place) for cell in cells.values]
        rest = np.unique(others, return_inverse=True)[1]
        yield _matrix(f"{column}, all else equal", values, own, rest, fmr, fnmr)


def _matrix(
    title: str,
    values: tuple[str, ...],
    own: Ints,
    rest: Ints | None,
    fmr: GroupCounts,
    fnmr: GroupCounts | None,
) -> GroupMatrix:
    """Cells of one value against cells of another; ``rest`` must be the same in both."""
    like = np.ones((len(own), len(own)), np.bool_) if rest is None else rest[:, None] == rest
    pairs = [(a, b) for a in range(len(values)) for b in range(a, len(values))]
    masks = [like & np.logical_and.outer(own == a, own == b) for a, b in pairs]

    def table(counts: GroupCounts) -> tuple[tuple[RateFigures, ...], ...]:
        rates = dict(zip(pairs, summed(counts, masks).rates(), strict=True))
        n = range(len(values))
        return tuple(tuple(rates[min(a, b), max(a, b)] for b in n) for a in n)

    return GroupMatrix(
        title=title,
        values=values,
        fmr=table(fmr),
        fnmr=None if fnmr is None else table(fnmr),
    )


def needed(
    impostors: GroupImpostors, cell: int, targets: Sequence[float], people: Ints, came: Came
) -> Iterator[NeededFigures]:
    """The threshold that one cell would need, at each rate.

    Args:
        impostors: Of all cells.
        cell: Which.
        targets: Rates in (0, 1).
        people: (n,) int64, whose each face is that was compared.
        came: (p, b) of `draw_people`.
    """
    scores = impostors.inside[cell]
    for target in targets:
        # A cell with fewer comparisons than 3 / rate cannot say that it keeps the rate.
        if not len(scores) or target < smallest_claim(len(scores)) * (1 - 1e-9):
            yield NeededFigures(
                target_fmr=target, threshold=None, interval=None, n_impostor=len(scores)
            )
            continue
        trials = impostors.counts.trial_draws[:, cell, cell]
        value, draws = threshold_for_share(scores, target, people=people, came=came, trials=trials)
        known = draws[~np.isnan(draws)]
        yield NeededFigures(
            target_fmr=target,
            threshold=value,
            interval=percentile_interval(known) if len(known) else None,
            n_impostor=len(scores),
        )


def differentials(names: Sequence[str], counted: Counted) -> DifferentialFigures:
    """How far the rates of the groups lie apart; groups without a measurable rate are left out."""
    rates = {k: figure.rate for k, figure in enumerate(counted.rates()) if figure.rate is not None}
    left_out = len(names) - len(rates)
    if len(rates) < 2:
        return DifferentialFigures(n_groups=len(rates), n_left_out=left_out)
    found, draws = np.array(list(rates.values())), [counted.draws_of(list(rates))]
    return DifferentialFigures(
        n_groups=len(rates),
        n_left_out=left_out,
        lowest=names[min(rates, key=lambda place: rates[place])],
        highest=names[max(rates, key=lambda place: rates[place])],
        max_over_min=differential(max_over_min, [found], draws=draws),
        max_over_geometric_mean=differential(max_over_geometric_mean, [found], draws=draws),
        gini=differential(gini, [found], draws=draws),
    )


def joint_differential(fmr: Counted, fnmr: Counted) -> Differential | None:
    """GARBE of both kinds of error; None where either is measurable in fewer than two groups."""
    found, drawn = [], []
    for counted in (fmr, fnmr):
        rates = {k: f.rate for k, f in enumerate(counted.rates()) if f.rate is not None}
        if len(rates) < 2:
            return None
        found.append(np.array(list(rates.values())))
        drawn.append(counted.draws_of(list(rates)))
    return differential(garbe, found, draws=drawn)


def everybody(counts: GroupCounts) -> RateFigures:
    """Every pair of cells, each counted once."""
    return summed(counts, [np.ones(counts.errors.shape, np.bool_)]).rate(0)


def same_group(counts: GroupCounts) -> RateFigures:
    """Pairs of one cell only, all cells together."""
    return summed(counts, [np.eye(len(counts.errors), dtype=np.bool_)]).rate(0)

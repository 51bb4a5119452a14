"""Cautious thresholds: those that hold inside the worst group that was measured."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.evaluation.protocols.groups.figures import GroupFigures

_DIGITS = 10**4


@dataclass(frozen=True, slots=True)
class WorstGroup:
    """The group that needs the highest threshold for a rate.

    Attributes:
        target_fmr: The rate, inside the group.
        name: Of the group.
        threshold: That it needs.
        n_impostor: Comparisons inside the group.
        n_groups: Groups that were measured at this rate.
        n_too_small: Groups that cannot carry the rate (3 / n), of which nothing is known.
    """

    target_fmr: float
    name: str
    threshold: float
    n_impostor: int
    n_groups: int
    n_too_small: int


def worst_groups(evaluations: Sequence[GroupFigures]) -> Iterator[WorstGroup]:
    """Of each rate that a group carries, the group that needs the highest threshold; laxest first.

    Args:
        evaluations: Of one model, of as many groupings as one likes: by sex and origin, by age.

    Raises:
        InputError: If they are of different models, or there is none.
    """
    if len({figures.model for figures in evaluations}) != 1:
        raise InputError("cautious thresholds need evaluations of one model, got none or several")
    cells = [cell for figures in evaluations for cell in figures.cells]
    targets = {needed.target_fmr for cell in cells for needed in cell.needed}
    for target in sorted(targets, reverse=True):
        asked = [(c.name, n) for c in cells for n in c.needed if n.target_fmr == target]
        known = [(n.threshold, name, n) for name, n in asked if n.threshold is not None]
        if known:
            threshold, name, needed = max(known, key=lambda one: one[0])
            yield WorstGroup(
                target, name, threshold, needed.n_impostor, len(known), len(asked) - len(known)
            )


def cautious_thresholds(
    evaluations: Sequence[GroupFigures], *, fmrs: Sequence[float], origin: str
) -> ThresholdTable:
    """The table that a model's card holds as ``cautious``.

    Args:
        evaluations: As `worst_groups`.
        fmrs: Which rates; leave those away that copies of one person in the data spoil.
        origin: Of which people, and when, in words; the worst group is put before it.

    Raises:
        InputError: As `worst_groups`, or if no group carries one of the rates.
    """
    worst = {found.target_fmr: found for found in worst_groups(evaluations)}
    points = []
    for fmr in fmrs:
        if fmr not in worst:
            raise InputError(
                f"no group carries FMR {fmr:.3g}; known are "
                f"{', '.join(f'{rate:.3g}' for rate in worst)}"
            )
        found = worst[fmr]
        # Rounded up: who reads the card decides no laxer than was measured.
        similarity = math.ceil(found.threshold * _DIGITS) / _DIGITS
        told = f"inside the worst of {found.n_groups} groups ({found.name}), {origin}"
        points.append(Threshold(similarity, fmr, found.n_impostor, told))
    return ThresholdTable(tuple(points))

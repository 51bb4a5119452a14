"""Error rates of groups of people at one fixed threshold, and how far apart they are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import Interval, percentile_interval
from vultus.evaluation.measures.rates import OperatingPoint


@dataclass(frozen=True, slots=True)
class GroupRates:
    """One operating point a group, all at the same threshold.

    Attributes:
        points: Group name -> rates, counts and intervals.
        threshold: The threshold.
    """

    points: Mapping[str, OperatingPoint]
    threshold: float

    @property
    def fmr_ratio(self) -> float | None:
        """Highest FMR over the geometric mean of all; 1 = all alike.

        None where a group shows no false match: its rate is then only known to be below 3 / n
        and there is no mean to divide by.
        """
        return _max_over_geometric_mean([point.fmr for point in self.points.values()])

    @property
    def fnmr_ratio(self) -> float | None:
        """Highest FNMR over the geometric mean of all; None where a group shows no error."""
        return _max_over_geometric_mean([point.fnmr for point in self.points.values()])

    def to_dict(self) -> dict[str, Any]:
        """Groups and ratios, fit for JSON."""
        return {
            "threshold": self.threshold,
            "groups": {name: point.to_dict() for name, point in self.points.items()},
            "fmr_ratio": self.fmr_ratio,
            "fnmr_ratio": self.fnmr_ratio,
        }


def group_rates(
    genuine: npt.NDArray[Any],
    impostor: npt.NDArray[Any],
    *,
    genuine_groups: npt.NDArray[Any],
    impostor_groups: npt.NDArray[Any],
    threshold: float,
) -> GroupRates:
    """FMR and FNMR of each group at a threshold that is the same for all.

    Args:
        genuine: (g,) floating scores; ``-inf`` for a comparison that failed.
        impostor: (i,) floating scores of pairs of people of ONE group; comparisons across groups
            are easier and hide the difference.
        genuine_groups: (g,) group of each genuine pair.
        impostor_groups: (i,) group of each impostor pair.
        threshold: Match at or above.

    Raises:
        InputError: If lengths differ, or a group has no genuine or no impostor comparison.

    Source:
        P. Grother, NISTIR 8429, 2022 (maximum over geometric mean).
    """
    check_range("threshold", threshold)
    for name, scores, groups in (
        ("genuine", genuine, genuine_groups),
        ("impostor", impostor, impostor_groups),
    ):
        if scores.shape != groups.shape or scores.ndim != 1:
            raise InputError(
                f"{name} scores and groups must be equally long, "
                f"got {scores.shape} and {groups.shape}"
            )
    points = {}
    for name in np.union1d(genuine_groups, impostor_groups):
        own, others = genuine[genuine_groups == name], impostor[impostor_groups == name]
        if not len(own) or not len(others):
            raise InputError(
                f"group {str(name)!r} needs genuine and impostor comparisons, "
                f"got {len(own)} and {len(others)}"
            )
        points[str(name)] = OperatingPoint(
            threshold,
            int((others >= threshold).sum()),
            int((own >= threshold).sum()),
            len(own),
            len(others),
        )
    return GroupRates(points, threshold)


def ratio_interval(
    draws: Mapping[str, npt.NDArray[np.float64]], *, level: float = 0.95
) -> Interval:
    """Interval of the highest rate over the geometric mean of all groups.

    Args:
        draws: Group name -> (b,) float64 rates of `bootstrap_draws` on the comparisons of that
            group. People of different groups are drawn independently.
        level: Confidence level in (0, 1).

    Returns:
        The interval; its upper end is ``inf`` where groups are drawn without any error.

    Raises:
        InputError: If there is no group.
    """
    if not draws:
        raise InputError("ratio_interval needs at least one group, got none")
    n = min(len(rates) for rates in draws.values())
    table = np.stack([rates[:n] for rates in draws.values()])
    ratios = [_max_over_geometric_mean(column.tolist()) for column in table.T]
    values = np.array([math.inf if ratio is None else ratio for ratio in ratios])
    return percentile_interval(values, level=level)


def _max_over_geometric_mean(rates: list[float]) -> float | None:
    if not rates or min(rates) == 0:
        return None
    return float(max(rates) / np.exp(np.mean(np.log(rates))))

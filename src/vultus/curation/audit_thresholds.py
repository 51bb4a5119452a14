"""The similarities at which an audit decides, each with the false match rate behind it."""

from dataclasses import dataclass
from typing import Any

from vultus.core.checks import check_range
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.matching.operating_point import threshold_for_fpir

__all__ = ["AuditThresholds", "audit_thresholds"]

SAME_FMR = 1e-2
UNLIKE_FMR = 1e-1


@dataclass(frozen=True, slots=True)
class AuditThresholds:
    """What is alike and what is not, by this model.

    Attributes:
        same: Images of one identity hang together at this mean similarity (FMR 1e-2): a low bar,
            because they are said to be one person.
        unlike: Below it, an image or a group has nothing of its identity (FMR 1e-1: one pair of
            strangers in ten is more alike).
        match: Two who are said to be different are one person from here on: FPIR at most ``fpir``
            among all identities.
        fpir: As asked for; None where the table does not reach it and ``match`` is its strictest.
    """

    same: Threshold
    unlike: Threshold
    match: Threshold
    fpir: float | None

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        rules = {"same": self.same, "unlike": self.unlike, "match": self.match}
        return {**{name: rule.to_dict() for name, rule in rules.items()}, "fpir": self.fpir}


def audit_thresholds(
    table: ThresholdTable, *, n_identities: int, fpir: float = 0.01
) -> AuditThresholds:
    """Choose the thresholds for a data set of this many identities.

    Args:
        table: Measured thresholds of the model; not empty.
        n_identities: How many identities an image is compared with.
        fpir: Chance in (0, 1) that an image of nobody here is taken for somebody.

    Raises:
        CalibrationError: If the table has no threshold at FMR 1e-2.
        InputError: If a number is out of range.
    """
    check_range("fpir", fpir, low=0, high=1, low_open=True, high_open=True)
    same = table.at_fmr(SAME_FMR)
    try:
        match = threshold_for_fpir(table, fpir=fpir, gallery_size=n_identities)
        reached: float | None = fpir
    except CalibrationError:
        match, reached = table.points[-1], None
    match = max(match, same, key=lambda rule: rule.similarity)
    return AuditThresholds(same, table.at_fmr(UNLIKE_FMR), match, reached)

"""The similarities at which an audit decides, each with the false match rate behind it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.curation.audit.identity_groups import FALLBACK_RATIO, alike_identities, group_identities
from vultus.evaluation.measures.allpairs import all_pairs
from vultus.evaluation.measures.rates import operating_point
from vultus.matching.operating_point import threshold_for_fpir

SAME_FMR = 1e-2
_UNLIKE_FMR = 1e-1
_MEASURED_FMR = tuple(base * 10.0**-power for power in range(1, 6) for base in (1.0, 0.5, 0.2))
_LEAST_FALSE_MATCHES = 10
_MAX_MEASURED = 20_000


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
    return AuditThresholds(same, table.at_fmr(_UNLIKE_FMR), match, reached)


def measured_table(embeddings: Embeddings, labels: npt.NDArray[np.int64]) -> ThresholdTable:
    """Measure thresholds on pairs of different identities of the data set.

    Its errors would raise them. So this is done twice: with all images for FMR 1e-2, which few
    errors cannot move much; then without the images outside of their identity's core, and with
    identities that are as alike across as within taken for one. What errors are left make the
    thresholds of low rates too strict, not too lax.

    Args:
        embeddings: Of labelled images; of more than 20,000 an even sample is compared.
        labels: (n,) int64, their identities.

    Raises:
        InputError: If there are fewer than two images, no two of one identity, or one identity.
    """
    check_positive_int("images", len(embeddings), minimum=2)
    chosen = np.unique(np.linspace(0, len(embeddings) - 1, _MAX_MEASURED).astype(np.int64))
    faces = embeddings[chosen]
    owners = np.unique(labels[chosen], return_inverse=True)[1].astype(np.int64)
    rough = _measured(faces, owners)
    if not rough.points:
        return rough
    same = next((p for p in rough.points if (p.fmr or 0) <= SAME_FMR), rough.points[-1])
    groups = group_identities(faces, owners, n_identities=int(owners.max()) + 1, threshold=same)
    people = np.arange(int(owners.max()) + 1)
    for pair in alike_identities(
        faces.vectors, groups, threshold=same.similarity, ratio=FALLBACK_RATIO
    ):
        people[people == people[pair.second]] = people[pair.first]
    core = np.flatnonzero(groups.groups == 0)
    return _measured(faces[core], people[owners[core]])


def _measured(embeddings: Embeddings, labels: npt.NDArray[np.int64]) -> ThresholdTable:
    curve = all_pairs(embeddings, identities=labels).curve()
    points = {}
    for fmr in _MEASURED_FMR:
        if fmr * curve.n_impostor < _LEAST_FALSE_MATCHES:
            break
        with suppress(CalibrationError):
            point = operating_point(curve, fmr=fmr)
            points[point.threshold] = point.to_threshold("different labels of this data set")
    return ThresholdTable(tuple(points.values()))

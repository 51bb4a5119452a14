"""Thresholds for a model without any: measured on the data set under audit, errors kept out."""

from contextlib import suppress

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import ThresholdTable
from vultus.curation.alike import FALLBACK_RATIO, alike_identities
from vultus.curation.audit_thresholds import SAME_FMR
from vultus.curation.identity_groups import group_identities
from vultus.evaluation.allpairs import all_pairs
from vultus.evaluation.rates import operating_point

__all__ = ["measured_table"]

_MEASURED_FMR = tuple(base * 10.0**-power for power in range(1, 6) for base in (1.0, 0.5, 0.2))
_LEAST_FALSE_MATCHES = 10
_MAX_MEASURED = 20_000


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

"""Wrong labels, strangers, and identities that are two people: found by embeddings alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.curation.audit_thresholds import AuditThresholds
from vultus.curation.identity_groups import IdentityGroups, normalised_mean
from vultus.curation.streams import BestOthers, best_others

__all__ = [
    "LabelFaults",
    "SplitGroup",
    "label_faults",
]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SplitGroup:
    """Images of an identity that seem to be another person's.

    Attributes:
        label: The identity.
        rows: (g,) int64, the images, at least two.
        similarity: Cosine of their centre to the identity's.
    """

    label: int
    rows: Ints
    similarity: float


@dataclass(frozen=True, slots=True, eq=False)
class LabelFaults:
    """What is wrong with the labels; an image is in one of the three at most.

    Attributes:
        moves: (m,) int64, rows that belong to another identity.
        strangers: (s,) int64, rows that belong to none that is here.
        splits: Groups of images that are a person of their own.
        others: The other identity that each image is most like.
    """

    moves: Ints
    strangers: Ints
    splits: tuple[SplitGroup, ...]
    others: BestOthers


def label_faults(
    vectors: Floats,
    groups: IdentityGroups,
    thresholds: AuditThresholds,
    *,
    merged: set[frozenset[int]],
) -> LabelFaults:
    """Judge every image that is not in the core of its identity.

    - It belongs to another identity if that one's centre is at least ``match`` and more like it
      than its own identity's centre.
    - Else, if it forms a group of two or more images whose centre is below ``unlike`` to the
      core's, the group is a person of its own.
    - Else, if it is below ``unlike`` to the core, it is a stranger.

    Args:
        vectors: (n, d) float32, unit rows.
        groups: Of them.
        thresholds: See `AuditThresholds`.
        merged: Pairs of identities that are one person: being like the other is then no fault.
    """
    others = best_others(vectors, groups.centres, own=groups.labels)
    outside = groups.groups > 0
    own = np.where(np.isnan(groups.own), -np.inf, groups.own)
    elsewhere = outside & (others.similarities >= thresholds.match.similarity)
    elsewhere &= others.similarities > own
    for row in np.flatnonzero(elsewhere):
        if frozenset((int(groups.labels[row]), int(others.labels[row]))) in merged:
            elsewhere[row] = False
    unexplained = outside & ~elsewhere
    splits = tuple(_splits(vectors, groups, unexplained, thresholds))
    for split in splits:
        unexplained[split.rows] = False
    strangers = unexplained & (own < thresholds.unlike.similarity)
    return LabelFaults(np.flatnonzero(elsewhere), np.flatnonzero(strangers), splits, others)


def _splits(
    vectors: Floats,
    groups: IdentityGroups,
    candidates: npt.NDArray[np.bool_],
    thresholds: AuditThresholds,
) -> list[SplitGroup]:
    members: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(candidates).tolist():
        members.setdefault((int(groups.labels[row]), int(groups.groups[row])), []).append(row)
    found = []
    for (label, _), rows in members.items():
        similarity = float(normalised_mean(vectors[rows]) @ groups.centres[label])
        if len(rows) > 1 and similarity < thresholds.unlike.similarity:
            found.append(SplitGroup(label, np.array(rows, np.int64), similarity))
    return found

"""Wrong labels, strangers, and identities that are two people or one: found by embeddings alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.curation.audit_thresholds import AuditThresholds
from vultus.curation.identity_groups import IdentityGroups, normalised_mean
from vultus.curation.streams import BestOthers, best_others, pairs_above

__all__ = [
    "AlikePair",
    "LabelFaults",
    "SplitGroup",
    "alike_identities",
    "halves_ratio",
    "label_faults",
]

FALLBACK_RATIO = 0.8
RATIO_QUANTILE = 0.05
LEAST_HALVED = 20
LEAST_WITHIN = 0.1

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AlikePair:
    """Two identities that seem to be one person.

    Attributes:
        first: The one with more images in its core.
        second: The other.
        similarity: Cosine of their centres.
        ratio: How alike their images are across, over how alike they are within each.
    """

    first: int
    second: int
    similarity: float
    ratio: float


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


def alike_identities(
    vectors: Floats,
    groups: IdentityGroups,
    *,
    threshold: float,
    ratio: float,
    others: tuple[Floats, IdentityGroups] | None = None,
) -> list[AlikePair]:
    """Find identities that are one person, most alike first.

    Their centres are at least ``threshold`` alike, and their images are about as alike across as
    within each: mean similarity across, over the geometric mean of those within, is at least
    ``ratio``. The second condition tells relatives and doubles from one person. An identity whose
    core is one image takes the median of the others for its similarity within.

    Args:
        vectors: (n, d) float32, unit rows.
        groups: Of them.
        threshold: Least cosine of two centres.
        ratio: See above.
        others: Vectors and groups of another data set to compare with; None compares the
            identities with each other.
    """
    theirs = (vectors, groups) if others is None else others
    mine_within, theirs_within = _within(groups), _within(theirs[1])
    found = []
    pairs = pairs_above(
        groups.centres, threshold, others=None if others is None else theirs[1].centres
    )
    for a, b, similarities in pairs:
        for x, y, similarity in zip(a.tolist(), b.tolist(), similarities.tolist(), strict=True):
            across = float(
                vectors[groups.cores[x]].mean(axis=0) @ theirs[0][theirs[1].cores[y]].mean(axis=0)
            )
            alike = across / float(np.sqrt(mine_within[x] * theirs_within[y]))
            if alike < ratio:
                continue
            swap = others is None and len(groups.cores[y]) > len(groups.cores[x])
            found.append(AlikePair(*((y, x) if swap else (x, y)), similarity, alike))
    return sorted(found, key=lambda pair: -pair.similarity)


def halves_ratio(vectors: Floats, groups: IdentityGroups) -> float:
    """The ratio that 95 % of the identities reach when their own core is cut in halves.

    Every second image of a core is one half. Identities with four images or more in the core take
    part; with fewer than 20 of them the ratio is 0.8.
    """
    ratios = []
    for rows in groups.cores:
        if len(rows) < 4:
            continue
        halves = vectors[rows[::2]], vectors[rows[1::2]]
        within = [_mean_pair(half) for half in halves]
        across = float(halves[0].mean(axis=0) @ halves[1].mean(axis=0))
        ratios.append(across / np.sqrt(max(within[0], LEAST_WITHIN) * max(within[1], LEAST_WITHIN)))
    return (
        float(np.quantile(ratios, RATIO_QUANTILE))
        if len(ratios) >= LEAST_HALVED
        else (FALLBACK_RATIO)
    )


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


def _within(groups: IdentityGroups) -> Floats:
    known = ~np.isnan(groups.within)
    usual = float(np.median(groups.within[known])) if known.any() else 1.0
    return np.asarray(np.maximum(np.where(known, groups.within, usual), LEAST_WITHIN), np.float32)


def _mean_pair(vectors: Floats) -> float:
    total = vectors.sum(axis=0, dtype=np.float64)
    n = len(vectors)
    return float((total @ total - n) / (n * (n - 1)))

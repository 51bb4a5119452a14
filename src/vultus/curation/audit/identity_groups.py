"""Who is who: groups of images inside an identity, the core among them, and who is like whom."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vultus.core.embeddings import Embeddings
from vultus.core.thresholds import Threshold
from vultus.curation.audit.similar_pairs import Floats, Ints, best_others, pairs_above
from vultus.matching.clustering import cluster

MAX_CLUSTERED = 2000
"""Images of one identity that are clustered; more are assigned to the groups of an even sample."""

FALLBACK_RATIO = 0.8
_RATIO_QUANTILE = 0.05
_LEAST_HALVED = 20
_LEAST_WITHIN = 0.1
"""Taken for the similarity within where it is less: a small divisor makes nobody alike."""


@dataclass(frozen=True, slots=True, eq=False)
class IdentityGroups:
    """The groups inside each identity.

    Attributes:
        labels: (n,) int64, identity of each image; -1 for none.
        groups: (n,) int64, group of each image within its identity, 0 is the core; -1 without
            identity.
        centres: (k, d) float32, normalised mean of each identity's core; NaN without images.
        cores: Rows of each identity's core, rising; empty without images.
        within: (k,) float32, mean similarity of two images of the core; NaN for a core of one.
        own: (n,) float32, cosine of each image to its identity's centre, the centre made without
            it; NaN where nothing else is in the core, or without identity.
    """

    labels: Ints
    groups: Ints
    centres: Floats
    cores: tuple[Ints, ...]
    within: Floats
    own: Floats

    @property
    def core_sizes(self) -> Ints:
        """(k,) int64: images in each core."""
        return np.array([len(core) for core in self.cores], np.int64)


def group_identities(
    embeddings: Embeddings, labels: Ints, *, n_identities: int, threshold: Threshold
) -> IdentityGroups:
    """Group the images of each identity and choose its core.

    Groups are those of `vultus.matching.clustering.cluster` (average linkage). The core is the
    largest; of equally large ones the one that is least like any other identity, because a stranger
    is likely to be at home elsewhere; then the first.

    Args:
        embeddings: Of the images.
        labels: (n,) int64 in [-1, n_identities).
        n_identities: k.
        threshold: Mean similarity at which groups are joined.
    """
    groups = np.full(len(labels), -1, np.int64)
    rows_of = _rows_by_label(labels, n_identities)
    for rows in rows_of:
        if len(rows):
            groups[rows] = _grouped(embeddings[rows], threshold)
    _settle_ties(embeddings.vectors, labels, groups, rows_of)
    return _described(embeddings.vectors, labels, groups, rows_of)


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
    usual = _usual(groups, theirs[1])
    mine_within, theirs_within = _within(groups, usual), _within(theirs[1], usual)
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
        ratios.append(
            across / np.sqrt(max(within[0], _LEAST_WITHIN) * max(within[1], _LEAST_WITHIN))
        )
    return (
        float(np.quantile(ratios, _RATIO_QUANTILE))
        if len(ratios) >= _LEAST_HALVED
        else (FALLBACK_RATIO)
    )


def normalised_mean(vectors: Floats) -> Floats:
    """The mean of the rows at length 1; NaN if there is none or it has no direction."""
    if not len(vectors):
        return np.full(vectors.shape[1], np.nan, np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(mean)
    return np.asarray(mean / length if length > 1e-6 else np.full_like(mean, np.nan), np.float32)


def _rows_by_label(labels: Ints, n_identities: int) -> list[Ints]:
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(n_identities + 1))
    return [order[a:b] for a, b in pairwise(bounds.tolist())]


def _grouped(faces: Embeddings, threshold: Threshold) -> Ints:
    similarities = faces.vectors @ faces.vectors.T if len(faces) <= MAX_CLUSTERED else None
    if similarities is not None and similarities.min() >= threshold.similarity:
        return np.zeros(len(faces), np.int64)  # what average linkage must come to
    if similarities is not None:
        return cluster(faces, threshold=threshold).labels.astype(np.int64)
    sample = np.linspace(0, len(faces) - 1, MAX_CLUSTERED).astype(np.int64)
    found = cluster(faces[sample], threshold=threshold).labels.astype(np.int64)
    means = np.stack(
        [faces.vectors[sample[found == g]].mean(axis=0) for g in range(found.max() + 1)]
    )
    linkage = faces.vectors @ means.T
    groups = linkage.argmax(axis=1)
    alone = linkage.max(axis=1) < threshold.similarity
    groups[alone] = len(means) + np.arange(alone.sum())
    groups[sample] = found
    return _by_size(groups)


def _by_size(groups: Ints) -> Ints:
    _, first, inverse, counts = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[inverse]


def _settle_ties(vectors: Floats, labels: Ints, groups: Ints, rows_of: list[Ints]) -> None:
    """Of several largest groups of one size make the one that fits nowhere else the core."""
    tied = {label: _largest(groups[rows]) for label, rows in enumerate(rows_of)}
    tied = {label: candidates for label, candidates in tied.items() if candidates > 1}
    if not tied:
        return
    centres = np.stack([normalised_mean(vectors[rows[groups[rows] == 0]]) for rows in rows_of])
    for label, candidates in tied.items():
        rows = rows_of[label]
        means = np.stack(
            [normalised_mean(vectors[rows[groups[rows] == g]]) for g in range(candidates)]
        )
        own = np.full(candidates, label, np.int64)
        core = int(np.argmin(best_others(means, centres, own=own).similarities))
        swapped = groups[rows].copy()
        swapped[groups[rows] == core] = 0
        swapped[groups[rows] == 0] = core
        groups[rows] = swapped


def _largest(groups: Ints) -> int:
    """How many groups are as large as the largest."""
    counts = np.bincount(groups) if len(groups) else np.zeros(0, np.int64)
    return int((counts == counts.max()).sum()) if len(counts) else 0


def _described(vectors: Floats, labels: Ints, groups: Ints, rows_of: list[Ints]) -> IdentityGroups:
    k, dim = len(rows_of), vectors.shape[1]
    centres = np.full((k, dim), np.nan, np.float32)
    within = np.full(k, np.nan, np.float32)
    own = np.full(len(labels), np.nan, np.float32)
    cores = tuple(rows[groups[rows] == 0] for rows in rows_of)
    for label, (rows, core) in enumerate(zip(rows_of, cores, strict=True)):
        if not len(core):
            continue
        total = vectors[core].sum(axis=0, dtype=np.float64)
        n = len(core)
        centres[label] = normalised_mean(vectors[core])
        if n > 1:
            within[label] = (total @ total - n) / (n * (n - 1))
        others = total - np.where((groups[rows] == 0)[:, None], vectors[rows], 0)
        lengths = np.linalg.norm(others, axis=1)
        known = lengths > 1e-6
        own[rows[known]] = (vectors[rows] * others).sum(axis=1)[known] / lengths[known]
    return IdentityGroups(labels, groups, centres, cores, within, own)


def _usual(*data_sets: IdentityGroups) -> float:
    within = np.concatenate([groups.within for groups in data_sets])
    known = within[~np.isnan(within)]
    return float(np.median(known)) if len(known) else 1.0


def _within(groups: IdentityGroups, usual: float) -> Floats:
    filled = np.where(np.isnan(groups.within), usual, groups.within)
    return np.asarray(np.maximum(filled, _LEAST_WITHIN), np.float32)


def _mean_pair(vectors: Floats) -> float:
    total = vectors.sum(axis=0, dtype=np.float64)
    n = len(vectors)
    return float((total @ total - n) / (n * (n - 1)))

"""Two identities that are one person: alike, and as alike across as within each."""

from dataclasses import dataclass

import numpy as np

from vultus.curation.audit.identity_groups import IdentityGroups
from vultus.curation.audit.similar_pairs import Floats, pairs_above

FALLBACK_RATIO = 0.8
_RATIO_QUANTILE = 0.05
_LEAST_HALVED = 20
_LEAST_WITHIN = 0.1


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

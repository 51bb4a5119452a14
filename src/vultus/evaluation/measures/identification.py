"""1:N search: CMC (closed set), and FNIR at FPIR (open set).

A search without a face, or whose mate could not be enrolled, is a miss, not a missing row.
Ties are resolved against the system: a stranger with the mate's score ranks before it.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, frozen
from vultus.core.embeddings import Embeddings, check_same_space
from vultus.core.errors import InputError
from vultus.core.rows import Rows, freeze_arrays
from vultus.core.settings_reader import Numbers
from vultus.evaluation.measures.intervals import Interval, rate_interval
from vultus.evaluation.measures.rates import RocCurve, roc_curve
from vultus.search.tiles import similarity_rows

_N_PROBES = 512
NEVER = np.iinfo(np.int64).max
"""The rank of a mate that is never found."""


@dataclass(frozen=True, slots=True, eq=False)
class Searches(Rows):
    """What every search found; one row per probe.

    Attributes:
        mated: (n,) bool, the probe's person is in the gallery.
        mate_ranks: (n,) int64, 1 = first; a failed search or an unmated one has the largest int64.
        mate_scores: (n,) float64, best score of the mate; ``-inf`` where there is none.
        top_scores: (n,) float64, best score of anybody; ``-inf`` for a failed search.
        failed: (n,) bool, no face in the probe.
    """

    mated: npt.NDArray[np.bool_]
    mate_ranks: npt.NDArray[np.int64]
    mate_scores: npt.NDArray[np.float64]
    top_scores: npt.NDArray[np.float64]
    failed: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        check_array("mated", self.mated, dtype=np.bool_, shape=("n",))
        shape = self.mated.shape
        check_array("mate_ranks", self.mate_ranks, dtype=np.int64, shape=shape)
        check_array("failed", self.failed, dtype=np.bool_, shape=shape)
        for name in ("mate_scores", "top_scores"):
            check_array(name, getattr(self, name), dtype=np.float64, shape=shape, finite=False)
        freeze_arrays(self)


@dataclass(frozen=True, slots=True, eq=False)
class CmcCurve:
    """Cumulative match characteristic.

    Attributes:
        n_found: (k,) int64; entry r - 1: mated searches whose mate is among the first r.
        n_searches: How many mated searches, failed ones included.

    Raises:
        InputError: If ``n_found`` is empty, falls or passes ``n_searches``.
    """

    n_found: Annotated[npt.NDArray[np.int64], Numbers("int64")]
    n_searches: int

    def __post_init__(self) -> None:
        found = self.n_found
        if not len(found) or (np.diff(found) < 0).any() or not 0 <= found[-1] <= self.n_searches:
            raise InputError("n_found must rise to at most n_searches, got others")

    def rate(self, rank: int) -> float:
        """Share of mated searches whose mate is among the first ``rank``."""
        return int(self.n_found[self._row(rank)]) / self.n_searches

    def interval(self, rank: int) -> Interval:
        """95 % interval of that share, searches taken as independent."""
        return rate_interval(int(self.n_found[self._row(rank)]), self.n_searches)

    def _row(self, rank: int) -> int:
        if not 1 <= rank <= len(self.n_found):
            raise InputError(f"rank must be 1 .. {len(self.n_found)}, got {rank}")
        return rank - 1


def rank_searches(
    scores: npt.NDArray[Any],
    *,
    probe_identities: npt.NDArray[Any],
    gallery_identities: npt.NDArray[Any],
) -> Searches:
    """Rank the gallery for every probe.

    Args:
        scores: (n, g) floating; ``-inf`` for a row or column that failed (no face found).
        probe_identities: (n,) who each probe is.
        gallery_identities: (g,) who each entry is. Several entries of one person count as one
            candidate with the best of their scores; a person whose entries all failed stays in
            the gallery and is never found.

    Raises:
        InputError: If shapes do not match, the gallery is empty, or a score is NaN or ``inf``.
    """
    if scores.shape != (len(probe_identities), len(gallery_identities)) or not scores.size:
        raise InputError(
            f"scores must be (probes, gallery) = ({len(probe_identities)}, "
            f"{len(gallery_identities)}) and not empty, got {scores.shape}"
        )
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise InputError("scores must be finite or -inf, got NaN or inf")
    people, columns = np.unique(gallery_identities, return_inverse=True)
    best = _best_per_person(scores.astype(np.float64), columns, len(people))
    place = np.searchsorted(people, probe_identities).clip(max=len(people) - 1)
    mated = people[place] == probe_identities
    mates = np.where(mated, best[np.arange(len(best)), place], -np.inf)
    ranks = (best >= mates[:, None]).sum(axis=1)
    top = best.max(axis=1)
    never = ~mated | np.isneginf(mates)
    return Searches(
        mated, np.where(never, NEVER, ranks).astype(np.int64), mates, top, np.isneginf(top)
    )


def search_gallery(
    probes: Embeddings,
    gallery: Embeddings,
    *,
    probe_identities: npt.NDArray[Any],
    gallery_identities: npt.NDArray[Any],
    failed_probes: npt.NDArray[np.bool_] | None = None,
    failed_gallery: npt.NDArray[np.bool_] | None = None,
) -> Searches:
    """`rank_searches` on cosine similarity, in blocks, so that memory does not grow with probes.

    Args:
        probes: The faces to look for, without those that failed.
        gallery: The enrolled faces, without those that failed.
        probe_identities: (n,) who each probe is, failed ones included.
        gallery_identities: (g,) who each entry is, failed ones included.
        failed_probes: (n,) bool, no face was found; None when all succeeded.
        failed_gallery: (g,) bool, likewise.

    Raises:
        SpaceMismatchError: If the spaces differ.
        InputError: If lengths do not match or either side is empty.
    """
    check_same_space(probes.space, gallery.space)
    lost_rows = _failures("probes", probes, probe_identities, failed_probes)
    lost_columns = _failures("gallery", gallery, gallery_identities, failed_gallery)
    parts = []
    for rows, _, scores in similarity_rows(
        _with_failures(probes, lost_rows), _with_failures(gallery, lost_columns), n_rows=_N_PROBES
    ):
        np.clip(scores, -1, 1, out=scores)
        scores[lost_rows[rows]] = scores[:, lost_columns] = -np.inf
        parts.append(
            rank_searches(
                scores,
                probe_identities=probe_identities[rows],
                gallery_identities=gallery_identities,
            )
        )
    return Searches.concatenate(parts)


def cmc(searches: Searches, *, max_rank: int = 20) -> CmcCurve:
    """Closed-set identification: how often the mate is among the first r, for r up to a limit.

    Raises:
        InputError: If no search is mated.
    """
    check_positive_int("max_rank", max_rank)
    ranks = searches.mate_ranks[searches.mated]
    if not len(ranks):
        raise InputError("a CMC needs mated searches, got none")
    found = (ranks[:, None] <= np.arange(1, max_rank + 1)).sum(axis=0)
    return CmcCurve(frozen(found.astype(np.int64)), len(ranks))


def open_set_curve(searches: Searches, *, rank: int | None = 1) -> RocCurve:
    """Open-set identification as a curve over searches instead of comparisons.

    Its FMR is the FPIR (share of searches for strangers that return anybody), its FNMR the FNIR
    (share of mated searches whose mate is not among the first ``rank`` at or above the
    threshold), its TAR the detection-and-identification rate or TPIR. `operating_point` gives the
    FNIR at an FPIR. A mated search that failed is a miss; a stranger's that failed is left out, so
    that no failure lowers the FPIR.

    Args:
        searches: Of enrolled people and of strangers.
        rank: The mate must be among so many first; None: at any rank, it need only reach the
            threshold.

    Raises:
        InputError: If there are no mated or no unmated searches.
    """
    limit = NEVER if rank is None else check_positive_int("rank", rank)
    hits = searches.mate_ranks <= limit
    mated = np.where(hits, searches.mate_scores, -np.inf)[searches.mated]
    strangers = searches.top_scores[~searches.mated & ~searches.failed]
    if not len(mated) or not len(strangers):
        raise InputError(
            "open-set identification needs searches for enrolled people and for strangers, "
            f"got {len(mated)} and {len(strangers)}"
        )
    return roc_curve(mated, strangers)


def _failures(
    name: str,
    faces: Embeddings,
    identities: npt.NDArray[Any],
    failed: npt.NDArray[np.bool_] | None,
) -> npt.NDArray[np.bool_]:
    """Which entries failed, checked."""
    failed = np.zeros(len(identities), np.bool_) if failed is None else failed
    check_array(f"failed_{name}", failed, dtype=np.bool_, shape=(len(identities),))
    if not len(identities) or len(faces) != (~failed).sum():
        raise InputError(
            f"{name} must be as many as their identities without failures, and at least one, "
            f"got {len(faces)} and {int((~failed).sum())} of {len(identities)}"
        )
    return failed


def _with_failures(faces: Embeddings, failed: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Vectors with a row of zeros for each failure."""
    if not failed.any():
        return faces.vectors
    vectors = np.zeros((len(failed), faces.space.dim), np.float32)
    vectors[~failed] = faces.vectors
    return vectors


def _best_per_person(
    scores: npt.NDArray[Any], columns: npt.NDArray[Any], n_people: int
) -> npt.NDArray[Any]:
    if n_people == scores.shape[1]:
        return scores[:, np.argsort(columns)]
    order = np.argsort(columns, kind="stable")
    starts = np.searchsorted(columns[order], np.arange(n_people))
    best: npt.NDArray[Any] = np.maximum.reduceat(scores[:, order], starts, axis=1)
    return best

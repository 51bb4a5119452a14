"""Agreement of a clustering with the true identities: pairwise and B-cubed P, R, F; NMI."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Agreement:
    """Precision and recall of a clustering.

    Attributes:
        precision: Share of what was put together that belongs together, in [0, 1].
        recall: Share of what belongs together that was put together, in [0, 1].
        n_faces: How many faces were grouped.
    """

    precision: float
    recall: float
    n_faces: int

    @property
    def f_score(self) -> float:
        """Harmonic mean of precision and recall; 0 when both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    def to_dict(self) -> dict[str, float]:
        """The figures, fit for JSON."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f_score": self.f_score,
            "n_faces": self.n_faces,
        }


def pairwise(labels: npt.NDArray[Any], identities: npt.NDArray[Any]) -> Agreement:
    """Precision and recall over pairs of faces.

    With no pair put together the precision is 1 (nothing was wrong), with no pair that belongs
    together the recall is 1. Large people weigh with the square of their faces; `b_cubed` does not.

    Args:
        labels: (n,) cluster of each face.
        identities: (n,) true identity of each face.

    Raises:
        InputError: If lengths differ or there is no face.
    """
    both, clusters, people = _counts(labels, identities)
    hits, made, wanted = (_n_pairs(counts) for counts in (both, clusters, people))
    return Agreement(hits / made if made else 1.0, hits / wanted if wanted else 1.0, len(labels))


def b_cubed(labels: npt.NDArray[Any], identities: npt.NDArray[Any]) -> Agreement:
    """Precision and recall averaged over faces: each is judged by its own cluster.

    Args:
        labels: (n,) cluster of each face.
        identities: (n,) true identity of each face.

    Raises:
        InputError: If lengths differ or there is no face.

    Source:
        E. Amigo et al., Information Retrieval 12, 2009.
    """
    _check(labels, identities)
    table, rows, columns = _contingency(labels, identities)
    cluster_sizes = np.bincount(rows, weights=table)
    person_sizes = np.bincount(columns, weights=table)
    squared = table.astype(np.float64) ** 2
    n = len(labels)
    return Agreement(
        math.fsum(squared / cluster_sizes[rows]) / n,
        math.fsum(squared / person_sizes[columns]) / n,
        n,
    )


def normalised_mutual_information(labels: npt.NDArray[Any], identities: npt.NDArray[Any]) -> float:
    """Mutual information over the mean of the two entropies, in [0, 1].

    1 when both put all faces into one group. It rises with the number of clusters even for
    random labels; quote it next to `b_cubed`, not alone.

    Raises:
        InputError: If lengths differ or there is no face.
    """
    _check(labels, identities)
    table, rows, columns = _contingency(labels, identities)
    n = len(labels)
    h_rows = _entropy(np.bincount(rows, weights=table) / n)
    h_columns = _entropy(np.bincount(columns, weights=table) / n)
    if h_rows + h_columns == 0:
        return 1.0
    mutual = h_rows + h_columns - _entropy(table / n)
    return float(min(1.0, max(0.0, 2 * mutual / (h_rows + h_columns))))


def _check(labels: npt.NDArray[Any], identities: npt.NDArray[Any]) -> None:
    if np.ndim(labels) != 1 or np.shape(labels) != np.shape(identities) or not len(labels):
        raise InputError(
            "labels and identities must be equally long, (n,) with n >= 1, "
            f"got {np.shape(labels)} and {np.shape(identities)}"
        )


def _contingency(
    labels: npt.NDArray[Any], identities: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Counts of the (cluster, person) cells that are not empty, with their row and column."""
    rows = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    columns = np.unique(identities, return_inverse=True)[1].astype(np.int64)
    width = int(columns.max()) + 1
    cells, counts = np.unique(rows * width + columns, return_counts=True)
    return counts, cells // width, cells % width


def _counts(
    labels: npt.NDArray[Any], identities: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    _check(labels, identities)
    table, rows, columns = _contingency(labels, identities)
    clusters = np.bincount(rows, weights=table).astype(np.int64)
    return table, clusters, np.bincount(columns, weights=table).astype(np.int64)


def _n_pairs(counts: npt.NDArray[Any]) -> int:
    return sum(math.comb(int(count), 2) for count in counts)


def _entropy(shares: npt.NDArray[Any]) -> float:
    return float(-(shares * np.log(shares)).sum())

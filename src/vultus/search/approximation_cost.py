"""What a search among few rows misses, measured on one's own vectors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_range
from vultus.search.index import VectorIndex


@dataclass(frozen=True, slots=True)
class ApproximationCost:
    """What a search among few rows missed.

    Attributes:
        n_probes: Faces looked for, each of somebody who is there.
        found: How many the exact search puts first, at the threshold or above.
        missed: How many of these the approximate search does not.
    """

    n_probes: int
    found: int
    missed: int

    @property
    def fnir(self) -> float:
        """Of the exact search: the share of probes that it does not find."""
        return 1 - self.found / self.n_probes

    @property
    def added_fnir(self) -> float:
        """What is added to it."""
        return self.missed / self.n_probes


def approximation_cost(
    index: VectorIndex,
    probes: npt.NDArray[np.float32],
    mates: npt.NDArray[np.int64],
    *,
    threshold: float,
    approximate: int,
) -> ApproximationCost:
    """Measure what ``VectorIndex.search(approximate=...)`` costs on one's own vectors.

    Args:
        index: Where they are looked for.
        probes: (p, dim) float32, rows of length 1; other photos of people who are in it.
        mates: (p,) int64, the number of each one's own vector.
        threshold: Least similarity of a decision.
        approximate: As in the search.

    Raises:
        InputError: If an argument is malformed, or there is no probe.
    """
    check_range("threshold", threshold)
    check_positive_int("number of probes", len(probes))
    check_array("mates", mates, dtype=np.int64, shape=(len(probes),))
    exact = index.search(probes, rank=1, threshold=threshold)
    rough = index.search(probes, rank=1, threshold=threshold, approximate=approximate)
    right, hit = (
        np.array([mate in answer.ids for answer, mate in zip(answers, mates, strict=True)])
        for answers in (exact, rough)
    )
    return ApproximationCost(len(probes), int(right.sum()), int((right & ~hit).sum()))

"""How many genuine and impostor scores fall into each bin."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.core.settings_reader import Numbers
from vultus.evaluation.measures.rates import RocCurve


@dataclass(frozen=True, slots=True, eq=False)
class ScoreHistogram:
    """Counts of scores over equal bins.

    Attributes:
        edges: (k + 1,) float64, rising.
        genuine: (k,) int64; failures have no score and are in no bin.
        impostor: (k,) int64.

    Raises:
        InputError: If shapes or dtypes do not fit together, or edges do not rise.
    """

    edges: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    genuine: Annotated[npt.NDArray[np.int64], Numbers("int64")]
    impostor: Annotated[npt.NDArray[np.int64], Numbers("int64")]

    def __post_init__(self) -> None:
        check_array("edges", self.edges, dtype=np.float64, shape=("k + 1",))
        if len(self.edges) < 2 or not (np.diff(self.edges) > 0).all():
            raise InputError("edges of a histogram must be at least two that rise, got others")
        for name in ("genuine", "impostor"):
            counts = getattr(self, name)
            check_array(name, counts, dtype=np.int64, shape=(len(self.edges) - 1,))
            if (counts < 0).any():
                raise InputError(f"{name} counts of a histogram must not be negative")
        freeze_arrays(self)


def score_histogram(curve: RocCurve, *, bins: int = 100) -> ScoreHistogram:
    """Count the scores behind a curve into equal bins between the lowest and the highest.

    Args:
        curve: Of the scores; where it leaves thresholds out, scores count at the next lower one.
        bins: How many.

    Raises:
        InputError: If the curve holds a single distinct score, or ``bins`` is below 1.
    """
    scores = curve.thresholds[1:]
    if len(scores) < 2:
        raise InputError("a histogram needs at least two distinct scores, got one")
    edges = np.linspace(scores[-1], scores[0], check_positive_int("bins", bins) + 1)
    genuine, impostor = (
        np.histogram(scores, edges, weights=np.diff(counts))[0].astype(np.int64)
        for counts in (curve.n_true_matches, curve.n_false_matches)
    )
    return ScoreHistogram(edges, genuine, impostor)

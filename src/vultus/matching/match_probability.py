"""How strongly a similarity speaks for one person: log-likelihood ratio, and probability."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_range
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.core.settings_reader import Numbers

FitMethod = Literal["isotonic", "logistic"]


@dataclass(frozen=True, slots=True, eq=False)
class MatchProbability:
    """A calibrated map from similarity to log-likelihood ratio (LLR).

    LLR = ln p(similarity | same person) - ln p(similarity | two people). It knows nothing of how
    many of the pairs that one will meet are genuine: that is the prior, and it must be brought.
    Straight lines between the knots, constant outside: the ends are as far as the data reach.

    Attributes:
        method: How it was fitted.
        similarities: (k,) float64, knots, rising (equal neighbours make a step).
        llrs: (k,) float64, natural logarithms, not falling.

    Raises:
        InputError: If shapes, dtypes or orders are others.
    """

    method: FitMethod
    similarities: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    llrs: Annotated[npt.NDArray[np.float64], Numbers("float64")]

    def __post_init__(self) -> None:
        check_array("similarities", self.similarities, dtype=np.float64, shape=("k",))
        check_array("llrs", self.llrs, dtype=np.float64, shape=self.similarities.shape)
        if not len(self.llrs):
            raise InputError("similarities must hold at least one knot, got none")
        for name in ("similarities", "llrs"):
            values = getattr(self, name)
            if (np.diff(values) < 0).any():
                raise InputError(f"{name} must not fall from knot to knot, got others")
        freeze_arrays(self)

    def llr(self, similarity: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Natural log-likelihood ratio of each similarity, any shape; above 0: one person."""
        return np.interp(np.asarray(similarity, np.float64), self.similarities, self.llrs)

    def probability(self, similarity: npt.ArrayLike, *, prior: float) -> npt.NDArray[np.float64]:
        """Probability of a match in (0, 1), by Bayes' rule.

        Args:
            similarity: Any shape.
            prior: Probability of a match before looking, in (0, 1): the share of genuine pairs
                among those that will be compared.

        Raises:
            InputError: If ``prior`` is outside (0, 1).
        """
        check_range("prior", prior, low=0, high=1, low_open=True, high_open=True)
        log_odds = self.llr(similarity) + math.log(prior) - math.log1p(-prior)
        return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "method": self.method,
            "similarities": self.similarities.tolist(),
            "llrs": self.llrs.tolist(),
        }

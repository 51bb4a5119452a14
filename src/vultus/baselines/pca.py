"""Principal components, with or without whitening."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vultus.baselines.vectors import Floats, check_vectors, scikit_learn
from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError

LEAST_SHARE = 1e-10  # of the largest variance; below it an axis is rounding noise


@dataclass(frozen=True, slots=True, eq=False)
class Pca:
    """The directions in which vectors vary most.

    Attributes:
        mean: (dim,) float64.
        axes: (k, dim) float64, orthonormal rows, largest variance first.
        variances: (k,) float64, of the vectors along the axes (n - 1).
    """

    mean: Floats
    axes: Floats
    variances: Floats

    @classmethod
    def fit(cls, vectors: Any, *, dim: int | None = None) -> "Pca":
        """Find the axes by singular value decomposition.

        Args:
            vectors: (n, d) float32 or float64, n at least 2.
            dim: How many axes to keep; None = all along which the vectors vary.

        Raises:
            InputError: If dtype or shape do not match, or the vectors vary along fewer axes.
            MissingDependencyError: If scikit-learn is not installed.
        """
        checked = check_vectors("vectors", vectors)
        if len(checked) < 2:
            raise InputError(f"PCA needs at least two vectors, got {len(checked)}")
        fitted = scikit_learn("decomposition").PCA(svd_solver="full").fit(checked)
        variances = fitted.explained_variance_
        rank = int((variances > LEAST_SHARE * variances[0]).sum())
        kept = rank if dim is None else check_positive_int("dim", dim)
        if not 1 <= kept <= rank:
            raise InputError(
                f"dim must be at most {rank}, along which the {len(checked)} vectors vary, "
                f"got {kept}"
            )
        return cls(fitted.mean_, fitted.components_[:kept], variances[:kept])

    def project(self, vectors: Any, *, whiten: bool = False) -> Floats:
        """Coordinates along the axes.

        Args:
            vectors: (n, d) float32 or float64.
            whiten: Divide each by its standard deviation.

        Returns:
            (n, k) float64.

        Raises:
            InputError: If dtype or shape do not match.
        """
        checked = check_vectors("vectors", vectors, dim=len(self.mean))
        along = (checked - self.mean) @ self.axes.T
        return along / np.sqrt(self.variances) if whiten else along

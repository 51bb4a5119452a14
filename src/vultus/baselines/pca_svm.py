"""PCA whitening and a linear SVM that tells genuine pairs from impostor pairs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vultus.baselines.head_file import load_head, save_head
from vultus.baselines.pca import Pca
from vultus.baselines.vectors import Floats, check_vectors, known_rows, scikit_learn
from vultus.core.checks import check_positive_int, check_range
from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.measures.face_pairs import draw_pairs

KIND = "vultus-pca-svm-1"
_ARRAYS = ("mean", "axes", "variances", "weights", "bias")


@dataclass(frozen=True, slots=True, eq=False)
class PcaSvm:
    """Score of a pair: a plane in the space of abs(u - v) and u v, of whitened vectors u and v.

    Attributes:
        pca: Axes and variances for whitening.
        weights: (2 k,) float64; first for abs(u - v), then for u v.
        bias: () float64.
    """

    pca: Pca
    weights: Floats
    bias: Floats

    @classmethod
    def fit(
        cls,
        vectors: Any,
        labels: Any,
        *,
        generator: np.random.Generator,
        dim: int | None = None,
        cost: float = 0.01,
        pairs: int = 20_000,
    ) -> "PcaSvm":
        """Whiten, draw as many genuine as impostor pairs, and fit the plane.

        Args:
            vectors: (n, d) float32 or float64.
            labels: (n,) int64; rows below 0 are left out.
            generator: Draws the pairs.
            dim: Principal components to keep; None = all along which the vectors vary.
            cost: Price of a pair on the wrong side, above 0.
            pairs: How many pairs at most, half of them genuine.

        Raises:
            InputError: If dtypes or shapes do not match, or nobody has two photos.
            MissingDependencyError: If scikit-learn is not installed.
        """
        check_range("cost", cost, low=0, low_open=True)
        check_positive_int("pairs", pairs, minimum=2)
        known, numbers = known_rows(vectors, labels)
        pca = Pca.fit(known, dim=dim)
        drawn = draw_pairs(numbers, generator=generator, pairs=pairs, folds=1)
        white = _whitened(pca, known)
        features = _pair_features(white[drawn.first], white[drawn.second])
        # Newton's method on the primal: no random order, the same plane every time.
        svm = scikit_learn("svm").LinearSVC(C=cost, dual=False, tol=1e-8)
        svm.fit(features, drawn.genuine)
        return cls(pca, svm.coef_[0], np.array(svm.intercept_[0]))

    def score(self, a: Any, b: Any) -> Floats:
        """Signed distance from the plane, in units of the margin; above 0 = one person.

        Args:
            a: (n, d) float32 or float64.
            b: The same shape; row by row.

        Returns:
            (n,) float64, the same when a and b change places.

        Raises:
            InputError: If dtypes or shapes do not match.
        """
        first, second = _whitened(self.pca, a), _whitened(self.pca, b)
        if len(first) != len(second):
            raise InputError(f"a and b must be as many, got {len(first)} and {len(second)}")
        scores: Floats = _pair_features(first, second) @ self.weights + self.bias
        return scores

    def save(self, path: str | Path, *, space: EmbeddingSpace | None = None) -> None:
        """Write to an ``.npz`` file, replacing one that is there.

        Args:
            path: The file.
            space: Of the vectors that it was fitted to, kept beside it.

        Raises:
            InputError: If the folder does not exist.
        """
        path = Path(path)
        arrays = {name: getattr(self.pca, name) for name in ("mean", "axes", "variances")}
        save_head(
            path, {**arrays, "weights": self.weights, "bias": self.bias}, kind=KIND, space=space
        )

    @classmethod
    def load(cls, path: str | Path) -> "PcaSvm":
        """Read what `save` wrote.

        Raises:
            InputError: If there is no such file or it is not of this kind.
        """
        path = Path(path)
        mean, axes, variances, weights, bias = load_head(path, kind=KIND, names=_ARRAYS).values()
        k = len(variances)
        fits = axes.shape == (k, len(mean)) and weights.shape == (2 * k,) and bias.shape == ()
        if not fits or (variances <= 0).any():
            raise InputError(f"{path} is damaged: its arrays do not fit each other")
        return cls(Pca(mean, axes, variances), weights, bias)


def _whitened(pca: Pca, vectors: Any) -> Floats:
    """Whitened, then all to the same length, the root of their dimension."""
    white = pca.project(check_vectors("vectors", vectors, dim=len(pca.mean)), whiten=True)
    lengths = np.linalg.norm(white, axis=1, keepdims=True)
    # The mean itself has no direction; it stays at the origin.
    scaled: Floats = white * np.sqrt(white.shape[1]) / np.where(lengths == 0, 1, lengths)
    return scaled


def _pair_features(first: Floats, second: Floats) -> Floats:
    return np.concatenate([np.abs(first - second), first * second], axis=1)

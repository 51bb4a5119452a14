"""PCA whitening and a linear SVM that tells genuine pairs from impostor pairs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.baselines.head_file import load_head, save_head
from vultus.baselines.linear_svm import fit_linear_svm
from vultus.baselines.pca import Pca
from vultus.baselines.vectors import Floats, check_vectors, known_rows
from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError

KIND = "vultus-pca-svm-1"
_ARRAYS = ("mean", "axes", "variances", "weights", "bias")

Rows = npt.NDArray[np.int64]


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
        """
        known, numbers = known_rows(vectors, labels)
        pca = Pca.fit(known, dim=dim)
        first, second, genuine = draw_pairs(numbers, generator=generator, pairs=pairs)
        white = _whitened(pca, known)
        features = _pair_features(white[first], white[second])
        plane = fit_linear_svm(features, np.where(genuine, 1.0, -1.0), cost=cost)
        return cls(pca, plane.weights, np.array(plane.bias))

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

    def save(self, path: Path) -> None:
        """Write to an ``.npz`` file, replacing one that is there.

        Raises:
            InputError: If the folder does not exist.
        """
        arrays = {name: getattr(self.pca, name) for name in ("mean", "axes", "variances")}
        save_head(path, {**arrays, "weights": self.weights, "bias": self.bias}, kind=KIND)

    @classmethod
    def load(cls, path: Path) -> "PcaSvm":
        """Read what `save` wrote.

        Raises:
            InputError: If there is no such file or it is not of this kind.
        """
        mean, axes, variances, weights, bias = load_head(path, kind=KIND, names=_ARRAYS).values()
        k = len(variances)
        fits = axes.shape == (k, len(mean)) and weights.shape == (2 * k,) and bias.shape == ()
        if not fits or (variances <= 0).any():
            raise InputError(f"{path} is damaged: its arrays do not fit each other")
        return cls(Pca(mean, axes, variances), weights, bias)


def draw_pairs(
    labels: Rows, *, generator: np.random.Generator, pairs: int
) -> tuple[Rows, Rows, npt.NDArray[np.bool_]]:
    """Pairs of rows: half of one person, half of two.

    Genuine pairs are drawn without repetition, all equally likely; so a person with many photos
    has many of them. Impostor pairs may repeat.

    Args:
        labels: (n,) int64, at least two different ones.
        generator: Draws.
        pairs: How many in all, at most; fewer if there are not so many genuine ones.

    Returns:
        First rows, second rows, and whether genuine, each (number of pairs,).

    Raises:
        InputError: If nobody has two photos.
    """
    check_positive_int("pairs", pairs, minimum=2)
    order = np.argsort(labels, kind="stable")
    counts = np.unique(labels, return_counts=True)[1]
    ends = np.cumsum(counts * (counts - 1) // 2)
    if ends[-1] == 0:
        raise InputError("a genuine pair needs a person with two photos; nobody has two")
    drawn = generator.choice(ends[-1], size=min(int(ends[-1]), pairs // 2), replace=False)
    person = np.searchsorted(ends, drawn, side="right")
    within = drawn - np.concatenate([[0], ends])[person]
    # Pair number t of a person is (t - j (j - 1) / 2, j): the rows below the diagonal, in order.
    high = np.floor((1 + np.sqrt(1 + 8 * within)) / 2).astype(np.int64)
    start = np.concatenate([[0], np.cumsum(counts)])[person]
    first, second = order[start + within - high * (high - 1) // 2], order[start + high]
    others = _impostors(labels, len(drawn), generator)
    genuine = np.arange(2 * len(drawn)) < len(drawn)
    return np.append(first, others[0]), np.append(second, others[1]), genuine


def _impostors(labels: Rows, number: int, generator: np.random.Generator) -> tuple[Rows, Rows]:
    first = generator.integers(len(labels), size=number)
    second = generator.integers(len(labels), size=number)
    while (same := np.flatnonzero(labels[first] == labels[second])).size:
        # Both anew: to redraw only the second would favour people with many photos.
        first[same] = generator.integers(len(labels), size=same.size)
        second[same] = generator.integers(len(labels), size=same.size)
    return first, second


def _whitened(pca: Pca, vectors: Any) -> Floats:
    """Whitened, then all to the same length, the root of their dimension."""
    white = pca.project(check_vectors("vectors", vectors, dim=len(pca.mean)), whiten=True)
    lengths = np.linalg.norm(white, axis=1, keepdims=True)
    # The mean itself has no direction; it stays at the origin.
    scaled: Floats = white * np.sqrt(white.shape[1]) / np.where(lengths == 0, 1, lengths)
    return scaled


def _pair_features(first: Floats, second: Floats) -> Floats:
    return np.concatenate([np.abs(first - second), first * second], axis=1)

"""Joint Bayesian: is a pair of vectors likelier from one person or from two?

Chen et al., Bayesian Face Revisited: A Joint Formulation, ECCV 2012.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vultus.baselines.head_file import load_head, save_head
from vultus.baselines.pca import LEAST_SHARE, Pca
from vultus.baselines.vectors import (
    Floats,
    People,
    check_vectors,
    known_rows,
    people,
)
from vultus.core.checks import check_positive_int, check_range
from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError

KIND = "vultus-joint-bayesian-1"


@dataclass(frozen=True, slots=True, eq=False)
class JointBayesian:
    """A vector is a person plus a photo of them: x = mean + mu + epsilon, both Gaussian.

    mu ~ N(0, S_mu) is the same in all photos of a person, epsilon ~ N(0, S_eps) differs from photo
    to photo. In ``basis`` S_eps is the identity and S_mu diagonal, so that the log-likelihood ratio
    of a pair costs a few dot products.

    Attributes:
        mean: (d,) float64.
        basis: (d, k) float64; z = (x - mean) basis.
        between: (k,) float64, at least 0: variance of a person's z, where that of a photo is 1.
        log_likelihoods: (iterations,) float64: mean log-likelihood of a training vector, in nats,
            before each step of the fit and after the last; never falls.
    """

    mean: Floats
    basis: Floats
    between: Floats
    log_likelihoods: Floats

    @classmethod
    def fit(
        cls,
        vectors: Any,
        labels: Any,
        *,
        dim: int | None = None,
        iterations: int = 100,
        tolerance: float = 1e-4,
    ) -> "JointBayesian":
        """Maximum likelihood by expectation maximisation.

        The paper's steps leave the uncertainty of mu and epsilon out of the new covariances, which
        makes S_mu too small where a person has few photos; this is the full EM, whose likelihood
        cannot fall.

        Args:
            vectors: (n, d) float32 or float64, of any length; unit length is usual.
            labels: (n,) int64; rows below 0 are left out.
            dim: Reduce to so many principal components first; None = no reduction.
            iterations: Steps at most.
            tolerance: Stop when the mean log-likelihood of a vector rises by less, in nats.

        Raises:
            InputError: If dtypes or shapes do not match, there are fewer than two identities, or
                too few photos for the dimension.
        """
        check_positive_int("iterations", iterations)
        check_range("tolerance", tolerance, low=0)
        known, numbers = known_rows(vectors, labels)
        mean, axes = known.mean(axis=0), np.eye(known.shape[1])
        if dim is not None:
            axes = Pca.fit(known, dim=dim).axes
        sums = people((known - mean) @ axes.T, numbers)
        model = _start(sums)
        history = [_log_likelihood(sums, model)]
        for _ in range(iterations):
            model = _step(sums, model)
            history.append(_log_likelihood(sums, model))
            if history[-1] - history[-2] < tolerance:
                break
        return cls(mean, axes.T @ model.basis, model.between, np.array(history))

    def project(self, vectors: Any) -> Floats:
        """Coordinates in which photos of one person vary by 1 along every axis: (n, d) -> (n, k).

        Raises:
            InputError: If dtype or shape do not match.
        """
        return (check_vectors("vectors", vectors, dim=len(self.mean)) - self.mean) @ self.basis

    def score(self, a: Any, b: Any) -> Floats:
        """Log-likelihood ratio of each pair, in nats: above 0 = likelier one person than two.

        Args:
            a: (n, d) float32 or float64.
            b: The same shape; row by row.

        Returns:
            (n,) float64.

        Raises:
            InputError: If dtypes or shapes do not match.
        """
        first, second = self.project(a), self.project(b)
        if len(first) != len(second):
            raise InputError(f"a and b must be as many, got {len(first)} and {len(second)}")
        cross, constant = _cross(self.between), _constant(self.between)
        return constant + self._own(first) + self._own(second) + first * second @ cross

    def score_matrix(self, a: Any, b: Any) -> Floats:
        """`score` of every row of ``a`` with every row of ``b``: (n, m) float64.

        Raises:
            InputError: If dtypes or shapes do not match.
        """
        first, second = self.project(a), self.project(b)
        products = (first * _cross(self.between)) @ second.T
        own = self._own(first)[:, None] + self._own(second)[None, :]
        return _constant(self.between) + own + products

    def save(self, path: str | Path, *, space: EmbeddingSpace | None = None) -> None:
        """Write to an ``.npz`` file, replacing one that is there.

        Args:
            path: The file.
            space: Of the vectors that it was fitted to, kept beside it.

        Raises:
            InputError: If the folder does not exist.
        """
        path = Path(path)
        arrays = {name: getattr(self, name) for name in self.__slots__}
        save_head(path, arrays, kind=KIND, space=space)

    @classmethod
    def load(cls, path: str | Path) -> "JointBayesian":
        """Read what `save` wrote.

        Raises:
            InputError: If there is no such file or it is not of this kind.
        """
        path = Path(path)
        head = cls(**load_head(path, kind=KIND, names=cls.__slots__))
        if head.basis.shape != (len(head.mean), len(head.between)) or (head.between < 0).any():
            raise InputError(f"{path} is damaged: its arrays do not fit each other")
        return head

    def _own(self, coordinates: Floats) -> Floats:
        v = self.between
        own: Floats = coordinates**2 @ (-0.5 * v**2 / ((1 + v) * (1 + 2 * v)))
        return own


def _cross(between: Floats) -> Floats:
    return between / (1 + 2 * between)


def _constant(between: Floats) -> float:
    return float((np.log1p(between) - 0.5 * np.log1p(2 * between)).sum())


class _Model(NamedTuple):
    """Both covariances at once: basis^T S_eps basis = 1, basis^T S_mu basis = diag(between)."""

    basis: Floats
    between: Floats


def _start(sums: People) -> _Model:
    """From the scatter of photos about their person, and of the persons' means."""
    photos, dim = int(sums.counts.sum()), sums.means.shape[1]
    within = sums.scatter / photos
    values = np.linalg.eigvalsh(within)
    if values[0] <= LEAST_SHARE * values[-1]:
        rank = int((values > LEAST_SHARE * values[-1]).sum())
        raise InputError(
            f"photos of one person must differ along all {dim} axes, they do along {rank}: "
            f"{len(sums.counts)} identities with {photos} vectors are too few, or the vectors have "
            f"a constant part; set dim to at most {rank}"
        )
    return _model(within, sums.means.T @ sums.means / len(sums.means))


def _model(within: Floats, between: Floats) -> _Model:
    whitener = np.linalg.inv(np.linalg.cholesky(within)).T
    values, turn = np.linalg.eigh(whitener.T @ between @ whitener)
    return _Model(whitener @ turn, np.maximum(values, 0))


def _step(sums: People, model: _Model) -> _Model:
    """One step of EM: posterior of each person's mu, then new covariances."""
    basis, between = model
    m = sums.counts[:, None]
    means = sums.means @ basis
    expected = m * between / (1 + m * between) * means
    variance = between / (1 + m * between)
    rest = means - expected
    new_between = expected.T @ expected + np.diag(variance.sum(axis=0))
    new_within = basis.T @ sums.scatter @ basis + (m * rest).T @ rest
    new_within += np.diag((m * variance).sum(axis=0))
    back = np.linalg.inv(basis)
    return _model(
        back.T @ new_within @ back / sums.counts.sum(),
        back.T @ new_between @ back / len(sums.counts),
    )


def _log_likelihood(sums: People, model: _Model) -> float:
    """Mean over vectors, in nats.

    In the basis, photos about their person's mean are N(0, 1) and the mean is N(0, between + 1/m).
    """
    basis, between = model
    m = sums.counts[:, None]
    means = sums.means @ basis
    photos = sums.counts.sum()
    about_means = np.trace(basis.T @ sums.scatter @ basis)
    of_means = (np.log1p(m * between) + m * means**2 / (1 + m * between)).sum()
    _, log_volume = np.linalg.slogdet(basis)
    constant = photos * (len(between) * np.log(2 * np.pi) - 2 * log_volume)
    return float(-0.5 * (constant + about_means + of_means) / photos)

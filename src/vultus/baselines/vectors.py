"""Checks and sums of labelled vectors."""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError, MissingDependencyError
from vultus.core.text import install_hint

Floats = npt.NDArray[np.float64]


def check_vectors(name: str, vectors: Any, *, dim: int | None = None) -> Floats:
    """Check that vectors are finite float32 or float64 of shape (n, dim); return them as float64.

    Raises:
        InputError: If not.
    """
    is_float32 = isinstance(vectors, np.ndarray) and vectors.dtype == np.float32
    dtype = np.float32 if is_float32 else np.float64
    shape = ("n", "dim" if dim is None else dim)
    return check_array(name, vectors, dtype=dtype, shape=shape).astype(np.float64)


def known_rows(vectors: Any, labels: Any) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The rows whose identity is known (label not below 0), checked; labels become 0, 1, 2, ...

    Args:
        vectors: (n, dim) float32 or float64.
        labels: (n,) int64.

    Raises:
        InputError: If dtypes or shapes do not match, or fewer than two identities are there.
    """
    checked = check_vectors("vectors", vectors)
    check_array("labels", labels, dtype=np.int64, shape=(len(checked),))
    known = labels >= 0
    names, numbers = np.unique(labels[known], return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"a head needs vectors of at least two identities, got {len(names)} "
            f"({int(known.sum())} of {len(checked)} vectors have a label of 0 or more)"
        )
    return checked[known], numbers.astype(np.int64)


class People(NamedTuple):
    """What is needed of each identity, and of all photos about their identity's mean.

    Attributes:
        counts: (people,) photos of each.
        means: (people, dim) mean of each.
        scatter: (dim, dim) sum over photos of (x - mean)(x - mean)^T.
    """

    counts: Floats
    means: Floats
    scatter: Floats


def people(vectors: Floats, labels: npt.NDArray[np.int64]) -> People:
    """Sum vectors up by identity.

    Args:
        vectors: (n, dim).
        labels: (n,) in 0 ... people - 1, each at least once.
    """
    counts = np.bincount(labels).astype(np.float64)
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts[:-1])]).astype(np.int64)
    means = np.add.reduceat(vectors[order], starts) / counts[:, None]
    centred = vectors - means[labels]
    return People(counts, means, centred.T @ centred)


def scikit_learn(module: str) -> Any:
    """The module ``sklearn.<module>``; only fitting needs it, a stored head does not.

    Raises:
        MissingDependencyError: If scikit-learn is not installed.
    """
    try:
        return import_module(f"sklearn.{module}")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"fitting this head needs scikit-learn; {install_hint('train')}"
        ) from error

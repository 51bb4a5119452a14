"""People drawn from the model that Joint Bayesian assumes: one vector for each, noise per photo."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest


class Drawn(NamedTuple):
    vectors: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    between: npt.NDArray[np.float64]
    within: npt.NDArray[np.float64]


def draw(people: int, *, dim: int = 6, seed: int = 0) -> Drawn:
    """People with 1 to 8 photos each, rows in no order."""
    generator = np.random.default_rng(seed)
    shared = np.random.default_rng(99)  # the same covariances for every seed
    spread = np.linspace(2.0, 0.3, dim)
    turn = np.linalg.qr(shared.normal(size=(dim, dim)))[0]
    between = turn @ np.diag(spread**2) @ turn.T
    root = shared.normal(size=(dim, dim))
    within = 0.3 * root @ root.T / dim + 0.2 * np.eye(dim)
    labels = np.repeat(np.arange(people), generator.integers(1, 9, size=people))
    generator.shuffle(labels)
    persons = generator.multivariate_normal(np.zeros(dim), between, size=people)
    photos = generator.multivariate_normal(np.zeros(dim), within, size=len(labels))
    return Drawn(persons[labels] + photos + 0.5, labels, between, within)


@pytest.fixture
def some_people() -> Drawn:
    return draw(40)


@pytest.fixture(scope="session")
def many_people() -> Drawn:
    return draw(3000)


@pytest.fixture(scope="session")
def strangers() -> Drawn:
    """Drawn alike, none of them in the training data."""
    return draw(200, seed=1)

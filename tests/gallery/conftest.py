from collections.abc import Callable

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace

DIM = 128


@pytest.fixture
def space() -> EmbeddingSpace:
    return EmbeddingSpace("toy", "0" * 64, "none", DIM)


@pytest.fixture
def photos_of(space: EmbeddingSpace) -> Callable[..., Embeddings]:
    """Makes n photos of person number k: alike among themselves, unlike those of others."""

    def make(person: int, n: int = 1, *, first: int = 0) -> Embeddings:
        centre = np.random.default_rng([person]).standard_normal(DIM)
        raw = [
            centre + 0.5 * np.random.default_rng([person, i]).standard_normal(DIM)
            for i in range(first, first + n)
        ]
        return Embeddings.from_raw(np.array(raw), space)

    return make

import numpy as np
import pytest

from vultus.baselines.pca import Pca
from vultus.core.errors import InputError


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("dim", [None, 3])
def test_agrees_with_the_eigenvectors_of_the_covariance(dim: int | None, whiten: bool) -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(50, 6)) @ generator.normal(size=(6, 6)) + 3
    new = generator.normal(size=(5, 6))
    variances, axes = np.linalg.eigh(np.cov(vectors.T))
    variances, axes = variances[::-1][:dim], axes.T[::-1][:dim]
    wanted = (new - vectors.mean(axis=0)) @ axes.T / (np.sqrt(variances) if whiten else 1)
    pca = Pca.fit(vectors, dim=dim)
    assert pca.variances == pytest.approx(variances)
    signs = np.sign((pca.axes * axes).sum(axis=1))
    assert pca.project(new, whiten=whiten) * signs == pytest.approx(wanted)


def test_axes_without_variance_are_dropped_and_may_not_be_asked_for() -> None:
    flat = np.random.default_rng(0).normal(size=(20, 2)) @ np.ones((2, 5)) * [1, 2, 3, 4, 5]
    assert Pca.fit(flat).axes.shape == (1, 5)
    with pytest.raises(InputError, match="dim must be at most 1"):
        Pca.fit(flat, dim=2)


def test_one_vector_is_too_few() -> None:
    with pytest.raises(InputError, match="at least two vectors"):
        Pca.fit(np.zeros((1, 4)))

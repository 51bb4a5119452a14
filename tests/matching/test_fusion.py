import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.matching.fusion import chance_similarity, fuse, fuse_rows

DIM = 64
SPACE = EmbeddingSpace("toy", "0" * 64, "none", DIM)
T = 0.4


def photos(rng: np.random.Generator, n: int, *, spread: float = 0.6) -> Embeddings:
    """Photos of one person: similarity to each other about 1 / (1 + spread^2) = 0.74."""
    person = rng.standard_normal(DIM) / np.sqrt(DIM)
    noise = spread * rng.standard_normal((n, DIM)) / np.sqrt(DIM)
    return Embeddings.from_raw(5 * (person + noise), SPACE)


def with_quality(embeddings: Embeddings, quality: list[float]) -> Embeddings:
    return Embeddings(embeddings.vectors, embeddings.norms, SPACE, np.array(quality, np.float32))


@given(st.integers(0, 10**6))
def test_one_photo_is_its_own_template(seed: int) -> None:
    one = photos(np.random.default_rng(seed), 1)
    fusion = fuse(one, identity="Ann", outlier_similarity=T)
    np.testing.assert_allclose(fusion.template.vector, one.vectors[0], atol=1e-7)
    assert (fusion.template.identity, fusion.template.n_images) == ("Ann", 1)
    assert fusion.weights.tolist() == [1.0]
    assert fusion.refused == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 9), st.integers(0, 10**6))
def test_an_impostor_is_refused_wherever_the_photo_comes(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    genuine, impostor = photos(rng, n - 1, spread=0.4), photos(rng, 1)
    everything = Embeddings.concatenate([genuine, impostor])
    order = rng.permutation(n)
    fusion = fuse(everything[order], identity="Ann", outlier_similarity=0.6)
    place = int(np.flatnonzero(order == n - 1)[0])
    assert fusion.refused == (place,)
    assert fusion.weights[place] == 0
    assert "differs from the other photos of 'Ann'" in fusion.reasons[place][0]
    assert fusion.template.n_images == n - 1
    alone = fuse(genuine, identity="Ann", outlier_similarity=0.6)
    np.testing.assert_allclose(fusion.template.vector, alone.template.vector, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(0, 10**6))
def test_the_order_of_photos_does_not_matter(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    faces = photos(rng, n, spread=1.0)
    order = rng.permutation(n)
    try:
        before = fuse(faces, identity="Ann", outlier_similarity=0.5)
    except InputError:
        with pytest.raises(InputError, match="disagree"):
            fuse(faces[order], identity="Ann", outlier_similarity=0.5)
        return
    after = fuse(faces[order], identity="Ann", outlier_similarity=0.5)
    np.testing.assert_allclose(after.template.vector, before.template.vector, atol=1e-6)
    np.testing.assert_allclose(after.weights, before.weights[order], atol=1e-7)


def test_two_photos_that_disagree_are_an_error() -> None:
    rng = np.random.default_rng(0)
    two = Embeddings.concatenate([photos(rng, 1), photos(rng, 1)])
    with pytest.raises(InputError, match=r"the 2 photos of 'Ann' disagree"):
        fuse(two, identity="Ann", outlier_similarity=T)
    assert fuse(two, identity="Ann", outlier_similarity=None).template.n_images == 2


def test_two_against_two_is_an_error() -> None:
    rng = np.random.default_rng(1)
    four = Embeddings.concatenate([photos(rng, 2), photos(rng, 2)])
    with pytest.raises(InputError, match="has 2, and it must be a majority"):
        fuse(four, identity="Ann", outlier_similarity=T)


def test_someone_like_only_one_photo_of_the_group_is_refused() -> None:
    # 0, 1, 2 are alike; 3 is like 2 only (a chain), so half of the core does not know it.
    angles = np.deg2rad(np.array([0, 10, 20, 75]))
    space = EmbeddingSpace("toy", "0" * 64, "none", 2)
    raw = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    faces = Embeddings.from_raw(raw, space)
    fusion = fuse(faces, identity="Ann", outlier_similarity=float(np.cos(np.deg2rad(60))))
    assert fusion.refused == (3,)


def test_weights_are_the_qualities_or_else_the_norms() -> None:
    faces = photos(np.random.default_rng(2), 3)
    fusion = fuse(faces, identity="Ann", outlier_similarity=None)
    np.testing.assert_allclose(fusion.weights, faces.norms / faces.norms.sum(), rtol=1e-6)
    graded = with_quality(faces, [1.0, 3.0, 0.0])
    fusion = fuse(graded, identity="Ann", outlier_similarity=None)
    np.testing.assert_allclose(fusion.weights, [0.25, 0.75, 0], rtol=1e-6)
    mean = 0.25 * faces.vectors[0] + 0.75 * faces.vectors[1]
    np.testing.assert_allclose(fusion.template.vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_worthless_photos_count_the_same() -> None:
    faces = with_quality(photos(np.random.default_rng(2), 2), [0.0, 0.0])
    weights = fuse(faces, identity="Ann", outlier_similarity=None).weights
    np.testing.assert_array_equal(weights, np.array([0.5, 0.5], np.float32))


def test_bad_input_is_refused() -> None:
    faces = photos(np.random.default_rng(2), 2)
    with pytest.raises(InputError, match="at least one photo"):
        fuse(Embeddings.empty(SPACE), identity="Ann", outlier_similarity=None)
    with pytest.raises(InputError, match="negative"):
        fuse(with_quality(faces, [1.0, -1.0]), identity="Ann", outlier_similarity=None)
    with pytest.raises(InputError, match="outlier_similarity"):
        fuse(faces, identity="Ann", outlier_similarity=1.5)
    opposite = Embeddings(
        np.stack([faces.vectors[0], -faces.vectors[0]]), np.ones(2, np.float32), SPACE
    )
    with pytest.raises(InputError, match="cancel"):
        fuse(opposite, identity="Ann", outlier_similarity=None)


def test_chance_similarity_is_rarely_reached_by_chance() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal((100_000, 32)) for _ in range(2))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    reached = float(((a * b).sum(axis=1) >= chance_similarity(32)).mean())
    assert 0.0004 < reached < 0.002
    assert chance_similarity(4) == 1


def test_many_people_are_fused_as_one_by_one() -> None:
    generator = np.random.default_rng(0)
    space = EmbeddingSpace("test", "0" * 64, "none", 8)
    faces = Embeddings.from_raw(generator.normal(size=(12, 8)), space)
    graded = dataclasses.replace(faces, quality=np.linspace(0, 1, 12, dtype=np.float32))
    chosen = generator.permutation(12).reshape(4, 3)
    for embeddings in (faces, graded):
        rows = fuse_rows(embeddings, chosen)
        for row, own in zip(rows, chosen, strict=True):
            alone = fuse(embeddings[own], identity="x", outlier_similarity=None).template.vector
            np.testing.assert_allclose(row, alone, atol=1e-6)
    worthless = dataclasses.replace(faces, quality=np.zeros(12, np.float32))
    assert np.isfinite(fuse_rows(worthless, chosen)).all()
    pair = Embeddings.from_raw(np.array([[1.0] * 8, [-1.0] * 8]), space)
    with pytest.raises(InputError, match="cancel"):
        fuse_rows(pair, np.array([[0, 1]]))

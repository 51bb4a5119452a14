"""The core of an identity, and how alike each image is to it."""

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.curation.audit import identity_groups
from vultus.curation.audit.identity_groups import group_identities

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 16)
SAME = Threshold(0.4)


def people(counts: list[int], *, seed: int = 0, noise: float = 0.15) -> np.ndarray:
    """Rows of people that lie far apart: ``counts[k]`` rows of person k."""
    generator = np.random.default_rng(seed)
    centres = np.linalg.qr(generator.normal(size=(16, 16)))[0]
    rows = [
        centres[k] + noise * generator.normal(size=16)
        for k, n in enumerate(counts)
        for _ in range(n)
    ]
    return np.array(rows)


def embeddings(rows: np.ndarray) -> Embeddings:
    return Embeddings.from_raw(rows, SPACE)


def test_cores_centres_and_similarities_are_those_of_a_loop() -> None:
    faces = embeddings(people([5, 4, 1]))
    labels = np.repeat([0, 1, 2], [5, 4, 1])
    found = group_identities(faces, labels, n_identities=4, threshold=SAME)
    v = faces.vectors
    for k, rows in enumerate((range(5), range(5, 9), range(9, 10))):
        assert found.cores[k].tolist() == list(rows)
        mean = v[list(rows)].mean(axis=0)
        assert found.centres[k] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
        pairs = [v[i] @ v[j] for i in rows for j in rows if i < j]
        if pairs:
            assert found.within[k] == pytest.approx(np.mean(pairs), abs=1e-5)
        for i in rows:
            others = sum((v[j] for j in rows if j != i), np.zeros(16))
            if len(rows) > 1:
                wanted = v[i] @ others / np.linalg.norm(others)
                assert found.own[i] == pytest.approx(wanted, abs=1e-5)
    assert np.isnan(found.within[2])
    assert np.isnan(found.own[9])
    assert np.isnan(found.centres[3]).all()
    assert found.core_sizes.tolist() == [5, 4, 1, 0]


def test_a_stranger_is_outside_of_the_core_and_not_in_its_centre() -> None:
    rows = people([4, 4, 1])
    labels = np.array([0] * 4 + [1] * 4 + [0])
    found = group_identities(embeddings(rows), labels, n_identities=2, threshold=SAME)
    assert found.groups.tolist() == [0] * 8 + [1]
    assert found.cores[0].tolist() == [0, 1, 2, 3]
    assert found.own[8] < 0.4


def test_of_equal_groups_the_one_at_home_elsewhere_is_not_the_core() -> None:
    rows = people([2, 5])
    labels = np.array([0, 0, 1, 1, 1, 0, 0])  # identity 0: two of its own, two of person 1
    for order in (np.arange(7), np.arange(7)[::-1]):
        found = group_identities(
            embeddings(rows[order]), labels[order], n_identities=2, threshold=SAME
        )
        assert sorted(order[found.cores[0]].tolist()) == [0, 1]


def test_images_without_identity_are_in_no_group() -> None:
    found = group_identities(
        embeddings(people([3])), np.array([0, -1, 0]), n_identities=1, threshold=SAME
    )
    assert found.groups.tolist() == [0, -1, 0]
    assert np.isnan(found.own[1])


def test_a_large_identity_is_grouped_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = embeddings(people([60, 1, 25]))  # row 60 is not in the sample
    labels = np.zeros(86, np.int64)
    whole = group_identities(faces, labels, n_identities=1, threshold=SAME)
    monkeypatch.setattr(identity_groups, "MAX_CLUSTERED", 20)
    sampled = group_identities(faces, labels, n_identities=1, threshold=SAME)
    assert whole.groups.tolist() == [0] * 60 + [2] + [1] * 25
    assert sampled.groups.tolist() == whole.groups.tolist()

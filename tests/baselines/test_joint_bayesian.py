from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import multivariate_normal

from vultus.baselines.head_file import save_head
from vultus.baselines.joint_bayesian import KIND, JointBayesian
from vultus.core.errors import InputError

Floats = npt.NDArray[np.float64]


def covariances(head: JointBayesian) -> tuple[Floats, Floats]:
    """S_mu and S_eps of a head without reduction."""
    back = np.linalg.inv(head.basis)
    return back.T @ np.diag(head.between) @ back, back.T @ back


def of_one_person(between: Floats, within: Floats, photos: int) -> Floats:
    """Covariance of all photos of a person, put in one long vector."""
    return np.kron(np.ones((photos, photos)), between) + np.kron(np.eye(photos), within)


def naive_log_likelihood(
    vectors: Floats, labels: npt.NDArray[np.int64], between: Floats, within: Floats
) -> float:
    total = 0.0
    for person in np.unique(labels):
        own = vectors[labels == person]
        total += multivariate_normal(cov=of_one_person(between, within, len(own))).logpdf(
            own.ravel()
        )
    return total / len(vectors)


def naive_step(
    vectors: Floats, labels: npt.NDArray[np.int64], between: Floats, within: Floats
) -> tuple[Floats, Floats]:
    """EM with the long vector h = (mu, eps_1 ... eps_m) of each person, x = P h (Chen et al.)."""
    dim = vectors.shape[1]
    new_between, new_within = np.zeros((dim, dim)), np.zeros((dim, dim))
    for person in np.unique(labels):
        own = vectors[labels == person]
        m = len(own)
        prior = np.zeros(((m + 1) * dim, (m + 1) * dim))
        prior[:dim, :dim] = between
        prior[dim:, dim:] = np.kron(np.eye(m), within)
        p = np.hstack([np.kron(np.ones((m, 1)), np.eye(dim)), np.eye(m * dim)])
        gain = prior @ p.T @ np.linalg.inv(p @ prior @ p.T)
        expected = gain @ own.ravel()
        second = prior - gain @ p @ prior + np.outer(expected, expected)
        new_between += second[:dim, :dim]
        for photo in range(m):
            block = slice((photo + 1) * dim, (photo + 2) * dim)
            new_within += second[block, block]
    return new_between / len(np.unique(labels)), new_within / len(vectors)


def test_each_step_is_that_of_the_naive_em(some_people: Any) -> None:
    vectors, labels = some_people.vectors, some_people.labels
    centred = vectors - vectors.mean(axis=0)
    for steps in (1, 2, 5):
        before = JointBayesian.fit(vectors, labels, iterations=steps, tolerance=0)
        after = JointBayesian.fit(vectors, labels, iterations=steps + 1, tolerance=0)
        wanted = naive_step(centred, labels, *covariances(before))
        for found, naive in zip(covariances(after), wanted, strict=True):
            assert found == pytest.approx(naive, rel=1e-7, abs=1e-9)


def test_the_likelihood_is_that_of_dense_gaussians_and_never_falls(some_people: Any) -> None:
    vectors, labels = some_people.vectors, some_people.labels
    head = JointBayesian.fit(vectors, labels, iterations=30, tolerance=0)
    centred = vectors - vectors.mean(axis=0)
    wanted = naive_log_likelihood(centred, labels, *covariances(head))
    assert head.log_likelihoods[-1] == pytest.approx(wanted)
    assert len(head.log_likelihoods) == 31
    assert (np.diff(head.log_likelihoods) >= -1e-12).all()
    assert head.log_likelihoods[-1] > head.log_likelihoods[0] + 1e-3


def test_the_score_is_the_log_likelihood_ratio(some_people: Any) -> None:
    head = JointBayesian.fit(some_people.vectors, some_people.labels)
    between, within = covariances(head)
    a, b = some_people.vectors[:20], some_people.vectors[20:40]
    pairs = np.hstack([a - head.mean, b - head.mean])
    one = multivariate_normal(cov=of_one_person(between, within, 2))
    two = multivariate_normal(cov=np.kron(np.eye(2), between + within))
    wanted = one.logpdf(pairs) - two.logpdf(pairs)
    assert head.score(a, b) == pytest.approx(wanted)
    assert head.score(b, a) == pytest.approx(wanted)
    assert head.score_matrix(a, b).diagonal() == pytest.approx(wanted)
    assert head.score_matrix(a[:3], b)[2, 7] == pytest.approx(head.score(a[2:3], b[7:8])[0])


def test_it_finds_the_covariances_that_the_people_were_drawn_from(many_people: Any) -> None:
    head = JointBayesian.fit(many_people.vectors, many_people.labels)
    between, within = covariances(head)
    for found, true in ((between, many_people.between), (within, many_people.within)):
        assert np.linalg.norm(found - true) < 0.06 * np.linalg.norm(true)


def test_it_beats_the_cosine_on_strangers(many_people: Any, strangers: Any) -> None:
    head = JointBayesian.fit(many_people.vectors, many_people.labels)
    vectors, labels = strangers.vectors, strangers.labels
    upper = np.triu_indices(len(vectors), 1)
    genuine = (labels[:, None] == labels[None, :])[upper]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    errors = {}
    for name, scores in (
        ("cosine", (unit @ unit.T)[upper]),
        ("joint", head.score_matrix(vectors, vectors)[upper]),
    ):
        threshold = np.quantile(scores[~genuine], 0.99)
        errors[name] = float((scores[genuine] < threshold).mean())
    assert errors["joint"] < 0.8 * errors["cosine"]
    # Above 0 means what it says: one person is likelier.
    scores = head.score_matrix(vectors, vectors)[upper]
    assert (scores[genuine] > 0).mean() > 0.9
    assert (scores[~genuine] < 0).mean() > 0.85


def test_a_reduction_scores_what_the_reduced_vectors_would(some_people: Any) -> None:
    vectors, labels = some_people.vectors, some_people.labels
    head = JointBayesian.fit(vectors, labels, dim=3)
    assert head.basis.shape == (6, 3)
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:3]
    again = JointBayesian.fit(centred @ axes.T, labels)
    wanted = again.score(centred[:9] @ axes.T, centred[9:18] @ axes.T)
    assert head.score(vectors[:9], vectors[9:18]) == pytest.approx(wanted)


def test_too_few_photos_for_the_dimension_are_refused(some_people: Any) -> None:
    few = some_people.labels < 2
    assert 2 < few.sum() < 16
    wide = np.random.default_rng(0).normal(size=(int(few.sum()), 20))
    with pytest.raises(InputError, match=f"set dim to at most {int(few.sum()) - 2}"):
        JointBayesian.fit(wide, some_people.labels[few])


def test_a_file_gives_the_same_scores(some_people: Any, tmp_path: Path) -> None:
    head = JointBayesian.fit(some_people.vectors, some_people.labels, dim=4)
    path = tmp_path / "head.npz"
    head.save(path)
    head.save(path)  # replaces
    loaded = JointBayesian.load(path)
    a, b = some_people.vectors[:5], some_people.vectors[5:10]
    assert (loaded.score(a, b) == head.score(a, b)).all()
    assert [file.name for file in tmp_path.iterdir()] == ["head.npz"]


def test_files_whose_arrays_do_not_fit_are_refused(some_people: Any, tmp_path: Path) -> None:
    head = JointBayesian.fit(some_people.vectors, some_people.labels)
    arrays = {name: getattr(head, name) for name in JointBayesian.__slots__}
    for change in ({"between": -head.between}, {"mean": head.mean[:-1]}):
        save_head(tmp_path / "head.npz", {**arrays, **change}, kind=KIND)
        with pytest.raises(InputError, match="do not fit"):
            JointBayesian.load(tmp_path / "head.npz")


def test_pairs_that_do_not_fit_are_refused(some_people: Any) -> None:
    head = JointBayesian.fit(some_people.vectors, some_people.labels)
    with pytest.raises(InputError, match="got 2 and 3"):
        head.score(some_people.vectors[:2], some_people.vectors[:3])
    with pytest.raises(InputError, match=r"\(n, 6\)"):
        head.score(some_people.vectors[:2, :4], some_people.vectors[:2])

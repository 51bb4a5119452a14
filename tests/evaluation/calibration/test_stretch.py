from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.evaluation.calibration import LabelledFaces
from vultus.evaluation.calibration.searches import stranger_searches
from vultus.evaluation.calibration.stretch import fit_stretches
from vultus.matching.stretch import stretch_of

DIM, INNER = 512, 4
NOISE = 0.106


def people(n_people: int, n_photos: int, *, seed: int) -> tuple[Embeddings, npt.NDArray[np.int64]]:
    """Centres on a sphere of few dimensions, where strangers are alike, and noise in all."""
    generator = np.random.default_rng(seed)
    who = np.repeat(np.arange(n_people), n_photos)
    centres = np.zeros((n_people, DIM))
    centres[:, :INNER] = generator.normal(size=(n_people, INNER))
    centres *= 2 / np.linalg.norm(centres, axis=1, keepdims=True)
    raw = centres[who] + generator.normal(0, NOISE, (len(who), DIM))
    return Embeddings.from_raw(raw, EmbeddingSpace("noise", "0" * 64, "none", DIM)), who


def share(photos: int) -> float:
    """How long the centre is of a fused vector of length 1."""
    return float(2 / np.sqrt(4 + DIM * NOISE**2 / photos))


def test_the_factor_is_that_of_the_noise_that_fusing_takes_away() -> None:
    found = fit_stretches(*people(200, 6, seed=0), generator=np.random.default_rng(0))
    pairs = {(x.photos_per_probe, x.photos_per_person): x for x in found}
    assert set(pairs) == {(k, m) for k in (1, 2, 3, 5) for m in (1, 2, 3, 5)}
    for k, m in ((2, 1), (1, 3), (3, 3), (5, 5)):
        truth = share(k) * share(m) / share(1) ** 2
        assert pairs[k, m].factor == pytest.approx(truth, rel=0.06)
        assert pairs[k, m].low * 0.97 <= truth <= pairs[k, m].high * 1.03
    factors = np.array([[pairs[k, m].factor for m in (1, 2, 3, 5)] for k in (1, 2, 3, 5)])
    assert (np.diff(factors, axis=0) >= 0).all()
    assert (np.diff(factors, axis=1) >= 0).all()


def test_too_few_people_with_photos_tell_nothing(
    make_faces: Callable[..., LabelledFaces],
) -> None:
    faces = make_faces(60, 2)
    who = np.unique(faces.identities, return_inverse=True)[1].astype(np.int64)
    generator = np.random.default_rng(0)
    found = fit_stretches(faces.embeddings, who, generator=generator)
    assert {x.photos_per_probe for x in found} == {1, 2}
    assert fit_stretches(faces.embeddings[::2], who[::2], generator=generator) == ()


def test_a_threshold_raised_so_keeps_the_rate_of_others() -> None:
    known = fit_stretches(*people(200, 6, seed=1), generator=np.random.default_rng(0))
    others = people(200, 6, seed=2)

    def rates(k: int, m: int) -> npt.NDArray[np.float64]:
        searches = stranger_searches(
            *others,
            photos_per_person=m,
            photos_per_probe=k,
            generator=np.random.default_rng(3),
        )
        return np.asarray(searches.fpirs([5])[0], np.float64)

    thresholds = np.arange(1024) / 512 - 1
    at = thresholds[np.flatnonzero(rates(1, 1) <= 0.05)[0]]
    for k, m in ((3, 1), (3, 2), (2, 3)):
        stretch = stretch_of(known, photos_per_probe=k, photos_per_person=m)
        assert stretch is not None
        raised, as_it_was = np.interp([at * stretch.factor, at], thresholds, rates(k, m))
        assert raised < 0.08
        assert as_it_was > 0.16

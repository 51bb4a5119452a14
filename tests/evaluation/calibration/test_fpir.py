"""Thresholds that follow the gallery, against strangers and galleries that are drawn anew."""

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration.fpir import Beyond, fit_fpir_curves, template_stretch
from vultus.evaluation.calibration.tail import fit_fmr_tail
from vultus.evaluation.measures.allpairs import all_pairs
from vultus.matching.fpir_curves import FpirCurves

DIM = 24
SPACE = EmbeddingSpace("test", "0" * 64, "none", DIM)


def photos_of(
    generator: np.random.Generator, n_people: int, n_photos: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Photos with something in common, more or less of it: some strangers resemble many."""
    who = np.repeat(np.arange(n_people), n_photos)
    centre = generator.normal(size=(n_people, DIM))
    common = generator.uniform(1.2, 1.6, (len(who), 1))
    noise = generator.normal(0, 1.5, (len(who), DIM))
    return centre[who] + common + noise, who


def calibrated(seed: int, n_people: int, n_photos: int) -> FpirCurves:
    generator = np.random.default_rng(seed)
    raw, who = photos_of(generator, n_people, n_photos)
    return fit_fpir_curves(
        Embeddings.from_raw(raw, SPACE), who, generator=generator, origin="simulated"
    )


def true_fpir(threshold: float, size: int, photos: int) -> float:
    """Share of fresh strangers who are given a name in fresh galleries."""
    generator = np.random.default_rng(size + photos)
    rates = []
    for _ in range(max(4, 4000 // size)):
        raw, _ = photos_of(generator, size + 1000, photos)
        people = raw.reshape(size + 1000, photos, DIM)
        templates, strangers = people[:size].mean(axis=1), people[size:, 0]
        cosines = strangers @ templates.T / np.linalg.norm(templates, axis=1)
        best = cosines.max(axis=1) / np.linalg.norm(strangers, axis=1)
        rates.append((best >= threshold).mean())
    return float(np.mean(rates))


def test_the_fpir_stays_as_people_and_photos_are_added() -> None:
    rates = calibrated(0, 700, 3)
    seen = {}
    for size in (20, 200, 1000, 1600):
        for photos in (1, 3):
            rule = rates.threshold(0.02, people_by_photos={photos: size})
            seen[size, photos] = true_fpir(rule.similarity, size, photos)
    assert all(0.012 <= rate <= 0.026 for rate in seen.values()), seen
    # What a threshold of the first gallery does in the others:
    fixed = rates.threshold(0.02, people_by_photos={1: 20}).similarity
    assert true_fpir(fixed, 200, 1) > 5 * true_fpir(fixed, 20, 1)
    assert true_fpir(fixed, 20, 3) > 2 * true_fpir(fixed, 20, 1)


def test_levels_reach_as_far_as_thirty_people_have_photos() -> None:
    generator = np.random.default_rng(1)
    raw, who = photos_of(generator, 60, 10)
    # 20 people of ten photos, 15 of five, 25 of two.
    kept = np.arange(len(who)) % 10 < np.select([who < 20, who < 35], [10, 5], 2)
    faces = Embeddings.from_raw(raw[kept], SPACE)
    rates = fit_fpir_curves(faces, who[kept], generator=generator, origin="x")
    assert [(x.photos_per_person, x.n_people) for x in rates.levels] == [
        (1, 60), (2, 60), (3, 35), (5, 35)
    ]  # fmt: skip
    assert [curve.size for curve in rates.levels[0].curves] == [1, 2, 5, 10, 20, 50, 58]
    for level in rates.levels:
        for curve in level.curves:
            pairs = level.n_people * (level.n_people - 1) / 2
            pairs += level.n_people * (level.n_strangers - level.n_people)
            assert curve.fpirs[-1] >= 3 * curve.size / pairs * 0.999


def test_too_few_people_are_refused_with_their_number() -> None:
    with pytest.raises(CalibrationError, match="there are 20: 10 more"):
        calibrated(0, 20, 2)


def test_a_followed_tail_holds_in_galleries_that_the_people_cannot_fill() -> None:
    generator = np.random.default_rng(5)
    raw, who = photos_of(generator, 300, 1)
    faces = Embeddings.from_raw(raw, SPACE)
    tail = fit_fmr_tail(all_pairs(faces, identities=who), generator=generator)
    curves = fit_fpir_curves(
        faces, who, generator=generator, origin="simulated", beyond=Beyond(tail, {})
    )
    with pytest.raises(CalibrationError, match="takes a calibration on"):
        fit_fpir_curves(faces, who, generator=generator, origin="simulated").threshold(
            0.05, people_by_photos={1: 2000}
        )
    rule = curves.threshold(0.05, people_by_photos={1: 2000})
    ends = curves.interval(0.05, gallery_size=2000)
    assert ends is not None
    assert ends[0] / 2 <= true_fpir(rule.similarity, 2000, 1) <= ends[1]
    assert rule.search is not None
    assert rule.search.fpir_high == pytest.approx(ends[1])


def test_fused_templates_raise_thresholds_to_the_safe_side() -> None:
    generator = np.random.default_rng(6)
    raw, who = photos_of(generator, 400, 3)
    faces = Embeddings.from_raw(raw, SPACE)
    factor = template_stretch(faces, who, photos_per_person=3, generator=generator)
    assert 1.02 < factor < 1.5
    tail = fit_fmr_tail(all_pairs(faces, identities=who), generator=generator)
    curves = fit_fpir_curves(
        faces, who, generator=generator, origin="simulated", beyond=Beyond(tail, {3: factor})
    )
    one, three = (curves.threshold(0.05, people_by_photos={k: 200}).similarity for k in (1, 3))
    assert three == pytest.approx(one * factor, rel=1e-3)
    assert true_fpir(one, 200, 3) > 0.06
    assert 0.005 < true_fpir(three, 200, 3) <= 0.05

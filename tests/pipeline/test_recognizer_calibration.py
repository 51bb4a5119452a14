"""Which threshold a decision takes: the site's calibration first, then the model's card."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, SpaceMismatchError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.embedding.embedder import Embedder
from vultus.gallery.gallery import Gallery
from vultus.matching.calibration import Calibration, CalibrationData
from vultus.matching.fpir_curves import FpirCurve, FpirCurves, PhotoLevel
from vultus.models.store import ModelStore
from vultus.pipeline.recognizer import Recognizer

DATA = CalibrationData("people", "f" * 64, 400, 800, 400, 800, 0, None, 0)


def calibration(embedder: Embedder, *, strictest: float = 0.85) -> Calibration:
    """FMR 1e-2 and 3e-3 alone; FPIR 0.01 at 0.5 + 0.1 log10(N), 0.05 more for three photos."""
    table = ThresholdTable(
        (
            Threshold(0.7, fmr=1e-2, n_impostor=5000, origin="this site"),
            Threshold(strictest, fmr=3e-3, n_impostor=5000, origin="this site"),
        )
    )
    levels = [
        PhotoLevel(
            photos,
            tuple(
                FpirCurve(
                    size,
                    shift + 0.1 * np.log10(size) + np.array([0.3, 0.5, 0.55]),
                    np.array([0.3, 0.01, 0.005]),
                )
                for size in (1, 10, 100)
            ),
            400,
            400,
            800,
        )
        for photos, shift in ((1, 0.0), (3, 0.05))
    ]
    rates = FpirCurves(tuple(levels), "this site")
    return Calibration(embedder.space, "2026-11-23T00:00:00+00:00", DATA, table, rates)


@pytest.fixture
def recognizer(tiny_embedder: Embedder) -> Recognizer:
    recognizer = Recognizer(embedder=tiny_embedder)
    recognizer.use_calibration(calibration(tiny_embedder))
    return recognizer


@pytest.fixture
def gallery(tiny_embedder: Embedder, tmp_path: Path) -> Gallery:
    return Gallery.open(tmp_path / "g.db", space=tiny_embedder.space, outlier_similarity=-1.0)


def enrol(gallery: Gallery, names: range, *, photos: int = 1) -> None:
    for i in names:
        raw = np.random.default_rng(i + 1000 * photos).normal(size=(photos, 32)) + 1
        gallery.enroll(f"p{i}", Embeddings.from_raw(raw, gallery.space))


def test_the_site_comes_before_the_card(recognizer: Recognizer) -> None:
    assert recognizer.threshold(1e-2).similarity == 0.7
    recognizer.use_calibration(None)
    assert recognizer.threshold(1e-2).similarity == 0.8


def test_beyond_the_sites_reach_the_card_answers_if_it_is_not_laxer(
    recognizer: Recognizer, tiny_embedder: Embedder
) -> None:
    rule = recognizer.threshold(1e-3)
    assert rule.similarity == 0.9
    assert rule.origin == (
        "model card: made up for tests; the calibration of people does not reach that far"
    )
    recognizer.use_calibration(calibration(tiny_embedder, strictest=0.93))
    with pytest.raises(CalibrationError, match=r"fmr >= 0\.003"):
        recognizer.threshold(1e-3)
    assert recognizer.threshold(1e-4).similarity == 0.95


def test_the_threshold_follows_the_gallery(recognizer: Recognizer, gallery: Gallery) -> None:
    found = [recognizer.gallery_threshold(gallery, fpir=0.01).similarity]
    for names, photos in ((range(10), 1), (range(10, 100), 1), (range(100), 2)):
        enrol(gallery, names, photos=photos)
        found.append(recognizer.gallery_threshold(gallery, fpir=0.01).similarity)
    assert found == pytest.approx([0.5, 0.6, 0.7, 0.75], abs=1e-6)


def test_too_few_people_for_an_fpir_leave_the_formula_on_their_own_pairs(
    recognizer: Recognizer, gallery: Gallery, tiny_embedder: Embedder
) -> None:
    enrol(gallery, range(2))
    measured = recognizer.gallery_threshold(gallery, fpir=0.0075)  # takes 400 people
    assert measured.origin == "FPIR 0.0075 among 2 people; this site"
    few = recognizer.gallery_threshold(gallery, fpir=0.007)
    assert few.similarity == 0.85
    assert few.origin == "FPIR 0.007 among 2 people by formula, not measured; this site"
    recognizer.use_calibration(replace(calibration(tiny_embedder), fpir_curves=None))
    assert recognizer.gallery_threshold(gallery, fpir=0.007) == few


def test_a_gallery_beyond_the_people_falls_back_to_the_card(
    recognizer: Recognizer, gallery: Gallery
) -> None:
    enrol(gallery, range(10))
    rule = recognizer.gallery_threshold(gallery, fpir=0.005)  # takes 600 people
    assert rule.similarity == 0.95
    assert rule.origin.startswith("model card: FPIR 0.005 among 10 people by formula")
    with pytest.raises(CalibrationError, match="takes a calibration on 30,000 people"):
        recognizer.gallery_threshold(gallery, fpir=1e-4)


def test_a_gallery_alone_decides_as_the_recognizer_does(
    recognizer: Recognizer, gallery: Gallery, tiny_embedder: Embedder
) -> None:
    enrol(gallery, range(10))
    probe = Embeddings.from_raw(np.random.default_rng(5).normal(size=(1, 32)) + 1, gallery.space)
    table, site = tiny_embedder.thresholds, recognizer.calibration
    for fpir in (0.0075, 0.007, 0.005):  # measured, by formula, of the card
        [answer] = gallery.identify(probe, table=table, calibration=site, fpir=fpir)
        assert answer.threshold == recognizer.gallery_threshold(gallery, fpir=fpir)
        assert answer.fpir == fpir
    [answer] = gallery.identify(probe, calibration=site, fpir=0.0075)
    assert answer.threshold.origin == "FPIR 0.0075 among 10 people; this site"
    with pytest.raises(CalibrationError, match="takes a calibration on 600 people"):
        gallery.identify(probe, calibration=site, fpir=0.005)


def test_a_calibration_of_another_space_decides_nothing_in_a_gallery(
    gallery: Gallery, tiny_embedder: Embedder
) -> None:
    found = calibration(tiny_embedder)
    other = replace(found, space=replace(found.space, model="other"))
    with pytest.raises(SpaceMismatchError, match="different model"):
        gallery.identify(Embeddings.empty(gallery.space), calibration=other)


def test_the_stores_calibration_is_found_and_checked(
    tiny_embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    assert Recognizer(embedder=tiny_embedder).calibration is None
    path = ModelStore().calibration_path("tiny")
    path.parent.mkdir(parents=True)
    text = calibration(tiny_embedder).to_json()
    path.write_text(text, encoding="utf-8")
    assert Recognizer(embedder=tiny_embedder).threshold(1e-2).similarity == 0.7
    path.write_text(text.replace(tiny_embedder.space.weights_sha256, "0" * 64), encoding="utf-8")
    with pytest.raises(SpaceMismatchError, match="weights_sha256"):
        Recognizer(embedder=tiny_embedder).threshold(1e-2)


def test_another_detector_is_warned_of(
    tiny_embedder: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    found = calibration(tiny_embedder)
    found = replace(found, data=replace(found.data, detector="yunet"))
    Recognizer(embedder=tiny_embedder, detector="yunet").use_calibration(found)
    assert caplog.text == ""
    Recognizer(embedder=tiny_embedder, detector="mtcnn").use_calibration(found)
    assert "found by yunet, not by mtcnn" in caplog.text

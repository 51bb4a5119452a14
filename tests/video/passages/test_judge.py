"""What a passage's FPIR is made of; the rates themselves are measured in a benchmark."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tests.video.world import SPACE, enrolled, vector

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.gallery.gallery import Gallery
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel
from vultus.matching.model_rates import ModelRates
from vultus.matching.stretch import Stretch
from vultus.pipeline.recognizer import Recognizer
from vultus.video.passages.judge import (
    FINAL_SHARE,
    JudgeSettings,
    PassageJudge,
    early_share,
    shots_for_look,
)

WORST = Threshold(0.7, fmr=1e-3, n_impostor=100_000, origin="worst group")


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "people.db", space=SPACE, outlier_similarity=0.3) as opened:
        enrolled(opened, 1, 2)
        yield opened


def recogniser(asked: list[tuple[float, int]], *, site: Any = None) -> Recognizer:
    """Whose threshold at FPIR f is 0.5 - log10(f) / 100."""

    def rule(gallery: Gallery, *, fpir: float, photos_per_probe: int = 1, **_: Any) -> Threshold:
        asked.append((fpir, photos_per_probe))
        if fpir < 1e-4:
            raise CalibrationError("not that strict")
        return Threshold(0.5 - np.log10(fpir) / 100)

    stretches = tuple(
        Stretch(k, m, 1.0, 1.0, 1.0 if k == m == 1 else 1.1, 100) for k in (1, 2, 5) for m in (1, 5)
    )
    curve = FpirCurve(10, np.array([0.1, 0.9]), np.array([0.5, 1e-6]))
    curves = FpirCurves((PhotoLevel(1, (curve,), 10, 10, 100),), "made up", stretches=stretches)
    return cast(
        Recognizer,
        SimpleNamespace(
            embedder=SimpleNamespace(space=SPACE, card=SimpleNamespace(name="made-up")),
            limits=None,
            gate=None,
            calibration=site,
            watcher=None,
            gallery_threshold=rule,
            rates=ModelRates((), curves),
            rules=lambda *, cautious: (ThresholdTable((WORST,)), None),
        ),
    )


def shots(person: int, n: int) -> Embeddings:
    rows = np.stack([vector(person, k) for k in range(n)])
    return Embeddings(rows, np.ones(n, np.float32), SPACE)


def test_the_shares_of_all_looks_are_the_whole_at_most() -> None:
    early = [early_share(look) for look in range(1, 10_000)]
    assert 0.999 < sum(early) + FINAL_SHARE <= 1
    assert [shots_for_look(look) for look in (1, 2, 3, 4)] == [2, 4, 8, 16]


def test_each_look_asks_for_its_share_and_for_its_shots(gallery: Gallery) -> None:
    asked: list[tuple[float, int]] = []
    judge = PassageJudge(recogniser(asked), gallery, JudgeSettings(fpir=0.01, cautious=False))
    asked.clear()
    answer = judge.early(shots(1, 2), look=1)
    judge.early(shots(1, 4), look=2)
    judge.final(shots(1, 5))
    assert [n for _, n in asked] == [2, 4, 5]
    np.testing.assert_allclose([fpir for fpir, _ in asked], [0.0025, 0.01 / 12, 0.005])
    assert answer is not None
    assert answer.identity == "person 1"
    assert answer.fpir == 0.01  # of the passage
    assert answer.n_photos == 2
    assert judge.final(shots(9, 5)).identity is None


def test_a_look_whose_rate_nobody_knows_is_not_taken(gallery: Gallery) -> None:
    judge = PassageJudge(recogniser([]), gallery, JudgeSettings(fpir=0.001, cautious=False))
    assert judge.early(shots(1, 2), look=1) is not None
    assert judge.early(shots(1, 5), look=4) is None


def test_what_cannot_be_kept_is_refused_before_any_work(gallery: Gallery) -> None:
    with pytest.raises(CalibrationError, match="not that strict"):
        PassageJudge(recogniser([]), gallery, JudgeSettings(fpir=1e-4))


def test_without_a_site_s_calibration_one_camera_s_likeness_is_reckoned_with(
    gallery: Gallery,
) -> None:
    judge = PassageJudge(recogniser([]), gallery)
    assert judge.rule(1, 0.5).similarity == pytest.approx(0.7)
    several = judge.rule(3, 0.5)
    assert several.similarity == pytest.approx(0.7 * 1.1)
    assert "no lower, as one camera" in judge.rule(3, 0.05).origin  # stricter than is known
    site = PassageJudge(recogniser([], site="measured"), gallery)
    assert site.rule(3, 0.5).similarity < 0.6
    lax = PassageJudge(recogniser([]), gallery, JudgeSettings(cautious=False))
    assert lax.rule(3, 0.5).similarity < 0.6


def test_cautious_keeps_the_worst_group_s_rate_or_refuses(gallery: Gallery) -> None:
    with pytest.raises(CalibrationError):
        PassageJudge(recogniser([]), gallery, JudgeSettings(fpir=0.001, cautious=True))
    judge = PassageJudge(recogniser([]), gallery, JudgeSettings(fpir=0.01, cautious=True))
    assert judge.rule(1, 0.5).similarity == pytest.approx(0.7)


def test_a_threshold_by_hand_is_the_same_for_all(gallery: Gallery) -> None:
    judge = PassageJudge(recogniser([]), gallery, JudgeSettings(threshold=0.42))
    assert judge.rule(1, 0.5) == judge.rule(5, 0.01) == Threshold(0.42)
    assert judge.final(shots(1, 2)).fpir is None
    with pytest.raises(InputError, match="two ways"):
        JudgeSettings(threshold=0.4, cautious=True)


def test_a_site_that_measured_fewer_shots_judges_by_the_best_of_them(gallery: Gallery) -> None:
    asked: list[tuple[float, int]] = []
    by = recogniser(asked)
    rule = by.gallery_threshold

    def few(gallery: Gallery, *, fpir: float, photos_per_probe: int = 1, **more: Any) -> Threshold:
        if photos_per_probe > 3:
            raise CalibrationError("nobody measured so many photos")
        return rule(gallery, fpir=fpir, photos_per_probe=photos_per_probe, **more)

    cast(Any, by).gallery_threshold = few
    judge = PassageJudge(by, gallery, JudgeSettings(cautious=False))
    good = np.stack([vector(1, number) for number in range(3)])
    poor = np.stack([vector(2, number) for number in range(2)])
    vectors = np.concatenate([poor[:1], good, poor[1:]])
    worth = np.array([0.1, 0.9, 0.8, 0.9, 0.1], np.float32)
    answer = judge.final(Embeddings(vectors, np.ones(5, np.float32), SPACE, quality=worth))
    assert (answer.identity, answer.n_photos) == ("person 1", 3)
    assert asked[-1] == (FINAL_SHARE * judge.settings.fpir, 3)
    assert judge.early(Embeddings(vectors, np.ones(5, np.float32), SPACE), look=1) is not None

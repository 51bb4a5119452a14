import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings
from vultus.core.errors import QualityError
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.pipeline.covered import both_covered, raised_for
from vultus.pipeline.one_person import identify_shots
from vultus.pipeline.person_check import verify_person
from vultus.pipeline.recognizer import Recognizer
from vultus.quality.gate import QualityGate

NOTHING_ELSE = QualityGate(
    **{name: None for name in QualityGate.__slots__ if name != "max_both_occlusion"}
)

DOUBTS_ONLY = dataclasses.replace(
    NOTHING_ELSE, max_both_occlusion=None, min_trust=0.2, doubt_step=0.15
)


def faces(recognizer: Recognizer, *occlusions: float | None) -> Embeddings:
    space = recognizer.embedder.space
    raw = np.zeros((len(occlusions), space.dim))
    raw[:, 0] = 1
    raw[:, 1] = 0.01 * np.arange(len(occlusions))
    found = Embeddings.from_raw(raw, space)
    if None in occlusions:
        return found
    return dataclasses.replace(found, occlusion=np.array(occlusions, np.float32))


def doubtful(recognizer: Recognizer, *trusts: float | None) -> Embeddings:
    found = faces(recognizer, *trusts)
    return dataclasses.replace(found, occlusion=None, trust=found.occlusion)


@pytest.fixture
def recognizer(tiny_model: Path) -> Recognizer:
    return Recognizer(embedder=tiny_model, gate=NOTHING_ELSE)


@pytest.fixture
def gallery(recognizer: Recognizer, tmp_path: Path) -> Gallery:
    return Gallery.open(tmp_path / "g.db", space=recognizer.embedder.space)


@pytest.mark.parametrize(
    ("enrolled", "probe", "refused"),
    [
        ([0.9, 0.8], [0.7], True),
        ([0.9, 0.1], [0.7], False),
        ([0.9, 0.8], [0.2], False),
        ([0.9, 0.8], [0.7, 0.2], False),
        ([None, None], [0.7], False),
        ([0.9, 0.8], [None], False),
    ],
)
def test_a_covered_face_is_no_match_for_whom_all_photos_are_covered(
    recognizer: Recognizer,
    gallery: Gallery,
    enrolled: list[float | None],
    probe: list[float | None],
    refused: bool,
) -> None:
    gallery.enroll("Ann", faces(recognizer, *enrolled))
    answer = identify_shots(recognizer, gallery, faces(recognizer, *probe), threshold=0.5)
    assert (answer.identity is None) == refused
    assert answer.candidates[0].identity == "Ann"
    assert ("every enrolled photo of 'Ann'" in "".join(answer.refusal)) == refused
    assert both_covered(None, gallery, "Ann", faces(recognizer, *probe)) == ()
    assert both_covered(NOTHING_ELSE, gallery, "Bob", faces(recognizer, 0.9)) == ()


@pytest.mark.parametrize(
    ("enrolled", "probe", "refused"),
    [
        ([0.3, 0.4], [0.2], True),
        ([0.3, 0.9], [0.2], False),
        ([0.3, 0.4], [0.9], False),
        ([0.3, 0.4], [0.2, 0.9], False),
        ([None, None], [0.2], False),
        ([0.3, 0.4], [None], False),
    ],
)
def test_a_doubtful_face_needs_more_to_be_somebody_of_whom_all_photos_are_doubtful(
    recognizer: Recognizer,
    gallery: Gallery,
    enrolled: list[float | None],
    probe: list[float | None],
    refused: bool,
) -> None:
    recognizer.gate = DOUBTS_ONLY
    gallery.enroll("Ann", doubtful(recognizer, *enrolled))
    shots = doubtful(recognizer, *probe)
    answer = identify_shots(recognizer, gallery, shots, threshold=0.9)
    assert (answer.identity is None) == refused
    assert answer.candidates[0].identity == "Ann"
    told = "every enrolled photo of 'Ann' are doubtful: trust 0.20 and at most 0.40; their simil"
    assert (told in "".join(answer.refusal)) == refused
    # By 0.15 ln(10 / 4 / (0.4 / 0.6)) = 0.20: what lies above is named.
    assert identify_shots(recognizer, gallery, shots, threshold=0.75).identity == "Ann"
    off = dataclasses.replace(DOUBTS_ONLY, doubt_step=0)
    assert raised_for(off, gallery, "Ann", shots)[0] == 0
    assert raised_for(DOUBTS_ONLY, gallery, "Bob", shots) == (0, "")
    assert (raised_for(DOUBTS_ONLY, gallery, "Ann", shots)[0] > 0) == refused


def test_what_the_measures_said_is_kept_and_judges_photos(
    recognizer: Recognizer, gallery: Gallery, hopper: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer.enroll(gallery, "Grace", [hopper])
    (kept,) = gallery.photos("Grace")
    seen = next(recognizer.analyse([hopper])).quality
    assert kept["occlusion"] == pytest.approx(float(seen.occlusion[0]))
    (answer,) = recognizer.identify(hopper, gallery, threshold=0.5)
    assert answer.identity == "Grace"
    recognizer.gate = dataclasses.replace(NOTHING_ELSE, max_both_occlusion=0.0)
    assert kept["occlusion"] > 0
    (answer,) = recognizer.identify(hopper, gallery, threshold=0.5)
    assert answer.identity is None
    assert answer.candidates[0].identity == "Grace"
    assert "covered" in answer.refusal[0]
    with pytest.raises(QualityError, match="every enrolled photo of 'Grace'"):
        verify_person(recognizer, gallery, "Grace", hopper, threshold=0.5)

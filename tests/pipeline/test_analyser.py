from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import TooManyFacesError
from vultus.core.faces import Image
from vultus.core.results import Identification, Verification
from vultus.embedding.embedder import Embedder
from vultus.gallery.gallery import Gallery
from vultus.pipeline.one_person import identify_person
from vultus.pipeline.person_check import verify_person
from vultus.pipeline.photos import AnalysedPhoto, Skipped
from vultus.pipeline.recognizer import Recognizer
from vultus.quality.gate import QualityGate


@pytest.fixture
def recognizer(tiny_embedder: Embedder) -> Recognizer:
    return Recognizer(embedder=tiny_embedder, threads=1)


@pytest.fixture(scope="module")
def both(hopper: Image, collins: Image) -> Image:
    return np.concatenate([hopper[:512], collins[:512]], axis=1)


def test_a_photo_with_too_many_faces_is_left_out_before_it_is_embedded(
    recognizer: Recognizer, both: Image, hopper: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer.most_faces = 1
    skipped = Skipped()
    (seen,) = recognizer.analyse([both, hopper], on_error=skipped)
    assert seen.place == 1
    assert [photo["photo"] for photo in skipped.photos] == ["photo 1"]
    monkeypatch.setattr(recognizer, "read", None)
    with pytest.raises(TooManyFacesError, match="may show 1 faces, this one shows 2"):
        list(recognizer.analyse([both]))


def test_what_would_show_too_many_faces_when_turned_is_not_read_so(
    tiny_embedder: Embedder, both: Image
) -> None:
    recognizer = Recognizer(embedder=tiny_embedder, threads=1, gate=QualityGate(min_norm=0.1))
    reader = recognizer.reader()
    assert reader is not None
    assert len(reader.detect([both])[0]) == 2
    recognizer.most_faces = 1
    assert len(reader.detect([both])[0]) == 0


class _Told:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.faces: list[int] = []
        self.answers: list[Verification | Identification] = []

    def photo(self, photo: AnalysedPhoto) -> None:
        self.faces.append(len(photo.faces))

    def verified(self, answer: Verification) -> None:
        self.answers.append(answer)

    def identified(self, gallery: Gallery, answers: Sequence[Identification]) -> None:
        assert gallery.people_by_photos == {1: 1}
        self.answers += answers


def test_a_watcher_is_told_of_every_photo_and_decision(
    recognizer: Recognizer, both: Image, hopper: Image, tmp_path: Path
) -> None:
    recognizer.watcher = told = _Told()
    with recognizer.open_gallery(tmp_path / "people.db") as gallery:
        recognizer.enroll(gallery, "Grace", [hopper])
        answers: list[object] = [recognizer.verify(hopper, hopper, fmr=1e-2)]
        answers += recognizer.identify(both, gallery, threshold=0.5)
        answers.append(verify_person(recognizer, gallery, "Grace", hopper, threshold=0.5))
        answers.append(identify_person(recognizer, gallery, [hopper], threshold=0.5))
    assert told.faces == [1, 1, 1, 2, 1, 1]
    assert told.answers[:-1] == answers[:-1]
    assert isinstance(told.answers[-1], Identification)
    assert recognizer.__getstate__()["watcher"] is None  # other processes have none

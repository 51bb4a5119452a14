import numpy as np
import pytest

from vultus.core.errors import TooManyFacesError
from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.pipeline.photos import Skipped
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

"""What a data set says of its photos: landmarks, boxes, the same photo twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vultus.alignment.align import align_faces
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.embedding.embedder import Embedder
from vultus.evaluation.protocols.photos import Photos
from vultus.image.io import read_image, write_image
from vultus.pipeline.measuring.photos import embed_with
from vultus.pipeline.recognizer import Recognizer

POINTS = np.array([[20, 20], [40, 20], [30, 32], [22, 42], [38, 42]], np.float32)


class TwoFaces:
    """Finds two faces on every photo that is not black; remembers how many it saw."""

    name = "two"

    def __init__(self) -> None:
        self.n_seen = 0

    def detect(self, image: Image) -> Faces:
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        self.n_seen += len(images)
        return [_two() if image.any() else Faces.empty() for image in images]


def _two() -> Faces:
    boxes = np.array([[10, 10, 50, 50], [70, 10, 110, 50]], np.float32)
    landmarks = np.stack([POINTS, POINTS + np.array([60, 0], np.float32)])
    return Faces(boxes, landmarks, np.array([0.75, 0.5], np.float32))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A photo, a black one, no photo, another photo."""
    noise = np.random.default_rng(0)
    for name in ("a", "d"):
        write_image(tmp_path / f"{name}.png", noise.integers(0, 255, (60, 130, 3)).astype(np.uint8))
    write_image(tmp_path / "b.png", np.zeros((60, 130, 3), np.uint8))
    (tmp_path / "c.png").write_bytes(b"no image")
    return [tmp_path / f"{name}.png" for name in "abcd"]


def _photos(paths: Sequence[Path], **said: np.ndarray) -> Photos:
    return Photos([str(path) for path in paths], Path, **said)


def _alone(embedder: Embedder, path: Path, face: int) -> np.ndarray:
    image = read_image(path)
    crop = align_faces(image, _two()[face], template=embedder.card.template)
    return np.asarray(embedder.embed(crop).vectors[0])


def test_detected_faces_come_with_their_scores(files: list[Path], tiny_embedder: Embedder) -> None:
    recognizer = Recognizer(detector=TwoFaces(), embedder=tiny_embedder)
    found = embed_with(recognizer, select="largest")(_photos(files), aligned=False)
    assert found.failed.tolist() == [False, True, True, False]
    assert found.detector_scores is not None
    assert found.detector_scores.tolist() == [0.75, 0.75]
    for row, path in enumerate((files[0], files[3])):
        expected = _alone(tiny_embedder, path, 0)
        np.testing.assert_allclose(found.embeddings.vectors[row], expected, atol=1e-5)


def test_a_box_says_which_face_is_meant(files: list[Path], tiny_embedder: Embedder) -> None:
    boxes = np.full((4, 4), np.nan, np.float32)
    boxes[0] = [64, 8, 112, 52]
    recognizer = Recognizer(detector=TwoFaces(), embedder=tiny_embedder)
    found = embed_with(recognizer, select="largest")(_photos(files, boxes=boxes), aligned=False)
    assert found.detector_scores is not None
    assert found.detector_scores.tolist() == [0.5, 0.75]
    expected = _alone(tiny_embedder, files[0], 1)
    np.testing.assert_allclose(found.embeddings.vectors[0], expected, atol=1e-5)


def test_landmarks_align_without_a_detector(files: list[Path], tiny_embedder: Embedder) -> None:
    landmarks = np.stack([_two().landmarks[1]] * 4)
    detector = TwoFaces()
    recognizer = Recognizer(detector=detector, embedder=tiny_embedder)
    photos = _photos(files, landmarks=landmarks)
    found = embed_with(recognizer, select="only")(photos, aligned=False)
    # The black photo is aligned too; the file that is no image fails.
    assert found.failed.tolist() == [False, False, True, False]
    assert found.detector_scores is None
    assert detector.n_seen == 0
    expected = _alone(tiny_embedder, files[3], 1)
    np.testing.assert_allclose(found.embeddings.vectors[2], expected, atol=1e-5)


def test_the_same_photo_may_come_twice(files: list[Path], tiny_embedder: Embedder) -> None:
    recognizer = Recognizer(detector=TwoFaces(), embedder=tiny_embedder)
    asked = [files[k] for k in (0, 2, 3, 0, 2, 1)]
    found = embed_with(recognizer, select="largest")(_photos(asked), aligned=False)
    assert found.failed.tolist() == [False, True, False, False, True, True]
    vectors = found.embeddings.vectors
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_a_model_that_crops_by_boxes_cannot_use_landmarks(
    files: list[Path], tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer(detector=TwoFaces(), embedder=tiny_embedder)
    monkeypatch.setattr("vultus.pipeline.measuring.photos.MarginTemplate", object)
    photos = _photos(files, landmarks=np.stack([POINTS] * 4))
    with pytest.raises(InputError, match="crops by the face's box"):
        embed_with(recognizer, select="only")(photos, aligned=False)

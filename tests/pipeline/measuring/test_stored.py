"""Photos of a protocol looked up in a file of embeddings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.embedding.embedding_file import FaceSource, save_embeddings
from vultus.evaluation.protocols.photos import Photos
from vultus.pipeline.measuring.stored import StoredEmbeddings

SPACE = EmbeddingSpace("net", "a" * 64, "arcface-112 rgb", 8)

Store = Callable[..., StoredEmbeddings]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Faces as (photo, box, size, score), then names of failed photos."""

    def make(*faces: tuple[Any, ...], failed: tuple[str, ...] = (), select: Any = "central") -> Any:
        raw = np.eye(8)[: len(faces)] + 0.1
        sources = [FaceSource(photo, 0, *rest) for photo, *rest in faces]
        path = tmp_path / "e.npz"
        save_embeddings(path, Embeddings.from_raw(raw, SPACE), sources=sources, failed=failed)
        return StoredEmbeddings(path, select=select)

    return make


def _named(*names: str, boxes: Any = None) -> Photos:
    def refuse(name: str) -> bytes:
        raise AssertionError(f"{name} was read")

    return Photos(names, refuse, boxes=None if boxes is None else np.array(boxes, np.float32))


LEFT, RIGHT = (0.0, 0.0, 10.0, 10.0), (40.0, 0.0, 80.0, 40.0)


def test_photos_are_found_by_the_end_of_their_path(store: Store) -> None:
    found = store(
        ("x/lfw/Ann/1.jpg", LEFT), ("x\\lfw\\Bob\\1.png", LEFT), failed=("x/lfw/Bob/2.png",)
    )(_named("Bob/1.jpg", "Ann/1.webp", "Bob/2.jpg"), aligned=False)
    assert found.failed.tolist() == [False, False, True]
    assert found.embeddings.vectors[0].argmax() == 1
    assert found.embeddings.vectors[1].argmax() == 0
    assert found.detector_scores is None
    with pytest.raises(InputError, match="has several: x/lfw/Ann/1, x/lfw/Bob/1"):
        store(("x/lfw/Ann/1.jpg", LEFT), ("x/lfw/Bob/1.png", LEFT))(_named("1.jpg"), aligned=False)


@pytest.mark.parametrize(
    ("select", "size", "row"), [("central", (40, 10), 0), ("central", (40, 120), 1)]
)
def test_one_of_several_faces_is_chosen(
    store: Store, select: str, size: tuple[int, int], row: int
) -> None:
    both = (("a.jpg", LEFT, size, 0.5), ("a.jpg", RIGHT, size, 0.75))
    found = store(*both, select=select)(_named("a.jpg"), aligned=False)
    assert found.embeddings.vectors[0].argmax() == row
    assert found.detector_scores is not None
    assert found.detector_scores.tolist() == [(0.5, 0.75)[row]]
    assert store(*both, select="only")(_named("a.jpg"), aligned=False).failed.tolist() == [True]
    both = (("a.jpg", LEFT, (40, 120), 0.5), ("a.jpg", RIGHT, (40, 120), 0.75))
    box = store(*both)(_named("a.jpg", boxes=[(38, 0, 84, 44)]), aligned=False)
    assert box.embeddings.vectors[0].argmax() == 1


def test_stored_boxes_count_as_far_as_they_lie_in_the_photo(store: Store) -> None:
    beyond = (8.0, 0.0, 90.0, 40.0)
    for size, row in (((40, 10), 0), ((40, 120), 1), (None, 1)):
        both = (("a.jpg", LEFT, size, 0.5), ("a.jpg", beyond, size, 0.75))
        found = store(*both, select="largest")(_named("a.jpg"), aligned=False)
        assert found.embeddings.vectors[0].argmax() == row


def test_without_a_size_the_central_face_is_unknown(store: Store) -> None:
    both = (("a.jpg", LEFT), ("a.jpg", RIGHT))
    assert store(*both, select="largest")(_named("a.jpg"), aligned=True).failed.tolist() == [False]
    with pytest.raises(InputError, match="say --select largest or only"):
        store(*both)(_named("a.jpg"), aligned=False)

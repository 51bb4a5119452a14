import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.session_look import look


@pytest.fixture(scope="module")
def recognizer(tiny_embedder: Embedder) -> Recognizer:
    return Recognizer(embedder=tiny_embedder)


def test_a_face_is_looked_at(recognizer: Recognizer, hopper: Image) -> None:
    seen = look(recognizer, hopper, time_s=2.5, sent_s=1)
    assert (seen.time_s, seen.sent_s, seen.n_faces) == (2.5, 1, 1)
    assert seen.landmarks is not None
    assert seen.landmarks.shape == (5, 2)
    assert seen.embedding is not None
    assert len(seen.embedding) == 1


def test_faces_as_large_are_counted_small_ones_behind_are_not(
    recognizer: Recognizer, hopper: Image
) -> None:
    small = np.zeros_like(hopper)
    small[:150, :128] = hopper[::4, ::4]
    assert look(recognizer, np.hstack([hopper, hopper]), time_s=0).n_faces == 2
    assert look(recognizer, np.hstack([hopper, small]), time_s=0).n_faces == 1


def test_no_face(recognizer: Recognizer) -> None:
    seen = look(recognizer, np.zeros((200, 200, 3), np.uint8), time_s=0)
    assert (seen.n_faces, seen.landmarks, seen.embedding) == (0, None, None)

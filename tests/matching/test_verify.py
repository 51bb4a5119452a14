import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.core.thresholds import Threshold
from vultus.matching.verify import verify

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 2)


def face(degrees: float, space: EmbeddingSpace = SPACE) -> Embeddings:
    angle = np.deg2rad(degrees)
    return Embeddings.from_raw(np.array([[np.cos(angle), np.sin(angle)]]), space)


def test_similarity_is_the_cosine_and_the_threshold_is_inclusive() -> None:
    answer = verify(face(10), face(70), threshold=Threshold(0.4))
    assert answer.similarity == pytest.approx(0.5, abs=1e-6)
    assert answer.same_person
    assert not verify(face(10), face(70), threshold=Threshold(0.6)).same_person
    assert verify(face(0), face(0), threshold=Threshold(1.0)).same_person


def test_a_threshold_of_zero_is_applied_as_it_is() -> None:
    assert verify(face(0), face(89), threshold=Threshold(0.0)).same_person
    assert not verify(face(0), face(91), threshold=Threshold(0.0)).same_person


def test_the_rate_of_the_threshold_comes_along() -> None:
    rule = Threshold(0.4, fmr=1e-3, n_impostor=1000, origin="a set")
    assert verify(face(0), face(1), threshold=rule).fmr == 1e-3


def test_anything_but_one_face_is_refused() -> None:
    two = Embeddings.concatenate([face(0), face(1)])
    with pytest.raises(InputError, match="b must hold exactly one face, got 2"):
        verify(face(0), two, threshold=Threshold(0.4))
    with pytest.raises(InputError, match="a must hold exactly one face, got 0"):
        verify(Embeddings.empty(SPACE), face(0), threshold=Threshold(0.4))


def test_two_spaces_give_an_error_and_no_number() -> None:
    other = EmbeddingSpace("other", "0" * 64, "none", 2)
    with pytest.raises(SpaceMismatchError, match="model"):
        verify(face(0), face(0, other), threshold=Threshold(0.4))

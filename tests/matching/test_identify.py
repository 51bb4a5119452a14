import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace, Template, TemplateSet
from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold
from vultus.matching.identify import identify

DIM = 16
SPACE = EmbeddingSpace("toy", "0" * 64, "none", DIM)
RULE = Threshold(0.5)


def random_faces(n: int, seed: int, space: EmbeddingSpace = SPACE) -> Embeddings:
    rng = np.random.default_rng(seed)
    return Embeddings.from_raw(rng.standard_normal((n, space.dim)), space)


def people(faces: Embeddings) -> TemplateSet:
    names = tuple(f"person {i}" for i in range(len(faces)))
    return TemplateSet(np.array(faces.vectors), names, faces.space)


def test_strangers_are_unknown_and_the_enrolled_are_named() -> None:
    space = EmbeddingSpace("toy", "0" * 64, "none", 256)
    faces = random_faces(50, 1, space)
    strangers = random_faces(20, 2, space)
    answers = identify(Embeddings.concatenate([faces, strangers]), people(faces), threshold=RULE)
    assert [a.identity for a in answers[:50]] == [f"person {i}" for i in range(50)]
    assert [a.identity for a in answers[50:]] == [None] * 20
    assert all(len(a.candidates) == 5 and a.gallery_size == 50 for a in answers)


def test_nobody_enrolled_makes_everybody_unknown() -> None:
    empty: list[TemplateSet | list[Template]]
    empty = [[], TemplateSet(np.zeros((0, DIM), np.float32), (), SPACE)]
    for nobody in empty:
        answers = identify(random_faces(2, 1), nobody, threshold=Threshold(-1), fpir=0.01)
        assert [(a.identity, a.candidates, a.gallery_size) for a in answers] == [(None, (), 0)] * 2


def test_no_probe_gives_no_answer() -> None:
    assert identify(Embeddings.empty(SPACE), people(random_faces(3, 1)), threshold=RULE) == []


def test_the_answer_notes_the_rate_asked_for() -> None:
    answer = identify(random_faces(1, 1), people(random_faces(3, 2)), threshold=RULE, fpir=0.02)[0]
    assert (answer.fpir, answer.threshold) == (0.02, RULE)


def test_a_rate_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="fpir"):
        identify(random_faces(1, 1), people(random_faces(2, 2)), threshold=RULE, fpir=1.0)

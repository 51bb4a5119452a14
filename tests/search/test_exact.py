import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.embeddings import Embeddings, EmbeddingSpace, Template, TemplateSet
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.search import near
from vultus.search.exact import search

DIM = 16
SPACE = EmbeddingSpace("toy", "0" * 64, "none", DIM)


def random_faces(n: int, seed: int, space: EmbeddingSpace = SPACE) -> Embeddings:
    rng = np.random.default_rng(seed)
    return Embeddings.from_raw(rng.standard_normal((n, space.dim)), space)


def people(faces: Embeddings) -> TemplateSet:
    names = tuple(f"person {i}" for i in range(len(faces)))
    return TemplateSet(np.array(faces.vectors), names, faces.space)


def ranked_naively(probe: Embeddings, faces: Embeddings, rank: int) -> list[list[int]]:
    orders = []
    for row in probe.vectors.astype(np.float64):
        scores = [-float(row @ other) for other in faces.vectors.astype(np.float64)]
        orders.append([i for _, i in sorted(zip(scores, range(len(scores)), strict=True))][:rank])
    return orders


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(1, 40), st.integers(1, 50), st.integers(0, 10**6))
def test_search_gives_what_a_plain_loop_gives(n: int, m: int, rank: int, seed: int) -> None:
    probe, faces = random_faces(n, seed), random_faces(m, seed + 1)
    found = search(probe, people(faces), rank=rank)
    names = [[f"person {i}" for i in order] for order in ranked_naively(probe, faces, rank)]
    assert [[candidate.identity for candidate in row] for row in found] == names
    similarities = probe.vectors.astype(np.float64) @ faces.vectors.astype(np.float64).T
    for row, line in zip(found, similarities, strict=True):
        for candidate in row:
            index = int(candidate.identity.split()[1])
            assert candidate.similarity == pytest.approx(line[index], abs=1e-6)


def test_ties_come_in_the_order_of_enrolment_however_many() -> None:
    owners = np.random.default_rng(1).integers(7, size=500)
    faces = random_faces(7, 2)[owners]
    probe = random_faces(3, 3)
    found = search(probe, people(faces), rank=500)
    for row, similarities in zip(found, probe.vectors @ faces.vectors.T, strict=True):
        of_owner = [similarities[owners == owner].mean() for owner in range(7)]
        order = sorted(range(500), key=lambda i: (-of_owner[owners[i]], i))
        assert [candidate.identity for candidate in row] == [f"person {i}" for i in order]


def test_a_face_scores_the_same_alone_and_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    space = EmbeddingSpace("toy", "0" * 64, "none", 512)
    probe, faces = random_faces(37, 1, space), people(random_faces(333, 2, space))
    together = search(probe, faces, rank=9)
    assert [search(probe[i], faces, rank=9)[0] for i in range(37)] == together
    monkeypatch.setattr(near, "_STRIP", 100)
    monkeypatch.setattr(near, "PROBES_AT_ONCE", 10)
    assert search(probe, faces, rank=9) == together


def test_a_list_of_templates_serves_as_well_as_a_set() -> None:
    faces = random_faces(4, 1)
    templates = [Template(v, SPACE, f"person {i}", 1) for i, v in enumerate(faces.vectors)]
    probe = random_faces(3, 2)
    assert search(probe, templates) == search(probe, people(faces))


def test_bad_arguments_are_refused() -> None:
    probe, faces = random_faces(1, 1), people(random_faces(2, 2))
    with pytest.raises(InputError, match="rank"):
        search(probe, faces, rank=0)
    other = EmbeddingSpace("other", "0" * 64, "none", DIM)
    with pytest.raises(SpaceMismatchError):
        search(random_faces(1, 1, other), faces)


@pytest.mark.parametrize("sign", [1, -1])
def test_faces_as_alike_or_unlike_as_can_be_tie_in_the_order_of_enrolment(sign: int) -> None:
    row = random_faces(1, 4).vectors[0]
    longer = np.stack([row * np.float32(1 + i * 1e-5) for i in (0, 5, 3, 40)]) * np.float32(sign)
    faces = Embeddings(longer, np.ones(4, np.float32), SPACE)
    probe = Embeddings(row[None] * np.float32(1.0005), np.ones(1, np.float32), SPACE)
    [found] = search(probe, people(faces), rank=2)
    assert [(c.identity, c.similarity) for c in found] == [("person 0", sign), ("person 1", sign)]

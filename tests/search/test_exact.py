import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.embeddings import Embeddings, EmbeddingSpace, Template, TemplateSet
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.search import exact
from vultus.search.exact import lowest_worth, near_best, rounding_bound, search

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
    monkeypatch.setattr(exact, "_TILE_VECTORS", 100)
    monkeypatch.setattr(exact, "_TILE_PROBES", 10)
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


@pytest.mark.parametrize("kind", ["random", "sorted", "all alike", "near ties"])
@pytest.mark.parametrize("rank", [1, 7, 50])
def test_block_maxima_miss_nobody(kind: str, rank: int) -> None:
    rng = np.random.default_rng(rank)
    true = rng.uniform(-1, 1, 5000)
    if kind == "sorted":
        true.sort()
    elif kind == "all alike":
        true[:] = 0.25
    elif kind == "near ties":
        true[:] = 0.5 + rng.integers(-3, 4, 5000) * 2.0**-24
    error = 2.0**-20
    rough = (true + rng.uniform(-error, error, 5000) * 0.9).astype(np.float32)
    answered = true.astype(np.float32)
    best = np.argsort(-answered, kind="stable")[:rank]
    near = near_best(rough, rank=rank, error=error)
    assert set(best) <= set(near.tolist())
    if kind in {"random", "sorted"}:
        assert len(near) <= rank + 2


@pytest.mark.parametrize("sign", [1, -1])
def test_faces_as_alike_or_unlike_as_can_be_tie_in_the_order_of_enrolment(sign: int) -> None:
    row = random_faces(1, 4).vectors[0]
    longer = np.stack([row * np.float32(1 + i * 1e-5) for i in (0, 5, 3, 40)]) * np.float32(sign)
    faces = Embeddings(longer, np.ones(4, np.float32), SPACE)
    probe = Embeddings(row[None] * np.float32(1.0005), np.ones(1, np.float32), SPACE)
    [found] = search(probe, people(faces), rank=2)
    assert [(c.identity, c.similarity) for c in found] == [("person 0", sign), ("person 1", sign)]


def test_float32_products_stay_within_the_bound() -> None:
    rng = np.random.default_rng(0)
    for dim in (2, 128, 512):
        a, b = np.abs(rng.standard_normal((2, 2000, dim))).astype(np.float32)
        a /= np.linalg.norm(a, axis=1, keepdims=True)
        b /= np.linalg.norm(b, axis=1, keepdims=True)
        true = (a.astype(np.float64) * b).sum(axis=1)
        in_order = np.cumsum(a * b, axis=1, dtype=np.float32)[:, -1]  # the worst way to sum
        assert np.abs(in_order - true).max() <= rounding_bound(dim)
        assert np.abs(np.vecdot(a, b) - true).max() <= rounding_bound(dim)


@settings(deadline=None)
@given(st.floats(-1.002, 1.002), st.floats(0, 2.0**-22))
def test_whoever_is_answered_alike_is_worth_a_look(similarity: float, less: float) -> None:
    answers = np.clip([similarity - less, similarity], -1, 1).astype(np.float32)
    assert similarity - less >= lowest_worth(similarity) or answers[0] < answers[1]

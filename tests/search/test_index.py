"""Every way of searching against brute force in float64."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import InputError, MissingDependencyError
from vultus.search import coded, exact, index
from vultus.search.index import VectorIndex

Vectors = npt.NDArray[np.float32]
DIM = 16
NUMBA = coded.can_scan()
WAYS: list[Literal["exact", "coded"]] = ["exact", "coded"] if NUMBA else ["exact"]
needs_numba = pytest.mark.skipif(not NUMBA, reason="numba is not installed")


def unit(rows: npt.NDArray[Any]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def random(rng: np.random.Generator, n: int) -> Vectors:
    return unit(rng.standard_normal((n, DIM)))


def clustered(rng: np.random.Generator, n: int) -> Vectors:
    return unit(rng.standard_normal((5, DIM))[rng.integers(5, size=n)] + rng.normal(0, 0.01, DIM))


def duplicated(rng: np.random.Generator, n: int) -> Vectors:
    return random(rng, 1 + n // 10)[rng.integers(1 + n // 10, size=n)]


def near_ties(rng: np.random.Generator, n: int) -> Vectors:
    rows = np.repeat(random(rng, 1), n, axis=0)
    steps = rng.integers(-2, 3, rows.shape).astype(np.float32)
    return rows + steps * np.float32(2.0**-26)


def without_residual(rng: np.random.Generator, n: int) -> Vectors:
    """Rows of a few equal entries, which int8 holds exactly; many at the same similarity."""
    rows = np.zeros((n, DIM), np.float32)
    rows[np.arange(n)[:, None], np.argsort(rng.random((n, DIM)))[:, :4]] = 0.5
    return rows


def all_equal(rng: np.random.Generator, n: int) -> Vectors:
    return np.repeat(random(rng, 1), n, axis=0)


def opposed(rng: np.random.Generator, n: int) -> Vectors:
    return all_equal(rng, n) * np.where(rng.random((n, 1)) < 0.5, -1, 1).astype(np.float32)


def uneven(rng: np.random.Generator, n: int) -> Vectors:
    """Lengths as far from 1 as is accepted."""
    return random(rng, n) * rng.uniform(0.9991, 1.0009, (n, 1)).astype(np.float32)


KINDS = [
    random, clustered, duplicated, near_ties, without_residual, all_equal, opposed, uneven
]  # fmt: skip


def brute_force(
    vectors: Vectors,
    probe: Vectors,
    among: npt.NDArray[np.bool_],
    rank: int | None,
    threshold: float | None,
) -> tuple[list[int], list[float]]:
    true = np.array([(v.astype(np.float64) * probe.astype(np.float64)).sum() for v in vectors])
    answered = np.clip(true, -1, 1).astype(np.float32).astype(np.float64)
    rows = [i for i in np.argsort(-answered, kind="stable").tolist() if among[i]]
    if threshold is not None:
        rows = [i for i in rows if answered[i] >= threshold]
    return rows[:rank], answered[rows[:rank]].tolist()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 400),
    rank=st.none() | st.integers(1, 50),
    threads=st.integers(1, 3),
    removed=st.sampled_from([0.0, 0.1, 0.9]),
    masked=st.sampled_from([None, 0.02, 0.7]),
    grouped=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_every_way_gives_what_brute_force_gives(
    way: Literal["exact", "coded"],
    kind: Callable[[np.random.Generator, int], Vectors],
    n: int,
    rank: int | None,
    threads: int,
    removed: float,
    masked: float | None,
    grouped: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    vectors = kind(rng, n)
    probes = np.concatenate([vectors[rng.integers(n, size=2)], random(rng, 2), -vectors[:1]])
    among = rng.random(n) >= removed
    groups = rng.integers(3, size=n)
    searched = VectorIndex(DIM, way=way, threads=threads)
    half = n // 2
    searched.add(vectors[:half], groups=groups[:half])
    searched.remove(np.flatnonzero(~among[:half]))
    searched.add(vectors[half:], groups=groups[half:])
    searched.remove(half + np.flatnonzero(~among[half:]))
    np.testing.assert_array_equal(searched.ids, np.flatnonzero(among))
    mask = None if masked is None else rng.random(n) < masked
    given_mask = None if mask is None else mask[among]
    among &= True if mask is None else mask
    among &= groups > 0 if grouped else True
    threshold = None
    if rank is None or seed % 3 == 0:  # one of the similarities themselves: "at least" includes it
        _, some = brute_force(vectors, probes[0], np.ones(n, np.bool_), None, None)
        threshold = some[seed % len(some)]
    wanted_groups = [1, 2] if grouped else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_BYTES_PER_THREAD", 1)
        patch.setattr(exact, "_TILE_VECTORS", 90)
        patch.setattr(coded, "_BLOCK_BYTES", 100 * DIM)
        answers = searched.search(
            probes, rank=rank, threshold=threshold, mask=given_mask, groups=wanted_groups
        )
    assert len(answers) == len(probes)
    for probe, answer in zip(probes, answers, strict=True):
        rows, similarities = brute_force(vectors, probe, among, rank, threshold)
        assert answer.ids.tolist() == rows
        assert answer.similarities.tolist() == similarities
        assert answer.way.startswith(way) or not among.any()
        assert len(rows) <= answer.reranked <= n


@needs_numba
@pytest.mark.parametrize("dim", [128, 512])
def test_codes_spare_almost_every_row(dim: int) -> None:
    rng = np.random.default_rng(dim)
    vectors = unit(rng.standard_normal((30_000, dim)))
    probes = unit(vectors[:40] + 0.5 / np.sqrt(dim) * rng.standard_normal((40, dim)))
    auto, plain = VectorIndex(dim), VectorIndex(dim, way="exact")
    auto.add(vectors)
    plain.add(vectors)
    pairs = zip(auto.search(probes, rank=10), plain.search(probes, rank=10), strict=True)
    for quick, slow in pairs:
        assert (quick.way, slow.way) == ("coded", "exact")
        assert quick.reranked < 200
        np.testing.assert_array_equal(quick.ids, slow.ids)
        np.testing.assert_array_equal(quick.similarities, slow.similarities)


@needs_numba
def test_where_codes_decide_nothing_all_rows_are_compared() -> None:
    vectors = all_equal(np.random.default_rng(0), coded.MOST_CANDIDATES + 1)
    searched = VectorIndex(DIM, way="coded")
    searched.add(vectors)
    [answer] = searched.search(vectors[:1], rank=3)
    assert answer.way == "coded, then exact"
    assert answer.ids.tolist() == [0, 1, 2]
    assert answer.reranked == len(vectors)


@needs_numba
def test_codes_come_once_there_are_enough_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "CODED_FROM", 100)
    vectors = random(np.random.default_rng(0), 150)
    searched = VectorIndex(DIM)
    for row in vectors[:99]:
        searched.add(row[None])
    assert searched.search(vectors[:1], rank=1)[0].way == "exact"
    searched.remove([0])
    searched.add(vectors[99:])
    [first, last] = searched.search(vectors[[0, 149]], rank=1)
    assert (first.way, last.way) == ("coded", "coded")
    assert first.ids[0] != 0
    assert last.ids[0] == 149
    few = np.arange(149) == 7
    assert searched.search(vectors[:1], rank=1, mask=few)[0].way == "exact"


def test_without_numba_every_size_is_searched_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coded, "can_scan", lambda: False)
    monkeypatch.setattr(index, "CODED_FROM", 10)
    vectors = random(np.random.default_rng(0), 50)
    searched = VectorIndex(DIM)
    searched.add(vectors)
    assert searched.search(vectors[:1], rank=1)[0].way == "exact"
    with pytest.raises(MissingDependencyError, match="numba"):
        VectorIndex(DIM, way="coded")


@pytest.mark.parametrize("way", WAYS)
def test_removed_vectors_are_overwritten_and_their_numbers_never_used_again(
    way: Literal["exact", "coded"],
) -> None:
    vectors = random(np.random.default_rng(0), 10)
    searched = VectorIndex(DIM, way=way)
    searched.add(vectors)
    searched.remove([2, 4])
    assert not searched._vectors.rows[[2, 4]].any()
    if way == "coded":
        assert not searched._codes.codes.rows[[2, 4]].any()
    before = searched.nbytes
    searched.remove([0, 1, 3, 5])  # more gone than left: the room is given back
    assert searched.nbytes < before
    assert searched.ids.tolist() == [6, 7, 8, 9]
    assert searched.add(vectors[:2]).tolist() == [10, 11]
    assert searched.search(vectors[1:2], rank=1)[0].ids.tolist() == [11]


def test_an_empty_index_finds_nobody() -> None:
    searched = VectorIndex(DIM)
    probe = random(np.random.default_rng(0), 2)
    assert [len(answer.ids) for answer in searched.search(probe, rank=3)] == [0, 0]
    assert searched.search(probe[:0], rank=3) == []
    searched.add(probe[:0])
    searched.add(probe)
    assert len(searched.search(probe, rank=3, groups=[9])[0].ids) == 0


def test_bad_arguments_are_refused() -> None:
    searched = VectorIndex(DIM)
    vectors = random(np.random.default_rng(0), 3)
    searched.add(vectors)
    with pytest.raises(InputError, match="length 1"):
        searched.add(vectors * 2)
    with pytest.raises(InputError, match="float32"):
        searched.search(vectors.astype(np.float64), rank=1)
    with pytest.raises(InputError, match="rank="):
        searched.search(vectors)
    with pytest.raises(InputError, match="mask"):
        searched.search(vectors, rank=1, mask=np.ones(4, np.bool_))
    with pytest.raises(InputError, match="groups"):
        searched.add(vectors, groups=[1, 2])
    with pytest.raises(InputError, match="way"):
        VectorIndex(DIM, way="fast")  # type: ignore[arg-type]
    for gone in ([3], [-1], [0, 7]):
        with pytest.raises(InputError, match="no vector"):
            searched.remove(gone)
    searched.remove([1])
    with pytest.raises(InputError, match=r"no vector \[1\]"):
        searched.remove([0, 1])
    assert searched.ids.tolist() == [0, 2]

"""Every way of searching against brute force in float64."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import InputError, MissingDependencyError
from vultus.search import coded, index, near, ways
from vultus.search.index import VectorIndex
from vultus.search.index_file import IndexFile, Stamp

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
        patch.setattr(ways, "_BYTES_PER_THREAD", 1)
        patch.setattr(near, "_STRIP", 90)
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
    assert not searched._memory.vectors()[[2, 4]].any()
    if way == "coded":
        assert not searched._memory.codes().codes[[2, 4]].any()
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


@pytest.mark.parametrize("way", WAYS)
def test_numbers_of_ones_own(way: Literal["exact", "coded"]) -> None:
    vectors = random(np.random.default_rng(0), 9)
    searched = VectorIndex(DIM, way=way)
    own = [5, -(2**63), 2**62, 0]
    assert searched.add(vectors[:4], ids=own).tolist() == own
    assert searched.add(vectors[4:5], ids=[3]).tolist() == [3]
    assert searched.add(vectors[5:6]).tolist() == [2**62 + 1]
    for i, number in enumerate([*own, 3, 2**62 + 1]):
        assert searched.search(vectors[i : i + 1], rank=1)[0].ids.tolist() == [number]
    searched.remove([0, -(2**63)])
    assert sorted(searched.ids.tolist()) == [3, 5, 2**62, 2**62 + 1]
    assert searched.add(vectors[6:7], ids=[0]).tolist() == [0]  # given back by its owner
    assert searched.search(vectors[6:7], rank=1)[0].ids.tolist() == [0]
    with pytest.raises(InputError, match=r"vectors \[5\] already"):
        searched.add(vectors[7:9], ids=[77, 5])
    with pytest.raises(InputError, match="once"):
        searched.add(vectors[7:9], ids=[77, 77])
    with pytest.raises(InputError, match=r"vectors \[3\] already"):  # came after larger ones
        searched.add(vectors[7:8], ids=[3])
    with pytest.raises(InputError, match="2 integers"):
        searched.add(vectors[7:9], ids=[1.0, 2.0])
    with pytest.raises(InputError, match="int64"):
        searched.add(vectors[7:8], ids=np.array([2**63], np.uint64))
    assert len(searched) == 5
    searched.add(vectors[7:8], ids=[2**63 - 1])
    with pytest.raises(InputError, match="no number is left"):
        searched.add(vectors[8:9])


class Mirror:
    """What an index must answer: a dictionary, searched by brute force."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[Vectors, int]] = {}

    def search(
        self, probe: Vectors, rank: int | None, threshold: float | None, among: set[int]
    ) -> tuple[list[int], list[float]]:
        numbers = sorted(among & self.rows.keys())
        if not numbers:
            return [], []
        vectors = np.stack([self.rows[number][0] for number in numbers])
        every = np.ones(len(numbers), np.bool_)
        places, similarities = brute_force(vectors, probe, every, rank, threshold)
        return [numbers[place] for place in places], similarities


def check_against(
    searched: VectorIndex, mirror: Mirror, rng: np.random.Generator, probes: Vectors
) -> None:
    numbers = searched.ids
    assert sorted(numbers.tolist()) == sorted(mirror.rows)
    assert len(searched) == len(mirror.rows)
    mask = rng.random(len(numbers)) < 0.6
    of_group = {number for number, (_, group) in mirror.rows.items() if group == 1}
    some = rng.permutation(numbers)[: int(rng.integers(1, 40))].tolist()
    rank = int(rng.integers(1, 20))
    asked: list[tuple[dict[str, Any], set[int]]] = [
        ({}, set(mirror.rows)),
        ({"mask": mask}, set(numbers[mask].tolist())),
        ({"groups": [1, 7]}, of_group),
        ({"among": [*some, 10**15]}, set(some)),
        (
            {"among": some, "groups": [1], "mask": mask},
            set(some) & of_group & set(numbers[mask].tolist()),
        ),
    ]
    for filters, among in asked:
        for most, least in ((rank, None), (None, 0.2), (rank, 0.1)):
            answers = searched.search(probes, rank=most, threshold=least, **filters)
            for probe, answer in zip(probes, answers, strict=True):
                ids, similarities = mirror.search(probe, most, least, among)
                assert answer.ids.tolist() == ids
                assert answer.similarities.tolist() == similarities


def change(
    searched: VectorIndex, mirror: Mirror, rng: np.random.Generator, vectors: Vectors
) -> None:
    """Some vectors come, some are replaced, some go."""
    here = np.array(sorted(mirror.rows), np.int64)
    n = int(rng.integers(1, 60))
    fresh = np.setdiff1d(rng.integers(-500, 10**6, n), here)
    rng.shuffle(fresh)
    groups = rng.integers(3, size=len(fresh))
    chosen = vectors[rng.integers(len(vectors), size=len(fresh))]
    searched.add(chosen, ids=fresh, groups=groups)
    mirror.rows |= zip(fresh.tolist(), zip(chosen, groups.tolist(), strict=True), strict=True)
    replaced = rng.permutation(here)[: len(here) // 4]
    chosen = vectors[rng.integers(len(vectors), size=len(replaced))]
    group = None if rng.random() < 0.5 else 1
    searched.update(replaced, chosen, groups=group)
    for number, vector in zip(replaced.tolist(), chosen, strict=True):
        mirror.rows[number] = (vector, mirror.rows[number][1] if group is None else group)
    gone = rng.permutation(np.array(list(mirror.rows)))[: len(mirror.rows) // 3]
    searched.remove(gone)
    for number in gone.tolist():
        del mirror.rows[number]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_came_was_replaced_and_went_is_found_as_by_brute_force(
    tmp_path: Path,
    way: Literal["exact", "coded"],
    kind: Callable[[np.random.Generator, int], Vectors],
) -> None:
    rng = np.random.default_rng(5)
    searched, mirror = VectorIndex(DIM, way=way), Mirror()
    vectors = kind(rng, 80)
    for number in range(12):
        change(searched, mirror, rng, vectors)
        if number % 4 == 3:  # the rest in a file from here on
            searched.save(tmp_path / "index", Stamp(b"toy", number))
            searched = VectorIndex.open(IndexFile(tmp_path / "index"), way=way)
            check_against(searched, mirror, rng, vectors[:1])
        check_against(searched, mirror, rng, np.concatenate([vectors[:2], random(rng, 1)]))


@pytest.mark.parametrize("way", WAYS)
def test_replaced_vectors_are_overwritten(way: Literal["exact", "coded"]) -> None:
    vectors = random(np.random.default_rng(0), 6)
    searched = VectorIndex(DIM, way=way)
    searched.add(vectors[:4], ids=[9, 7, 5, 3], groups=[0, 1, 0, 1])
    searched.update([5, 9], vectors[4:])
    assert searched.search(vectors[4:5], rank=1)[0].ids.tolist() == [5]
    assert searched.search(vectors[2:3], rank=1)[0].similarities[0] < 0.99
    assert not (searched._memory.vectors()[:, None] == vectors[None, [0, 2]]).all(-1).any()
    for wrong, message in (([3, 4], r"no vector \[4\] to replace"), ([3, 3], "once")):
        with pytest.raises(InputError, match=message):
            searched.update(wrong, vectors[:2])
    with pytest.raises(InputError, match="2 integers"):
        searched.update([3], vectors[:2])
    searched.discard([3, 1000])
    assert sorted(searched.ids.tolist()) == [5, 7, 9]


def test_vectors_are_given_back_by_number(tmp_path: Path) -> None:
    vectors = random(np.random.default_rng(0), 6)
    searched = VectorIndex(DIM)
    searched.add(vectors[:4], ids=[9, 7, 5, 3])
    searched.save(tmp_path / "index", Stamp(b"", 0))
    searched = VectorIndex.open(IndexFile(tmp_path / "index"))
    searched.update([7], vectors[4:5])
    searched.add(vectors[5:], ids=[1])
    np.testing.assert_array_equal(searched.vectors([1, 7, 9]), vectors[[5, 4, 0]])
    assert searched.has([1, 2, 3, 7]).tolist() == [True, False, True, True]
    with pytest.raises(InputError, match=r"no vector \[2\] to give"):
        searched.vectors([1, 2])


def test_threads_search_while_one_changes() -> None:
    rng = np.random.default_rng(0)
    vectors = random(rng, 400)
    searched = VectorIndex(DIM)
    searched.add(vectors[:200])
    failures: list[str] = []

    def search() -> None:
        for _ in range(150):
            [answer] = searched.search(vectors[:1], rank=100)
            similarities = answer.similarities
            if len(answer.ids) != 100 or (np.diff(similarities) > 0).any() or answer.ids[0] != 0:
                failures.append(str(answer))

    threads = [Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(200, 400):
        searched.add(vectors[number : number + 1])
        searched.remove([number - 100])
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("way", WAYS)
def test_one_by_one_is_all_at_once(way: Literal["exact", "coded"]) -> None:
    """Also where numbers do not ascend, and some go in between."""
    rng = np.random.default_rng(3)
    vectors = random(rng, 300)
    numbers, groups = rng.permutation(1000)[:300], rng.integers(0, 3, 300).tolist()
    single, together = VectorIndex(DIM, way=way), VectorIndex(DIM, way=way)
    together.add(vectors, ids=numbers, groups=groups)
    for place in range(300):
        row = slice(place, place + 1)
        given = single.add(vectors[row], ids=numbers[row], groups=groups[place])
        assert given.tolist() == numbers[row].tolist()
        if place % 50 == 49:
            for index in (single, together):
                index.remove(numbers[place - 1 : place])
    probes = random(rng, 5)
    for wanted in (None, [1], [0, 2]):
        ours, theirs = (index.search(probes, rank=7, groups=wanted) for index in (single, together))
        assert [a.ids.tolist() for a in ours] == [a.ids.tolist() for a in theirs]
    assert single.add(vectors[:1]) == together.add(vectors[:1]) == [int(numbers.max()) + 1]
    with pytest.raises(InputError, match="already"):
        single.add(vectors[:1], ids=numbers[:1])
    with pytest.raises(InputError, match="length 1"):
        single.add(vectors[:1] * 2)
    with pytest.raises(InputError, match="finite"):
        single.add(np.full((1, DIM), np.nan, np.float32))

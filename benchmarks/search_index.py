"""Exact 1:N search: `VectorIndex` beside faiss and the bare product, on the same vectors.

Every way searches the same vectors for the same probes, in alternating order; CPU time (of all
threads) and wall time are medians over the probes. The vectors lie in the file of an index, which
"in the file" searches where it is; the others hold their own copy. "equal" counts the probes whose
whole top 10, order included, is that of brute force in float64; "found" those whose mate comes
first; "added FNIR" is the share of mates that brute force puts first and above the threshold (which
10 % of the probes reach with somebody else) and that the way misses. The floor is the CPU time that
reading the way's bytes takes on one core, at the bandwidth that is measured in alternation with the
ways (the median of sums over 512 MB): others' work, which shares the memory, slows both. Memory is
what the process grew by. NumPy and faiss are held to one thread, since threads that wait for each
other burn CPU time.

    python benchmarks/search_index.py [--sizes 10000 100000 1000000] [--dims 128 512]

Vectors are random; ``--real FILE.npz`` (vectors, person, photo: two photos of a person, numbered 0
and 1) enrols first photos, extends them by mixtures of two people with noise of their covariance,
and looks for second photos. ``--before PATH`` adds the search of an older copy of this library.
Peers come from an environment of their own: pip install faiss-cpu; without it, skipped.
"""

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from vultus.search.index import VectorIndex
from vultus.search.index_file import IndexFile, Stamp
from vultus.search.index_writer import RowBlock, write_index

RANK = 10
PACKAGES = ("vultus", "numpy", "numba", "faiss-cpu")
AT_ONCE = 1 << 16
MOST_COPIED = 1 << 30
"""Bytes of vectors above which they are not held in memory once more, but by faiss Flat."""
Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Search = Callable[[Vectors], Ids]


class Way(NamedTuple):
    """One way of searching: how, MB it took, seconds to build or open, bytes a probe reads."""

    search: Search
    held: float
    build: float
    read: int


class Truth(NamedTuple):
    """Brute force: the top 10 of each probe, the mate, and whether it is found above threshold."""

    top: Ids
    mates: Ids
    identified: npt.NDArray[np.bool_]


def main() -> None:
    """Run all sizes and print a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--probes", type=int, default=40, help="single probes")
    parser.add_argument("--judged", type=int, default=400, help="probes whose answers are judged")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--real", type=Path, help="embeddings to extend; their dimension counts")
    parser.add_argument("--most-hnsw", type=int, default=100_000, help="built up to this size")
    parser.add_argument("--before", type=Path, help="src folder of an older copy")
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    load = os.getloadavg()[0]
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {versions}")
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start; top {RANK}\n")
    source = _Real(options.real) if options.real else None
    before = None if options.before is None else _older_search(options.before)
    for dim in options.dims if source is None else [source.dim]:
        for size in options.sizes:
            with threadpool_limits(1), tempfile.TemporaryDirectory(dir=options.folder) as folder:
                _compare(source or _Random(dim), size, Path(folder) / "index", before, options)


class _Random:
    """Random vectors, and probes at about 0.7 to their own."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def blocks(self, size: int) -> Iterator[Vectors]:
        rng = np.random.default_rng(0)
        for start in range(0, size, AT_ONCE):
            yield _unit(rng.standard_normal((min(AT_ONCE, size - start), self.dim), np.float32))

    def probes(self, vectors: Vectors, n: int) -> tuple[Vectors, Ids]:
        rng = np.random.default_rng(1)
        mates = rng.integers(0, len(vectors), n)
        noise = rng.standard_normal((n, self.dim), np.float32)
        return _unit(vectors[mates] + noise / np.float32(np.sqrt(self.dim))), mates


class _Real:
    """First photos of people, then mixtures of them; probes are second photos."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            vectors, person, photo = file["vectors"], file["person"], file["photo"]
        self.first, of_first = vectors[photo == 0], person[photo == 0]
        places = {int(number): place for place, number in enumerate(of_first)}
        self.second = vectors[photo == 1]
        self.mates = np.array([places[int(number)] for number in person[photo == 1]])
        self.dim = vectors.shape[1]
        self._root = np.linalg.cholesky(
            np.cov(self.first, rowvar=False) + 1e-6 * np.eye(self.dim)
        ).astype(np.float32)

    def blocks(self, size: int) -> Iterator[Vectors]:
        rng = np.random.default_rng(0)
        yield self.first[:size]
        for start in range(len(self.first), size, AT_ONCE):
            n = min(AT_ONCE, size - start)
            one, other = (self.first[rng.integers(0, len(self.first), n)] for _ in range(2))
            share = rng.uniform(0.3, 0.7, (n, 1)).astype(np.float32)
            noise = rng.standard_normal((n, self.dim), np.float32) @ self._root.T
            yield _unit(share * one + (1 - share) * other + np.float32(0.5) * noise)

    def probes(self, vectors: Vectors, n: int) -> tuple[Vectors, Ids]:
        chosen = np.random.default_rng(1).permutation(len(self.second))
        chosen = chosen[self.mates[chosen] < len(vectors)][:n]
        return self.second[chosen], self.mates[chosen]


def _compare(source: Any, size: int, path: Path, before: Any, options: argparse.Namespace) -> None:
    start = time.perf_counter()

    def rows() -> Iterator[RowBlock]:
        first = 0
        for block in source.blocks(size):
            ids = np.arange(first, first + len(block))
            first += len(block)
            yield RowBlock(ids, block, np.zeros(len(block), np.int64))

    stamp = Stamp(b"benchmark", 0)
    write_index(path, rows(), n=size, dim=source.dim, stamp=stamp, next_id=size)
    written = time.perf_counter() - start
    vectors = IndexFile(path).read("vectors")
    probes, mates = source.probes(vectors, max(options.batch, options.probes, options.judged))
    truth = _brute_force(vectors, probes, mates)
    ways = _ways(path, vectors, before, options.most_hnsw)
    times, batches, found, bandwidth = _measure(ways, probes, options)
    kind = "random" if isinstance(source, _Random) else "real, extended"
    print(f"{size:,} x {source.dim}, {kind}: {bandwidth / 1e9:.1f} GB/s read on one core; ", end="")
    print(f"file made and written in {written:.1f} s, {path.stat().st_size / 1e6:.0f} MB")
    print(f"(mates: brute force puts {int((truth.top[:, 0] == mates).sum())} of {len(mates)} first")
    print(f"and {int(truth.identified.sum())} above the threshold, too)\n")
    print(
        "| way | MB | build or open s | CPU ms p50 | wall ms p50 | p99 | floor ms | x floor | "
        f"equal | found | added FNIR | batch of {options.batch}: CPU ms | wall ms |"
    )
    print("|---|" + "---:|" * 12)
    for name, way in ways.items():
        print(_line(name, way, times[name], batches[name], found[name], truth, bandwidth))
    print(flush=True)


def _measure(ways: dict[str, Way], probes: Vectors, options: argparse.Namespace) -> tuple[Any, ...]:
    """CPU and wall seconds of single probes and batches, what was found, by way; bytes a second."""
    array, read = np.ones(1 << 26, np.int64), list[float]()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    batches: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    found: dict[str, list[Ids]] = {name: [] for name in ways}
    for name, way in ways.items():  # pages are mapped, checksums compared, code compiled
        way.search(probes[:1])
        found[name] = [way.search(probes[i : i + 64]) for i in range(0, len(probes), 64)]
    for number in range(options.probes):
        read.append(_timed(np.sum, array)[1])
        for name in ways if number % 2 == 0 else reversed(ways):
            times[name].append(_timed(ways[name].search, probes[number : number + 1])[1:])
    for number in range(options.batches):
        for name in ways if number % 2 == 0 else reversed(ways):
            batches[name].append(_timed(ways[name].search, probes[: options.batch])[1:])
    answers = {name: np.concatenate(found[name]) for name in ways}
    return times, batches, answers, array.nbytes / statistics.median(read)


def _line(
    name: str, way: Way, times: Any, batches: Any, found: Ids, truth: Truth, bandwidth: float
) -> str:
    cpu, wall = (sorted(column) for column in zip(*times, strict=True))
    batch_cpu, batch_wall = (statistics.median(column) for column in zip(*batches, strict=True))
    floor, spent = way.read / bandwidth, statistics.median(cpu)
    cells = [name, f"{way.held:.0f}", f"{way.build:.2f}", f"{spent * 1e3:.2f}"]
    cells += [f"{statistics.median(wall) * 1e3:.2f}", f"{wall[int(len(wall) * 0.99)] * 1e3:.2f}"]
    cells += [f"{floor * 1e3:.2f}", f"{spent / floor:.2f}"] if way.read else ["-", "-"]
    if found[0][0] < 0:  # the bare product ranks nothing
        cells += ["-", "-", "-"]
    else:
        hit = found[:, 0] == truth.mates
        missed = np.count_nonzero(truth.identified & ~hit) / len(hit)
        cells.append(f"{int((found == truth.top).all(axis=1).sum())} of {len(hit)}")
        cells += [f"{100 * hit.mean():.1f} %", f"{100 * missed:.2f} %"]
    cells += [f"{batch_cpu * 1e3:.1f}", f"{batch_wall * 1e3:.1f}"]
    return f"| {' | '.join(cells)} |"


def _ways(path: Path, vectors: Vectors, before: Any, most_hnsw: int) -> dict[str, Way]:
    size, dim = vectors.shape
    few = vectors.nbytes <= MOST_COPIED
    codes, whole = size * (dim + 8), vectors.nbytes
    ways: dict[str, Way] = {}
    if few:
        ways["exact"] = _built(lambda: _index(vectors, "exact"), whole)
    ways["exact, in the file"] = _built(lambda: _opened(path, "exact"), whole)
    if find_spec("numba"):
        if few:
            ways["coded"] = _built(lambda: _index(vectors, "coded"), codes)
        ways["coded, in the file"] = _built(lambda: _opened(path, "coded"), codes)
        ways["coded, in the file, 2 threads"] = _built(lambda: _opened(path, "coded", 2), codes)
    for n in (100, 1000):
        few_rows = partial(_opened, path, "exact", rows=n)
        ways[f"approximate={n}"] = _built(few_rows, size * dim // 8)
    if find_spec("faiss"):
        ways["faiss Flat"] = _built(lambda: _faiss(vectors), whole)
        if size <= most_hnsw:
            ways["faiss HNSW 32, ef 64"] = _built(lambda: _faiss(vectors, hnsw=True), 0)
    if before is not None and size <= 1_000_000:
        ways["before"] = _built(lambda: before(vectors), whole)
    products = np.empty((64, size), np.float32)

    def product(probes: Vectors) -> Ids:
        np.matmul(probes, vectors.T, out=products[: len(probes)])
        return np.full((len(probes), RANK), -1)

    ways["bare product"] = Way(product, 0, 0, whole)
    return ways


def _built(make: Callable[[], Search], read: int) -> Way:
    before, start = _memory(), time.perf_counter()
    search = make()
    return Way(search, _memory() - before, time.perf_counter() - start, read)


def _index(vectors: Vectors, way: Any) -> Search:
    index = VectorIndex(vectors.shape[1], way=way)
    index.add(vectors)
    return lambda probes: np.stack([answer.ids for answer in index.search(probes, rank=RANK)])


def _opened(path: Path, way: Any, threads: int = 1, *, rows: int | None = None) -> Search:
    index = VectorIndex.open(IndexFile(path, owner=b"benchmark"), way=way, threads=threads)
    return lambda probes: np.stack(
        [answer.ids for answer in index.search(probes, rank=RANK, approximate=rows)]
    )


def _faiss(vectors: Vectors, *, hnsw: bool = False) -> Search:
    import faiss

    faiss.omp_set_num_threads(1)
    if hnsw:
        index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 40
        index.hnsw.efSearch = 64
    else:
        index = faiss.IndexFlatIP(vectors.shape[1])
    for start in range(0, len(vectors), AT_ONCE):
        index.add(vectors[start : start + AT_ONCE])

    def search(probes: Vectors) -> Ids:
        found: Ids = index.search(probes, RANK)[1]
        return found

    return search


def _older_search(path: Path) -> Callable[[Vectors], Search]:
    """The search of another copy of this library, loaded beside this one."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
    sys.path.insert(0, str(path))
    try:
        embeddings = import_module("vultus.core.embeddings")
        if find_spec("vultus.search") is None:  # before it was a folder of its own
            people_of, search_of = "matching.templates", "matching.identify"
        else:
            people_of, search_of = "core.embeddings", "search.exact"
        people_set = import_module(f"vultus.{people_of}").TemplateSet
        search = import_module(f"vultus.{search_of}").search
    finally:
        sys.path.remove(str(path))
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(kept)

    def make(vectors: Vectors) -> Search:
        space = embeddings.EmbeddingSpace("benchmark", "0" * 64, "none", vectors.shape[1])
        people = people_set(vectors, tuple(map(str, range(len(vectors)))), space)

        def find(probes: Vectors) -> Ids:
            faces = embeddings.Embeddings(probes, np.ones(len(probes), np.float32), space)
            found = search(faces, people, rank=RANK)
            return np.array([[int(candidate.identity) for candidate in row] for row in found])

        return find

    return make


def _is_ours(name: str) -> bool:
    return name == "vultus" or name.startswith("vultus.")


def _brute_force(vectors: Vectors, probes: Vectors, mates: Ids) -> Truth:
    wide, most = probes.astype(np.float64), RANK + 1
    best = np.full((len(probes), most), -2, np.float32)
    rows = np.full((len(probes), most), -1)
    for start in range(0, len(vectors), AT_ONCE):
        block = vectors[start : start + AT_ONCE].astype(np.float64)
        part = np.clip((wide @ block.T).astype(np.float32), -1, 1)
        for number, line in enumerate(part):
            hits = np.flatnonzero(line > best[number, -1])
            values = np.concatenate([best[number], line[hits]])
            # Stable, and rows ascend: of equally similar ones the first come first.
            order = np.argsort(-values, kind="stable")[:most]
            rows[number] = np.concatenate([rows[number], hits + start])[order]
            best[number] = values[order]
    first = rows[:, 0] == mates
    stranger = np.where(first, best[:, 1], best[:, 0])
    threshold = np.sort(stranger)[int(0.9 * len(stranger))]
    return Truth(rows[:, :RANK], mates, first & (best[:, 0] >= threshold))


def _timed(run: Callable[..., Any], argument: Any) -> tuple[Any, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = run(argument)
    return result, time.process_time() - cpu, time.perf_counter() - wall


def _memory() -> float:
    """MB of memory of this process, without files that are mapped where that is known."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _unit(rows: Vectors) -> Vectors:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()

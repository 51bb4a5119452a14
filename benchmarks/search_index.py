"""Exact 1:N search: `VectorIndex` beside faiss Flat and the bare product, on the same vectors.

Every way searches the same vectors for the same probes, in alternating order; CPU time (of all
threads) and wall time are medians over the probes. Vectors are random unit vectors, probes are rows
with noise added (similarity about 0.7 to their own). "equal" counts the probes whose whole top 10,
order included, is the one of float64 brute force. The floor is the time that reading the way's
bytes takes at the bandwidth measured in the same run (a sum over an array of 512 MB). NumPy's and
faiss's own threads are held to one, since threads that wait for each other burn CPU time.

    python benchmarks/search_index.py [--sizes 10000 100000 1000000] [--dims 128 512]

Peers come from an environment of their own: pip install faiss-cpu; without it, skipped.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from vultus.search.index import VectorIndex

RANK = 10
PACKAGES = ("vultus", "numpy", "numba", "faiss-cpu")
Vectors = npt.NDArray[np.float32]
Search = Callable[[Vectors], npt.NDArray[np.int64]]


def main() -> None:
    """Run all sizes and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--probes", type=int, default=40, help="single probes")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3, help="of the batch")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    load = os.getloadavg()[0]
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {versions}")
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start")
    print(f"top {RANK}; {options.probes} single probes, batches of {options.batch}\n")
    for dim in options.dims:
        for size in options.sizes:
            with threadpool_limits(1):
                _compare(size, dim, options)


def _compare(size: int, dim: int, options: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    vectors = _unit(rng.standard_normal((size, dim), np.float32))
    own = vectors[rng.integers(0, size, options.probes + options.batch)]
    noise = rng.standard_normal(own.shape, np.float32)
    probes = _unit(own + noise / np.float32(np.sqrt(dim)))
    truth = _brute_force(vectors, probes)
    single, batch = probes[: options.probes], probes[options.probes :]
    ways = _ways(vectors)
    bandwidth = _bandwidth()
    print(f"{size:,} x {dim}: {bandwidth / 1e9:.1f} GB/s read on one core")
    print(
        "| way | MB | build s | CPU ms p50 | wall ms p50 | p99 | floor ms | equal | "
        f"batch of {options.batch}: CPU ms | wall ms |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    found: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in ways}
    for number, probe in enumerate(single):
        for name in ways if number % 2 == 0 else reversed(ways):
            result, *spent = _timed(ways[name][0], probe[None])
            times[name].append((spent[0], spent[1]))
            found[name].append(result[0])
    batches: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name in ways if number % 2 == 0 else reversed(ways):
            result, *spent = _timed(ways[name][0], batch)
            batches[name].append((spent[0], spent[1]))
            if not number:
                found[name].extend(result)
    for name, (_, held, build, read) in ways.items():
        cpu, wall = (sorted(column) for column in zip(*times[name], strict=True))
        batch_cpu, batch_wall = (
            statistics.median(column) for column in zip(*batches[name], strict=True)
        )
        equal = int((np.stack(found[name]) == truth).all(axis=1).sum())
        print(
            f"| {name} | {held / 1e6:.0f} | {build:.2f} | {statistics.median(cpu) * 1e3:.2f} | "
            f"{statistics.median(wall) * 1e3:.2f} | {wall[int(len(wall) * 0.99)] * 1e3:.2f} | "
            f"{read / bandwidth * 1e3:.2f} | {equal} of {len(truth)} | {batch_cpu * 1e3:.1f} | "
            f"{batch_wall * 1e3:.1f} |",
            flush=True,
        )
    print()


def _ways(vectors: Vectors) -> dict[str, tuple[Search, int, float, int]]:
    """Name -> (search, bytes held, seconds to build, bytes that one probe reads)."""
    size, dim = vectors.shape
    ways: dict[str, tuple[Search, int, float, int]] = {"exact": _index(vectors, "exact")}
    if find_spec("numba"):
        search, held, build, _ = _index(vectors, "coded")
        ways["coded"] = (search, held, build, size * (dim + 8))
        ways["coded, 2 threads"] = (lambda probes: search(probes, 2), held, build, size * (dim + 8))
    if find_spec("faiss"):
        ways["faiss Flat"] = _faiss(vectors)
    products = np.empty((64, size), np.float32)

    def product(probes: Vectors) -> npt.NDArray[np.int64]:
        np.matmul(probes, vectors.T, out=products[: len(probes)])
        return np.full((len(probes), RANK), -1)

    ways["bare product"] = (product, vectors.nbytes, 0.0, vectors.nbytes)
    return ways


def _index(vectors: Vectors, way: Any) -> tuple[Callable[..., Any], int, float, int]:
    start = time.perf_counter()
    index = VectorIndex(vectors.shape[1], way=way)
    index.add(vectors)
    build = time.perf_counter() - start

    def search(probes: Vectors, threads: int = 1) -> npt.NDArray[np.int64]:
        index.threads = threads
        return np.stack([answer.ids for answer in index.search(probes, rank=RANK)])

    return search, index.nbytes, build, vectors.nbytes


def _faiss(vectors: Vectors) -> tuple[Search, int, float, int]:
    import faiss

    start = time.perf_counter()
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    build = time.perf_counter() - start

    def search(probes: Vectors) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = index.search(probes, RANK)[1]
        return found

    return search, vectors.nbytes, build, vectors.nbytes


def _brute_force(vectors: Vectors, probes: Vectors) -> npt.NDArray[np.int64]:
    similarities = np.empty((len(probes), len(vectors)), np.float32)
    for start in range(0, len(vectors), 20_000):
        part = vectors[start : start + 20_000].astype(np.float64)
        similarities[:, start : start + 20_000] = probes.astype(np.float64) @ part.T
    return np.stack([np.argsort(-line, kind="stable")[:RANK] for line in similarities])


def _bandwidth() -> float:
    """Bytes a second of CPU time that one core reads; the best of five."""
    array = np.ones(1 << 26, np.int64)
    spent = [_timed(np.sum, array)[1] for _ in range(5)]
    return array.nbytes / min(spent)


def _timed(run: Callable[..., Any], argument: Any) -> tuple[Any, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = run(argument)
    return result, time.process_time() - cpu, time.perf_counter() - wall


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

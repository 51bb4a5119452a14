"""Probes against distractors that stream by, beside the bare product: time, and flat memory.

Two jobs on the same unit vectors, each in a process of its own, so that peak memory is its own, in
alternating order, medians of the rounds. Making the vectors is not timed.

    ours       DistractorStream: ranks at each power of ten, exact tail, histogram, ROC
    product    only the matrix product, in the same tiles, results thrown away

    python benchmarks/distractors.py [--distractors 10000 100000 1000000] [--probes 3530]
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.evaluation.measures.distractors import DistractorStream
from vultus.search.tiles import TILE

PORTION = 2048
SIZES = (10, 100, 1000, 10_000, 100_000, 1_000_000)
PACKAGES = ("vultus", "numpy", "opencv-python-headless")


def main() -> None:
    """Run all jobs and print a table."""
    options = _options()
    if options.job:
        print(json.dumps(_JOBS[options.job](options.distractors[0], options.probes, options.dim)))
        return
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {versions}")
    print(f"{options.probes:,} probes, dim {options.dim}, medians of {options.rounds} rounds\n")
    print("| distractors | comparisons | job | seconds | s / product | peak MiB |")
    print("|---:|---:|---|---:|---:|---:|")
    for distractors in options.distractors:
        _compare(distractors, options)


def _compare(distractors: int, options: argparse.Namespace) -> None:
    rows: dict[str, list[dict[str, float]]] = {job: [] for job in _JOBS}
    for number in range(options.rounds):
        for job in _JOBS if number % 2 == 0 else reversed(_JOBS):
            rows[job].append(_child(job, distractors, options))
    bare = statistics.median(row["seconds"] for row in rows["product"])
    for job, results in rows.items():
        seconds = statistics.median(row["seconds"] for row in results)
        peak = statistics.median(row["peak_mib"] for row in results)
        print(
            f"| {distractors:,} | {distractors * options.probes:,} | {job} | {seconds:.1f} | "
            f"{seconds / bare:.2f} | {peak:.0f} |",
            flush=True,
        )


def _vectors(n: int, dim: int, generator: np.random.Generator) -> npt.NDArray[np.float32]:
    vectors = generator.standard_normal((n, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _portions(n: int, dim: int) -> Iterator[npt.NDArray[np.float32]]:
    generator = np.random.default_rng(1)
    for start in range(0, n, PORTION):
        yield _vectors(min(PORTION, n - start), dim, generator)


def _ours(distractors: int, probes: int, dim: int) -> dict[str, float]:
    space = EmbeddingSpace("noise", "0" * 64, "none", dim)
    vectors = _vectors(probes, dim, np.random.default_rng(0))
    ones = np.ones(max(PORTION, probes), np.float32)
    stream = DistractorStream(Embeddings(vectors, ones[:probes], space), sizes=SIZES)
    seconds = 0.0
    for portion in _portions(distractors, dim):
        faces = Embeddings(portion, ones[: len(portion)], space)
        start = time.perf_counter()
        stream.add(faces)
        seconds += time.perf_counter() - start
    start = time.perf_counter()
    stream.finish().impostors.curve(np.full(1000, 0.1, np.float32), n_genuine=1000)
    return _result(seconds + time.perf_counter() - start)


def _product(distractors: int, probes: int, dim: int) -> dict[str, float]:
    vectors = _vectors(probes, dim, np.random.default_rng(0))
    seconds = 0.0
    for portion in _portions(distractors, dim):
        start = time.perf_counter()
        for left in range(0, len(portion), TILE):
            for top in range(0, probes, TILE):
                np.matmul(vectors[top : top + TILE], portion[left : left + TILE].T)
        seconds += time.perf_counter() - start
    return _result(seconds)


def _result(seconds: float) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak_mib": peak / 1024}


_JOBS = {"product": _product, "ours": _ours}


def _child(job: str, distractors: int, options: argparse.Namespace) -> dict[str, float]:
    command = [
        sys.executable, __file__, "--job", job, "--distractors", str(distractors),
        "--probes", str(options.probes), "--dim", str(options.dim),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--distractors", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--probes", type=int, default=3530)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--job", choices=tuple(_JOBS), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

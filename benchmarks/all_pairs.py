"""Every face against every other: streamed, beside scikit-learn's roc_curve and the bare product.

Three jobs on the same unit vectors, each in a process of its own, so that peak memory is its own,
in alternating order, medians of the rounds:

    ours          all_pairs(...).curve(): scores, exact tail, ROC
    product       only the matrix product, in the same tiles, results thrown away
    scikit-learn  all scores in memory, then roc_curve (sizes up to --hold faces)

    python benchmarks/all_pairs.py [--faces 5000 13233 44722] [--dim 512] [--rounds 3]
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.evaluation.measures.allpairs import all_pairs
from vultus.evaluation.measures.rates import operating_point
from vultus.search.tiles import TILE

PEOPLE_SHARE = 0.43  # LFW: 5,749 people on 13,233 photos
FMR = 1e-4
PACKAGES = ("vultus", "numpy", "opencv-python-headless", "scikit-learn")


def main() -> None:
    """Run all jobs and print a table."""
    options = _options()
    if options.job:
        print(json.dumps(_JOBS[options.job](options.faces[0], options.dim)))
        return
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {versions}")
    print(f"dim {options.dim}, medians of {options.rounds} rounds, TAR at FMR {FMR:g}\n")
    print("| faces | pairs | job | seconds | s / product | peak MiB | TAR |")
    print("|---:|---:|---|---:|---:|---:|---:|")
    for faces in options.faces:
        _compare(faces, options)


def _compare(faces: int, options: argparse.Namespace) -> None:
    jobs = [job for job in _JOBS if job != "scikit-learn" or faces <= options.hold]
    rows: dict[str, list[dict[str, float]]] = {job: [] for job in jobs}
    for number in range(options.rounds):
        for job in jobs if number % 2 == 0 else reversed(jobs):
            rows[job].append(_child(job, faces, options.dim))
    bare = statistics.median(row["seconds"] for row in rows["product"])
    for job, results in rows.items():
        seconds = statistics.median(row["seconds"] for row in results)
        peak = statistics.median(row["peak_mib"] for row in results)
        print(
            f"| {faces:,} | {faces * (faces - 1) // 2:,} | {job} | {seconds:.2f} | "
            f"{seconds / bare:.2f} | {peak:.0f} | {results[0]['tar']:.6f} |",
            flush=True,
        )


def _faces(faces: int, dim: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    generator = np.random.default_rng(0)
    people = max(2, int(PEOPLE_SHARE * faces))
    who = generator.integers(0, people, faces)
    vectors = generator.standard_normal((people, dim), np.float32)[who]
    vectors += generator.standard_normal((faces, dim), np.float32) * np.float32(2.0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, who


def _ours(faces: int, dim: int) -> dict[str, float]:
    vectors, who = _faces(faces, dim)
    space = EmbeddingSpace("synthetic", "0" * 64, "none", dim)
    embeddings = Embeddings(vectors, np.ones(faces, np.float32), space)

    def run() -> float:
        return operating_point(all_pairs(embeddings, identities=who).curve(), fmr=FMR).tar

    return _timed(run)


def _product(faces: int, dim: int) -> dict[str, float]:
    vectors, _ = _faces(faces, dim)
    buffer = np.empty(TILE * TILE, np.float32)

    def run() -> float:
        for top in range(0, faces, TILE):
            a = vectors[top : top + TILE]
            for left in range(top, faces, TILE):
                b = vectors[left : left + TILE]
                np.matmul(a, b.T, out=buffer[: len(a) * len(b)].reshape(len(a), len(b)))
        return float("nan")

    return _timed(run)


def _scikit_learn(faces: int, dim: int) -> dict[str, float]:
    from sklearn.metrics import roc_curve

    vectors, who = _faces(faces, dim)

    def run() -> float:
        scores = np.empty(faces * (faces - 1) // 2, np.float32)
        same = np.empty(len(scores), np.bool_)
        start = 0
        for top in range(0, faces, TILE):
            block = vectors[top : top + TILE] @ vectors[top:].T
            for row in range(len(block)):
                stop = start + faces - top - row - 1
                scores[start:stop] = block[row, row + 1 :]
                np.equal(who[top + row + 1 :], who[top + row], out=same[start:stop])
                start = stop
        fpr, tpr, _ = roc_curve(same, scores)
        return float(tpr[np.searchsorted(fpr, FMR, side="right") - 1])

    return _timed(run)


def _timed(run: Callable[[], float]) -> dict[str, float]:
    start = time.perf_counter()
    tar = run()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak_mib": peak / 1024, "tar": tar}


_JOBS = {"product": _product, "ours": _ours, "scikit-learn": _scikit_learn}


def _child(job: str, faces: int, dim: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--job", job, "--faces", str(faces), "--dim", str(dim)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, nargs="+", default=[5000, 13_233, 44_722])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hold", type=int, default=13_233, help="most faces for scikit-learn")
    parser.add_argument("--job", choices=tuple(_JOBS), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Work in bulk beside the plain loop: photos embedded, faces grouped.

``embed``: the plain loop (one process, one thread a model) and `vultus.bulk` with one and two
workers go through the same photos; what a worker gives must be what the loop gives. Efficiency is
the loop's time over workers times their time: by the wall clock, which says something only on a
machine that does nothing else, and by CPU time of all processes, which says what handing out costs.
Where there are fewer photos than asked for, they are repeated and altered (mirrored, darker or
brighter, cut by some pixels, packed anew). The plain loop, whose pace does not change, may take
fewer of them.

``cluster``: people of random vectors, several photos each, noise in every direction; with as many
faces as `cluster` takes the groups must be its groups, with more the drawn people are the truth.

    python benchmarks/bulk_work.py embed PHOTOS [--photos 400] [--plain 4000]
    python benchmarks/bulk_work.py cluster [--faces 20000 100000] [--workers 2]
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import cloudpickle
import cv2
import numpy as np

from vultus.bulk.embedding import embed_photos, opened_analyser
from vultus.bulk.grouping import cluster_faces
from vultus.bulk.run_folder import RunFolder
from vultus.bulk.workers import open_workers
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.image.io import list_images, read_image
from vultus.matching.clustering import cluster
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.face_files import embed_to_file

DIM, PHOTOS_EACH, CUT, NOISE = 128, 10, 0.45, 0.7
LARGEST_PLAIN = 20_000
PART = 25


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    embed = commands.add_parser("embed")
    embed.add_argument("source", type=Path)
    embed.add_argument("--photos", type=int, default=400)
    embed.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    embed.add_argument("--plain", type=int, default=None, help="photos of the plain loop")
    grouped = commands.add_parser("cluster")
    grouped.add_argument("--faces", type=int, nargs="+", default=[20_000, 100_000])
    grouped.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    packages = ", ".join(f"{n} {version(n)}" for n in ("vultus", "numpy", "distributed", "pyarrow"))
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {packages}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n", flush=True)
    if options.command == "embed":
        with tempfile.TemporaryDirectory() as folder:
            photos = _altered(list_images([options.source]), options.photos, Path(folder))
            _embed(photos, options.workers, options.plain or len(photos))
    else:
        _cluster(options.faces, options.workers)


def cpu_s() -> float:
    """CPU seconds of this process and of its children that ended."""
    own, theirs = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime


def _altered(photos: list[Path], n: int, folder: Path) -> list[Path]:
    """So many photos: those that there are, then copies that are not quite the same."""
    found = photos[:n]
    rng = np.random.default_rng(0)
    while len(found) < n:
        image = read_image(photos[len(found) % len(photos)])[:, :, ::-1]
        top, left = rng.integers(0, 6, 2)
        altered = image[top:, left:] * rng.uniform(0.8, 1.2)
        altered = altered[:, ::-1] if rng.random() < 0.5 else altered
        path = folder / f"{len(found):06d}.jpg"
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 96))]
        cv2.imwrite(str(path), np.clip(altered, 0, 255).astype(np.uint8), quality)
        found.append(path)
    return found


def _embed(photos: list[Path], worker_counts: list[int], n_plain: int) -> None:
    analyser = Analyser(threads=1)
    list(analyser.analyse(photos[:2], on_error=lambda *_: None))  # models opened
    print(f"{len(photos):,} photos, {n_plain:,} by the plain loop; parts of {PART}\n")
    print("| who | photos | CPU s | wall s | photos/s | efficiency by CPU | by the clock |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        at, wall = cpu_s(), time.perf_counter()
        plain, _ = embed_to_file(analyser, photos[:n_plain], Path(folder) / "plain.npz")
        cpu, took = cpu_s() - at, time.perf_counter() - wall
        base_cpu, base_wall = cpu / n_plain, took / n_plain
        print(f"| plain loop | {n_plain:,} | {cpu:.1f} | {took:.1f} | {1 / base_wall:.1f} | | |")
        names = list(map(str, photos))
        for n in worker_counts:
            run = Path(folder) / f"run-{n}"
            with open_workers(n=n) as workers:
                workers.client.run(_open_models, cloudpickle.dumps(analyser), photos[:2])
                start = sum(workers.client.run(cpu_s).values())
                at, wall = cpu_s() + start, time.perf_counter()
                embed_photos(names, run, analyser=analyser, workers=workers, part_photos=PART)
                took = time.perf_counter() - wall
                cpu = cpu_s() + sum(workers.client.run(cpu_s).values()) - at
            found = RunFolder(run).faces().embeddings.vectors[: len(plain.vectors)]
            np.testing.assert_allclose(found, plain.vectors, atol=1e-4)
            by_cpu, by_clock = (
                len(photos) * base / own for base, own in ((base_cpu, cpu), (base_wall, took * n))
            )
            print(
                f"| {n} workers, {start / n:.1f} s of CPU each before | {len(photos):,} |"
                f" {cpu:.1f} | {took:.1f} | {len(photos) / took:.1f} | {by_cpu:.2f} |"
                f" {by_clock:.2f} |",
                flush=True,
            )


def _open_models(packed: bytes, photos: list[Path]) -> None:
    """In a worker: what a run of any length does once."""
    list(opened_analyser(packed).analyse(photos, on_error=lambda *_: None))


def _cluster(face_counts: list[int], n_workers: int) -> None:
    print(f"{PHOTOS_EACH} photos of each person, {DIM} numbers, noise {NOISE}, threshold {CUT}\n")
    print(
        "| faces | who | CPU s | wall s | groups | pairs of one person found | groups of several |"
    )
    print("|---:|---|---:|---:|---:|---:|---:|")
    for n_faces in face_counts:
        faces, owners = _faces(n_faces)
        if n_faces <= LARGEST_PLAIN:
            at, wall = cpu_s(), time.perf_counter()
            plain = cluster(faces, threshold=Threshold(CUT)).labels
            _row(n_faces, "cluster", cpu_s() - at, time.perf_counter() - wall, plain, owners)
        with tempfile.TemporaryDirectory() as folder:
            at, wall = cpu_s(), time.perf_counter()
            with open_workers(n=n_workers) as workers:
                found = cluster_faces(faces, Threshold(CUT), workers=workers, scratch=Path(folder))
            took = time.perf_counter() - wall
        labels = found.clustering.labels
        _row(n_faces, f"bulk, {n_workers} workers", cpu_s() - at, took, labels, owners)
        print(f"\nlargest component {found.largest:,}; {found.notes() or 'nothing divided'}\n")
        if n_faces <= LARGEST_PLAIN and not np.array_equal(labels, plain):
            raise AssertionError("the groups are not those of cluster")


def _faces(n: int) -> tuple[Embeddings, np.ndarray]:
    rng = np.random.default_rng(0)
    owners = rng.permutation(np.arange(n) // PHOTOS_EACH)
    people = rng.normal(size=(n // PHOTOS_EACH + 1, DIM)) / np.sqrt(DIM)
    raw = people[owners] + NOISE * rng.normal(size=(n, DIM)) / np.sqrt(DIM)
    return Embeddings.from_raw(raw, EmbeddingSpace("drawn", "0" * 64, "none", DIM)), owners


def _row(n: int, who: str, cpu: float, wall: float, labels: np.ndarray, owners: np.ndarray) -> None:
    pairs = np.unique(np.stack([labels, owners]), axis=1, return_counts=True)
    sizes = np.bincount(owners)
    together = (pairs[1] * (pairs[1] - 1) // 2).sum() / (sizes * (sizes - 1) // 2).sum()
    mixed = (np.bincount(pairs[0][0]) > 1).sum()
    groups = int(labels.max()) + 1
    print(
        f"| {n:,} | {who} | {cpu:.1f} | {wall:.1f} | {groups:,} | {together:.2%} | {mixed:,} |",
        flush=True,
    )


if __name__ == "__main__":
    main()

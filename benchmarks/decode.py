"""Training images per second through the loader, against a bare decode loop on the same files.

The bare loop does the least that can be done: open, read, `cv2.imdecode`, nothing else; with w
workers it runs in w processes at once, each on its share of the files, the slowest counting. The
loader gives batches of 128 with labels, from the same images as files, in a zip and in a RecordIO.
An epoch of each takes its turn in every round, the order shuffled, and medians are compared; files
are in the page cache and workers are running before anything is timed.

    python benchmarks/decode.py
    python benchmarks/decode.py --data faces/ --images 20000 --workers 0 2 4 8
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from matplotlib.cbook import get_sample_data

from vultus.data import FaceDataset, open_dataset
from vultus.data.formats.convert import convert
from vultus.data.loading.loader import FaceLoader
from vultus.image.io import read_image, write_image
from vultus.sampling.samplers import ShuffledSampler

BATCH_SIZE = 128
KINDS = ("folder", "zip", "recordio")


def main() -> None:
    """Measure each number of workers and print a table."""
    options = _options()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        sets, paths = prepare(options.data, Path(scratch), count=options.images)
        size = sum(path.stat().st_size for path in paths) / len(paths)
        print(
            f"{len(paths)} images of {size:,.0f} bytes ({paths[0].suffix}), "
            f"{sets['folder'].image(0).shape[:2]}; {options.rounds} rounds\n"
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; "
            f"torch {torch.__version__}, OpenCV {cv2.__version__}\n"
        )
        print("| workers | bare loop, images/s | folder | zip | recordio |\n|--:|--:|--:|--:|--:|")
        for workers in options.workers:
            print(row(sets, paths, workers=workers, rounds=options.rounds), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The loader against a bare decode loop.")
    parser.add_argument("--data", type=Path, help="a data set; default: random crops as JPEG")
    parser.add_argument("--images", type=int, default=4000, help="how many of its images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


class First(FaceDataset):
    """The first images of a data set, identity by identity."""

    def __init__(self, dataset: FaceDataset, count: int) -> None:
        self.dataset = dataset
        self.taken = np.argsort(dataset.labels, kind="stable")[:count]
        super().__init__(dataset.labels[self.taken], identities=dataset.identities)

    def encoded(self, index: int) -> bytes:
        return self.dataset.encoded(int(self.taken[index]))


def prepare(
    data: Path | None, scratch: Path, *, count: int
) -> tuple[dict[str, FaceDataset], list[Path]]:
    """The same images as a folder, a zip and a RecordIO; and the files of the folder."""
    source = write_crops(scratch / "crops", count) if data is None else data
    dataset = First(open_dataset(source), count)
    sets = {}
    for kind in KINDS:
        target = scratch / f"set-{kind}{'.zip' if kind == 'zip' else ''}"
        convert(dataset, target, kind=kind)
        sets[kind] = open_dataset(target)
    return sets, sorted(path for path in (scratch / "set-folder").rglob("*") if path.is_file())


def write_crops(folder: Path, count: int) -> Path:
    """Crops of a public-domain portrait as JPEG, shifted at random, 100 a folder."""
    photo = read_image(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    generator = np.random.default_rng(0)
    for number in range(count):
        top, left = generator.integers(0, 300, 2)
        path = folder / f"{number // 100:04}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, photo[top : top + 112, left : left + 112])
    return folder


def row(sets: dict[str, FaceDataset], paths: Sequence[Path], *, workers: int, rounds: int) -> str:
    """One line of the table: images per second, and each format's share of the bare loop's."""
    contestants: dict[str, Callable[[], float]] = {"bare": lambda: bare_seconds(paths, workers)}
    for kind, dataset in sets.items():
        size_hw = dataset.image(0).shape[:2]
        sampler = ShuffledSampler(dataset.labels, batch_size=BATCH_SIZE)
        loader = FaceLoader(dataset, sampler, size_hw=size_hw, workers=workers)
        contestants[kind] = lambda loader=loader: loader_seconds(loader)  # type: ignore[misc]
    for contestant in contestants.values():
        contestant()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    generator = np.random.default_rng(0)
    for _ in range(rounds):
        for name in generator.permutation(list(contestants)):
            seconds[name].append(contestants[name]())
    speed = {name: len(paths) / statistics.median(taken) for name, taken in seconds.items()}
    cells = [f"{speed[kind]:,.0f} ({speed[kind] / speed['bare']:.2f})" for kind in KINDS]
    return f"| {workers} | {speed['bare']:,.0f} | " + " | ".join(cells) + " |"


def loader_seconds(loader: FaceLoader) -> float:
    """Time of one epoch."""
    begin = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - begin


def bare_seconds(paths: Sequence[Path], workers: int) -> float:
    """Time to read and decode all files, shared among processes."""
    if workers == 0:
        begin = time.perf_counter()
        decode(paths)
        return time.perf_counter() - begin
    context = get_context("fork")
    barrier = context.Barrier(workers + 1)
    processes = [
        context.Process(target=_decode_share, args=(paths[k::workers], barrier))
        for k in range(workers)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    begin = time.perf_counter()
    barrier.wait()
    taken = time.perf_counter() - begin
    for process in processes:
        process.join()
    return taken


def _decode_share(paths: Sequence[Path], barrier: Barrier) -> None:
    cv2.setNumThreads(1)
    barrier.wait()
    decode(paths)
    barrier.wait()


def decode(paths: Sequence[Path]) -> Any:
    """Read and decode each file; the last image."""
    image = None
    for path in paths:
        with open(path, "rb") as stream:
            image = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR)
    return image


if __name__ == "__main__":
    main()

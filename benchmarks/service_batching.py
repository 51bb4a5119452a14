"""Whether photos of concurrent requests are better judged together: the most that it could bring.

``python -m benchmarks.service_batching --rounds 5 --out table.md``

As many photos as there are clients, each analysed by itself in a thread of its own, as the service
does it, against all of them in one call, as if they were collected without any wait. Wall time and
CPU time, medians, the two in turn.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.service_load import photos_of

from vultus import Recognizer
from vultus.core.faces import Image
from vultus.image.io import read_image

CLIENTS = (1, 4, 16)
Vectors = list[npt.NDArray[np.float32]]


def apart(recognizer: Recognizer, photos: list[Image], pool: ThreadPoolExecutor) -> Vectors:
    """Each photo in a request of its own."""

    def one(photo: Image) -> npt.NDArray[np.float32]:
        return next(recognizer.analyse([photo])).embeddings.vectors

    return list(pool.map(one, photos))


def together(recognizer: Recognizer, photos: list[Image], _: ThreadPoolExecutor) -> Vectors:
    """All photos in one call."""
    return [seen.embeddings.vectors for seen in recognizer.analyse(photos)]


def timed(task: Callable[[], Vectors]) -> tuple[float, float, Vectors]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = task()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def rows(recognizer: Recognizer, photos: list[Image], rounds: int) -> list[str]:
    lines = []
    for clients in CLIENTS:
        chosen = [photos[n % len(photos)] for n in range(clients)]
        took: dict[str, list[tuple[float, float]]] = {"apart": [], "together": []}
        worst = 0.0
        with ThreadPoolExecutor(clients) as pool:
            for _ in range(rounds + 1):  # the first warms up
                found = {}
                for way in (apart, together):
                    task = partial(way, recognizer, chosen, pool)
                    wall, cpu, found[way.__name__] = timed(task)
                    took[way.__name__].append((wall, cpu))
                for a, b in zip(found["apart"], found["together"], strict=True):
                    worst = max(worst, float(np.abs(a - b).max(initial=0)))
        medians = {name: np.median(values[1:], axis=0) for name, values in took.items()}
        wall, cpu = medians["apart"] / medians["together"]
        told = [f"{1000 * medians[name][i]:.0f}" for i in (0, 1) for name in ("apart", "together")]
        lines.append(f"| {clients} | {' | '.join(told)} | {wall:.2f} | {cpu:.2f} | {worst:.1e} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Photos of concurrent requests together?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = photos_of(Path(folder), 8)
        photos = [read_image(path) for pair in pairs for path in pair]
    recognizer = Recognizer()
    lines = [
        "# Photos of concurrent requests, apart and together",
        "",
        f"`python -m benchmarks.service_batching --rounds {asked.rounds}`; {os.cpu_count()} cores, "
        f"1-minute load {os.getloadavg()[0]:.0f}; Python {platform.python_version()}, "
        f"{recognizer.embedder.description}, {time.strftime('%Y-%m-%d', time.gmtime())}. Drawn "
        "photos with one face each, medians. The ratio is apart over together: above 1, together "
        "is faster.",
        "",
        "| clients | wall ms apart | together | CPU ms apart | together | ratio wall | ratio CPU | "
        "largest difference of an embedding |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows(recognizer, photos, asked.rounds),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if asked.out is not None:
        asked.out.write_text(text, encoding="utf-8")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

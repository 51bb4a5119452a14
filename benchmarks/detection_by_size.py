"""Photos per second by megapixels: our detectors, and facenet-pytorch's MTCNN.

What MTCNN costs is decided by the smallest face that it looks for, so a pair of lines says what
both take at 20 pixels, another what both take at the size that we choose by ourselves. Where no
folder of photos is given, one scene of public-domain portraits is enlarged to every size, as if
photographed with different cameras; the photos of a folder are shrunk to the sizes that they have
at least.

facenet-pytorch goes into an environment of its own (see `mtcnn_vs_facenet_pytorch.py`); without it
our own lines are measured. One photo at a time, one thread each, in alternating order. The ratio is
of CPU seconds, which other work on the machine disturbs least.

    python -m benchmarks.detection_by_size --photos DIR
"""

import argparse
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import cv2
import numpy as np

from vultus.core.errors import ModelNotFoundError
from vultus.core.faces import Image
from vultus.detection.base import open_detector
from vultus.detection.mtcnn.detector import MtcnnDetector, usual_min_face_px
from vultus.image.demo_photos import COLLINS, HOPPER, write_demo_photos
from vultus.image.io import list_images, read_image

THREADS, CLOSEST, YUNET = 1, 20, "yunet-n-dynamic"
COLUMNS, ROWS = 4, 3  # of portraits in the made scene

Way = Callable[[Image], int]
"""A photo to the number of faces found."""


class Cost(NamedTuple):
    """What one way took for all photos of one size, in seconds; and the faces that it found."""

    wall_s: float
    cpu_s: float
    faces: int


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=None, help="default: one made scene")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.3, 1, 4, 12, 16])
    parser.add_argument("--limit", type=int, default=12, help="photos of one size at most")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--report", type=Path, default=None, help="also write the table here")
    arguments = parser.parse_args()
    cv2.setNumThreads(THREADS)
    ways = open_ways()
    lines = heading(arguments)
    for megapixels in arguments.megapixels:
        photos = photos_of(arguments.photos, megapixels, limit=arguments.limit)
        if not photos:
            print(f"no photo has {megapixels:g} megapixels")
            continue
        lines += rows(megapixels, photos, measure(ways, photos, arguments.repeats))
        print(lines[-1], flush=True)
    print("\n".join(lines))
    if arguments.report is not None:
        arguments.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


def open_ways() -> dict[str, Way]:
    """What can be measured here, by name; the peers first."""
    closest = MtcnnDetector(min_face_px=CLOSEST, threads=THREADS)
    usual = MtcnnDetector(threads=THREADS)
    ways: dict[str, Way] = {}
    if find_spec("facenet_pytorch") is None:
        print("facenet-pytorch is not installed: only our own detectors")
    else:
        ways |= peers()
    ways[f"mtcnn, {CLOSEST} px"] = lambda photo: len(closest.detect(photo))
    ways["mtcnn, default"] = lambda photo: len(usual.detect(photo))
    try:
        yunet = open_detector("yunet", model=YUNET, threads=THREADS)
    except ModelNotFoundError:
        print(f"no {YUNET} in the model store: YuNet is left out")
    else:
        ways["yunet"] = lambda photo: len(yunet.detect(photo))
    return ways


def peers() -> dict[str, Way]:
    """facenet-pytorch with our smallest faces, which it takes when it is opened."""
    import torch
    from benchmarks.mtcnn_vs_facenet_pytorch import load_torchvision, open_peer, peer_faces

    load_torchvision()
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    opened = {}

    def faces(photo: Image, least: float) -> int:
        if least not in opened:
            opened[least] = open_peer(least)
        return len(peer_faces(opened[least], [photo])[0])

    return {
        f"facenet-pytorch, {CLOSEST} px": lambda photo: faces(photo, CLOSEST),
        "facenet-pytorch, our default": lambda photo: faces(photo, usual_min_face_px(size(photo))),
    }


def size(photo: Image) -> tuple[int, int]:
    """Height and width."""
    return photo.shape[0], photo.shape[1]


def photos_of(folder: Path | None, megapixels: float, *, limit: int) -> list[Image]:
    """Photos of so many megapixels: the made scene, or a folder's photos shrunk to that size."""
    if folder is None:
        return [scene(megapixels)]
    found: list[Image] = []
    for path in list_images([folder]):
        photo = read_image(path)
        scale = (megapixels * 1e6 / (photo.shape[0] * photo.shape[1])) ** 0.5
        if scale <= 1 and len(found) < limit:
            shrunk = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            found.append(np.asarray(shrunk, np.uint8))
    return found


def scene(megapixels: float) -> Image:
    """Twelve portraits of two people side by side, 4 : 3."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5 / ROWS) * ROWS
    width = round(height * 4 / 3 / COLUMNS) * COLUMNS
    people = _people()
    cell_wh = width // COLUMNS, height // ROWS
    portraits = [cv2.resize(photo, cell_wh, interpolation=cv2.INTER_CUBIC) for photo in people]
    two_rows = [
        np.hstack([portraits[(i + row) % 2] for i in range(COLUMNS)]) for row in range(ROWS)
    ]
    return np.ascontiguousarray(np.vstack(two_rows))


def _people() -> list[Image]:
    with TemporaryDirectory() as folder:
        photos = write_demo_photos(Path(folder))
        return [read_image(photos[name][0]) for name in (HOPPER, COLLINS)]


def measure(ways: dict[str, Way], photos: list[Image], repeats: int) -> dict[str, Cost]:
    """Medians over the repeats, after a round that is not counted."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    faces = {name: sum(way(photo) for photo in photos) for name, way in ways.items()}
    for repeat in range(repeats):
        for name in list(ways)[:: 1 if repeat % 2 == 0 else -1]:
            wall, cpu = time.perf_counter(), time.process_time()
            for photo in photos:
                ways[name](photo)
            taken = time.perf_counter() - wall, time.process_time() - cpu
            seconds[name].append(taken)
    medians = {name: np.median(taken, axis=0) for name, taken in seconds.items()}
    return {name: Cost(float(w), float(c), faces[name]) for name, (w, c) in medians.items()}


def heading(arguments: argparse.Namespace) -> list[str]:
    """The day, the versions, and the head of the table."""
    packages = ["facenet-pytorch", "torch", "openvino", "onnxruntime"]
    known = {"facenet-pytorch": "facenet_pytorch"}
    present = [name for name in packages if find_spec(known.get(name, name)) is not None]
    return [
        f"{datetime.now(UTC):%Y-%m-%d}, {THREADS} thread, median of {arguments.repeats} runs in "
        f"alternating order; Python {platform.python_version()}, OpenCV {cv2.__version__}, "
        + ", ".join(f"{name} {version(name)}" for name in present),
        "",
        "| megapixels | photos | smallest face by default | way | photos/s | CPU s a photo "
        "| against facenet-pytorch | faces |",
        "|---:|---:|---:|---|---:|---:|---:|---:|",
    ]


def rows(megapixels: float, photos: list[Image], costs: dict[str, Cost]) -> list[str]:
    """One line a way; ours beside the peer that looks for faces of the same size."""
    n = len(photos)
    least = sorted(usual_min_face_px(size(photo)) for photo in photos)
    px = " to ".join(dict.fromkeys(f"{side:.0f}" for side in (least[0], least[-1])))
    beside = {
        f"mtcnn, {CLOSEST} px": f"facenet-pytorch, {CLOSEST} px",
        "mtcnn, default": "facenet-pytorch, our default",
        "yunet": "facenet-pytorch, our default",
    }
    lines = []
    for name, cost in costs.items():
        peer = costs.get(beside.get(name, ""))
        ratio = "" if peer is None else f"{peer.cpu_s / cost.cpu_s:.2f}x"
        lines.append(
            f"| {megapixels:g} | {n} | {px} | {name} | {n / cost.wall_s:.2f} "
            f"| {cost.cpu_s / n:.3f} | {ratio} | {cost.faces} |"
        )
    return lines


if __name__ == "__main__":
    main()

"""Our MTCNN against facenet-pytorch's: the same weights, the same settings, the same photos.

Needs facenet-pytorch in the environment (``pip install --no-deps facenet-pytorch torch``). Where
torchvision cannot be loaded, its two functions that facenet-pytorch uses are replaced by the ones
below; ``batched_nms`` is then NumPy where torchvision's is C++. The report says which it was.

Both run on the same number of threads and take turns in the same process; the ratio is of the
medians. The peer takes photos of one size as a batch, so each is measured both ways.

    python benchmarks/mtcnn_vs_facenet_pytorch.py --photos DIR --limit 200
"""

import argparse
import platform
import sys
import time
import types
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vultus.core.faces import Faces, Image
from vultus.core.geometry import box_iou
from vultus.detection.mtcnn.detector import MtcnnDetector
from vultus.image.io import list_images, read_image

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=None, help="default: public-domain photos")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--report", type=Path, default=None, help="also write the table here")
    arguments = parser.parse_args()
    stub = load_torchvision()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    images = load_photos(arguments.photos, arguments.limit)
    ours = MtcnnDetector(threads=arguments.threads, runtime=arguments.runtime)
    peer = open_peer()
    with torch.no_grad():
        agreement = compare([peer_faces(peer, [image])[0] for image in images], ours, images)
        ways: dict[str, Callable[[], Any]] = {
            "facenet-pytorch, one by one": lambda: [peer_faces(peer, [i]) for i in images],
            "facenet-pytorch, batches of one size": lambda: in_batches(peer, images),
            "Vultus, one by one": lambda: [ours.detect(image) for image in images],
            "Vultus, batches": lambda: ours.detect_batch(images),
        }
        seconds = measure(ways, arguments.repeats)
    lines = [*heading(arguments, images, stub), *table(seconds, len(images)), *agreement]
    print("\n".join(lines))
    if arguments.report is not None:
        arguments.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


def load_torchvision() -> bool:
    """Import torchvision, or put a stand-in in its place; True when it is a stand-in."""
    try:
        from torchvision.ops.boxes import batched_nms  # type: ignore[import-not-found]

        batched_nms(torch.zeros(1, 4), torch.zeros(1), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
    else:
        return False
    names = ["", ".transforms", ".transforms.functional", ".ops", ".ops.boxes"]
    stand_ins = {name: types.ModuleType(f"torchvision{name}") for name in names}
    stand_ins[".transforms.functional"].to_tensor = to_tensor  # type: ignore[attr-defined]
    stand_ins[".ops.boxes"].batched_nms = batched_nms_numpy  # type: ignore[attr-defined]
    stand_ins[".transforms"].functional = stand_ins[  # type: ignore[attr-defined]
        ".transforms.functional"
    ]
    sys.modules.update({module.__name__: module for module in stand_ins.values()})
    return True


def to_tensor(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def batched_nms_numpy(
    boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, limit: float
) -> torch.Tensor:
    if not len(boxes):
        return torch.empty(0, dtype=torch.int64)
    shifted = (boxes + groups.to(boxes)[:, None] * (boxes.max() + 1)).numpy()
    order = torch.argsort(scores, descending=True, stable=True).numpy()
    x1, y1, x2, y2 = shifted[order].T
    areas, alive, kept = (x2 - x1) * (y2 - y1), np.ones(len(order), bool), []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(order[i])
        rest = slice(i + 1, None)
        width = np.maximum(np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]), 0)
        height = np.maximum(np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]), 0)
        shared = width * height
        alive[rest] &= shared <= limit * (areas[i] + areas[rest] - shared)
    return torch.as_tensor(np.array(kept), dtype=torch.int64)


def open_peer(min_face_px: float = 20) -> Any:
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, min_face_size=min_face_px, device="cpu")


def peer_faces(peer: Any, images: list[Image]) -> list[npt.NDArray[np.float32]]:
    boxes, _, _ = peer.detect(np.stack(images), landmarks=True)
    empty = np.zeros((0, 4), np.float32)
    return [empty if found is None else np.asarray(found, np.float32) for found in boxes]


def in_batches(peer: Any, images: list[Image]) -> None:
    by_size: dict[tuple[int, ...], list[Image]] = {}
    for image in images:
        by_size.setdefault(image.shape, []).append(image)
    for members in by_size.values():
        for start in range(0, len(members), BATCH):
            peer_faces(peer, members[start : start + BATCH])


def load_photos(folder: Path | None, limit: int) -> list[Image]:
    if folder is not None:
        paths = list_images([folder])
        chosen = np.random.default_rng(0).permutation(len(paths))[:limit]
        return [read_image(paths[index]) for index in sorted(chosen)]
    from matplotlib.cbook import get_sample_data
    from skimage.data import astronaut

    hopper = read_image(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    collins: Image = np.asarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    photos = [hopper, collins]
    return [altered(photos[index % 2], index) for index in range(min(limit, 40))]


def altered(photo: Image, seed: int) -> Image:
    """A copy with another size, brightness and side."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.4, 1.2)
    resized = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bright = np.clip(resized * rng.uniform(0.7, 1.3), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(bright[:, :: 1 if seed % 4 < 2 else -1])


def measure(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for repeat in range(repeats):
        order = list(ways) if repeat % 2 == 0 else list(ways)[::-1]
        for name in order:
            start = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def compare(
    theirs: list[npt.NDArray[np.float32]], detector: MtcnnDetector, images: list[Image]
) -> list[str]:
    ours: list[Faces] = detector.detect_batch(images)
    best = [
        box_iou(boxes, faces.boxes).max(axis=1, initial=0)
        for boxes, faces in zip(theirs, ours, strict=True)
    ]
    whole = [inside(boxes, image) for boxes, image in zip(theirs, images, strict=True)]
    return [
        "",
        "Agreement on the faces that facenet-pytorch finds:",
        "",
        "| faces | n | IoU >= 0.95 | IoU >= 0.5 | median IoU |",
        "|---|---|---|---|---|",
        agreement_row("inside the photo", np.concatenate(best)[np.concatenate(whole)]),
        agreement_row("cut by its edge", np.concatenate(best)[~np.concatenate(whole)]),
        agreement_row("all", np.concatenate(best)),
        "",
        f"We find {sum(len(faces) for faces in ours)} faces, facenet-pytorch "
        f"{sum(len(boxes) for boxes in theirs)}.",
    ]


def inside(boxes: npt.NDArray[np.float32], image: Image) -> npt.NDArray[np.bool_]:
    """Whether the square around a box, which is what the networks are shown, lies in the photo."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0, keepdims=True) / 2
    size_xy = np.array(image.shape[1::-1])
    result = (centres >= reach).all(axis=1) & (centres + reach <= size_xy).all(axis=1)
    return np.asarray(result, np.bool_)


def agreement_row(name: str, iou: npt.NDArray[np.float32]) -> str:
    if not len(iou):
        return f"| {name} | 0 | - | - | - |"
    close, near = np.mean(iou >= 0.95), np.mean(iou >= 0.5)
    return f"| {name} | {len(iou)} | {close:.2%} | {near:.2%} | {np.median(iou):.6f} |"


def heading(arguments: argparse.Namespace, images: list[Image], stub: bool) -> list[str]:
    sizes = sorted({image.shape[:2] for image in images})
    nms = "a NumPy stand-in" if stub else "its own"
    return [
        "# MTCNN: Vultus against facenet-pytorch",
        "",
        f"{len(images)} photos of {len(sizes)} sizes from {sizes[0]} to {sizes[-1]}; "
        f"min_face 20, thresholds 0.6 / 0.7 / 0.7, {arguments.threads} threads, median of "
        f"{arguments.repeats} runs in alternating order.",
        f"facenet-pytorch {version('facenet-pytorch')} (torchvision functions: {nms}), torch "
        f"{torch.__version__}, OpenCV {cv2.__version__}, runtime {arguments.runtime}, "
        f"Python {platform.python_version()}.",
        "",
    ]


def table(seconds: dict[str, list[float]], n: int) -> list[str]:
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    best_peer = min(medians["facenet-pytorch, one by one"], list(medians.values())[1])
    rows = ["| way | ms a photo | range | against the peer's better way |", "|---|---|---|---|"]
    for name, values in seconds.items():
        low, high = min(values) / n * 1e3, max(values) / n * 1e3
        ms = medians[name] / n * 1e3
        rows.append(
            f"| {name} | {ms:.1f} | {low:.1f}-{high:.1f} | {best_peer / medians[name]:.2f}x |"
        )
    return rows


if __name__ == "__main__":
    main()

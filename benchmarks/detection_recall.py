"""How often a detector finds the face in the middle of a photo.

Meant for folders of photos that each show one person in the middle, as LFW's do: a photo counts as
found when a box holds the photo's centre. That is recall only; it says nothing of false boxes.

    python benchmarks/detection_recall.py --photos DIR --detector mtcnn --detector yunet
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vultus.core.faces import Faces, Image
from vultus.detection.base import DETECTORS, Detector
from vultus.image.io import list_images, read_image

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder, searched recursively")
    parser.add_argument("--detector", action="append", help="default: mtcnn and yunet")
    parser.add_argument("--yunet-model", default=None, help="name in the store, or path of a file")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--limit", type=int, default=None, help="only the first so many photos")
    arguments = parser.parse_args()
    paths = list_images([arguments.photos])[: arguments.limit]
    for name in arguments.detector or ["mtcnn", "yunet"]:
        settings = {"threads": arguments.threads}
        if name == "yunet" and arguments.yunet_model:
            path = Path(arguments.yunet_model)
            settings["model"] = path if path.is_file() else arguments.yunet_model
        report(name, DETECTORS.create(name, **settings), paths)


def report(name: str, detector: Detector, paths: list[Path]) -> None:
    found, faces, missed, seconds = 0, 0, [], 0.0
    for chunk_paths, images in chunks(paths):
        start = time.perf_counter()
        results = detector.detect_batch(images)
        seconds += time.perf_counter() - start
        faces += sum(len(result) for result in results)
        hits = [holds_centre(*pair) for pair in zip(results, images, strict=True)]
        found += sum(hits)
        missed += [path for path, hit in zip(chunk_paths, hits, strict=True) if not hit]
    share = found / len(paths)
    print(
        f"{name}: centre face in {found} of {len(paths)} photos ({share:.4%}), "
        f"{faces} faces in all, {seconds / len(paths) * 1e3:.1f} ms a photo"
    )
    for path in missed[:50]:
        print(f"  missed: {path.name}")


def holds_centre(faces: Faces, image: Image) -> bool:
    y, x = image.shape[0] / 2, image.shape[1] / 2
    x1, y1, x2, y2 = faces.boxes.T
    return bool(np.any((x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2)))


def chunks(paths: list[Path]) -> Iterator[tuple[list[Path], list[Image]]]:
    for start in range(0, len(paths), BATCH):
        chunk = paths[start : start + BATCH]
        yield chunk, [read_image(path) for path in chunk]


if __name__ == "__main__":
    main()

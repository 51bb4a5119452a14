"""The whole chain, photos in and embeddings out: photos per second and peak memory as photos grow.

Each size runs in a process of its own, so that peak memory is that size's. A folder with fewer
photos than asked for is gone through several times.

    python benchmarks/recognition_chain.py --photos DIR [--sizes 100 1000 10000] [--detector mtcnn]
"""

import argparse
import itertools
import json
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("vultus", "numpy", "opencv-python-headless", "pillow", "onnxruntime", "openvino")


def main() -> None:
    """Run every size and print a table."""
    options = _options()
    if options.child:
        print(json.dumps(_measure(options)))
        return
    rows = [_child(options, size) for size in options.sizes]
    date = datetime.now(UTC).date().isoformat()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"{date}; Python {platform.python_version()}; {versions}")
    print(f"detector {options.detector}, model {options.model}, {rows[0]['engine']}\n")
    print("| photos | faces | seconds | photos/s | peak memory, MiB |")
    print("|---:|---:|---:|---:|---:|")
    for row in rows:
        print(
            f"| {row['photos']} | {row['faces']} | {row['seconds']:.1f} | "
            f"{row['photos'] / row['seconds']:.1f} | {row['peak_mib']:.0f} |"
        )


def _measure(options: argparse.Namespace) -> dict[str, float | str]:
    from vultus.image.io import list_images
    from vultus.pipeline.recognizer import Recognizer

    paths = list_images([options.photos])
    recognizer = Recognizer(detector=options.detector, embedder=options.model)
    warm_up = next(iter(recognizer.analyse(paths[:1])))
    start = time.perf_counter()
    many = itertools.islice(itertools.cycle(paths), options.sizes[0])
    faces = sum(len(photo.faces) for photo in recognizer.analyse(many))
    return {
        "photos": options.sizes[0],
        "faces": faces,
        "seconds": time.perf_counter() - start,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "engine": recognizer.embedder.description,
        "warm_up": warm_up.name,
    }


def _child(options: argparse.Namespace, size: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", "--photos", str(options.photos)]
    command += ["--detector", options.detector, "--model", options.model, "--sizes", str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--model", default="mobilefacenet-y1")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Run every benchmark that can run here, one after the other: ``python -m benchmarks``.

What is missing (a model, photos, a peer package) is said and skipped.
"""

import argparse
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from vultus.core.choices import DEFAULT_EMBEDDER
from vultus.image.demo_photos import write_demo_photos
from vultus.models.store import ModelStore

HERE = Path(__file__).resolve().parent
COMPARED = "mobilefacenet-y1"  # what the committed results were measured with


def main() -> None:
    """Run them all; the exit code is 1 if one failed."""
    parser = argparse.ArgumentParser(description="Run every benchmark that can run here.")
    parser.add_argument("--photos", type=Path, help="a folder of photos; default: the demo's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.photos is None:
            write_demo_photos(Path(folder))
        photos = str(options.photos or folder)
        failed = [name for name, command in _commands(photos) if not _run(name, command)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _commands(photos: str) -> list[tuple[str, list[str]]]:
    commands = [
        ("fused_loss.py", ["--classes", "10000", "100000", "--steps", "3"]),
        ("all_pairs.py", ["--faces", "5000", "13233"]),
        ("distractors.py", ["--distractors", "10000", "100000"]),
        ("search_index.py", ["--sizes", "10000", "100000"]),
        ("decode.py", ["--images", "4000"]),
        ("synthetic_faces.py", []),
    ]
    if find_spec("facenet_pytorch") is None:
        print("skipped mtcnn_vs_facenet_pytorch.py: facenet-pytorch is not installed")
    else:
        commands.append(("mtcnn_vs_facenet_pytorch.py", ["--photos", photos]))
    store = ModelStore()
    name = DEFAULT_EMBEDDER if store.find(COMPARED) is None else COMPARED
    model, named = str(store.path(name)), ["--model", name]
    commands.append(("embedding_throughput.py", ["--model", model, "--rounds", "3"]))
    sizes = ["--sizes", "100", "1000"]
    commands.append(("recognition_chain.py", ["--photos", photos, *sizes, *named]))
    commands.append(("audit_planted.py", ["--synthetic", "--identities", "60", *named]))
    return commands


def _run(name: str, arguments: list[str]) -> bool:
    print(f"\n== {name} {' '.join(arguments)}", flush=True)
    return (
        subprocess.run([sys.executable, str(HERE / name), *arguments], check=False).returncode == 0
    )


if __name__ == "__main__":
    main()

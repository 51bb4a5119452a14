"""Milliseconds a face and size of the file: several models, one crop at a time and in batches.

A face is one crop as the model's card wants it, with the mirrored view where the card adds one.
Rounds alternate between the models, so that a busy machine is busy for all.

    python benchmarks/model_latency.py --model vultus-s2 --model mobilefacenet-y1
"""

import argparse
import os
import platform
import statistics
import time

import numpy as np

from vultus.alignment.crop_templates import crop_template
from vultus.core.crops import AlignedCrops
from vultus.embedding.embedder import Embedder, open_embedder


def main() -> None:
    """Print a table."""
    options = _options()
    embedders = {
        (name, runtime): open_embedder(name, runtime=runtime)
        for runtime in options.runtime
        for name in options.model
    }
    print(f"{os.cpu_count()} processors, Python {platform.python_version()}")
    times: dict[tuple[str, str, int], list[float]] = {}
    for round_number in range(options.rounds + 1):
        for (name, runtime), embedder in embedders.items():
            for batch in (1, options.batch):
                took = _seconds_a_face(embedder, batch, repeats=max(1, 64 // batch))
                if round_number:  # the first warms up
                    times.setdefault((name, runtime, batch), []).append(took * 1e3)
    print("| engine | model | file | ms a face, alone | ms a face, in batches |")
    print("|---|---|---:|---:|---:|")
    for (name, runtime), embedder in embedders.items():
        alone, batched = (
            statistics.median(times[name, runtime, batch]) for batch in (1, options.batch)
        )
        megabytes = (embedder.card.size_bytes or 0) / 1e6
        engine = embedder.description
        print(f"| {engine} | {name} | {megabytes:.1f} MB | {alone:.2f} | {batched:.2f} |")


def _seconds_a_face(embedder: Embedder, batch: int, *, repeats: int) -> float:
    height, width = crop_template(embedder.card.template).size_hw
    pixels = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    crops = AlignedCrops(pixels, np.zeros((batch, 2, 3), np.float32), embedder.card.template)
    start = time.perf_counter()
    for _ in range(repeats):
        embedder.embed(crops)
    return (time.perf_counter() - start) / (repeats * batch)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", action="append", required=True, help="repeat to compare")
    parser.add_argument("--runtime", nargs="+", default=["openvino", "onnxruntime"])
    parser.add_argument("--batch", type=int, default=64, help="crops in a batch")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()

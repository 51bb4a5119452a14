"""Faces embedded per second: ours in batches, against one ONNX Runtime call a face.

The peer does what the `insightface` package does for each face: `cv2.dnn.blobFromImages` of one
crop, then `InferenceSession.run` with default session options. The model file, the crops and the
work are the same on both sides: no mirrored view, unit vectors at the end. Rounds alternate between
the contestants, so that a busy machine is busy for all, and the medians are compared.

    python benchmarks/embedding_throughput.py --model mobilefacenet_y1_ms1m_112x112_128d.onnx
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from matplotlib.cbook import get_sample_data
from skimage.data import astronaut

from vultus.core.crops import AlignedCrops
from vultus.core.errors import ProviderError
from vultus.embedding.embedder import Embedder, open_embedder
from vultus.image.io import read_image
from vultus.image.warp import warp
from vultus.models.cards import Licence, ModelCard
from vultus.models.digest import sha256_file
from vultus.models.store import ModelStore

Vectors = npt.NDArray[np.float32]
EYES_MIDDLE_XY = ((221.0, 105.0, 47.0), (252.0, 198.0, 62.0))  # x, y, distance between the eyes


def random_crops(count: int, *, seed: int = 0) -> AlignedCrops:
    """Crops of the two public-domain portraits, each shifted, turned and scaled at random."""
    rng = np.random.default_rng(seed)
    photos = [
        read_image(astronaut()),  # type: ignore[no-untyped-call]
        read_image(str(get_sample_data("grace_hopper.jpg", asfileobj=False))),
    ]
    pixels = np.empty((count, 112, 112, 3), np.uint8)
    transforms = np.empty((count, 2, 3), np.float32)
    for row in range(count):
        x, y, eyes = EYES_MIDDLE_XY[row % 2]
        scale, angle = 35.2 / eyes * rng.uniform(0.8, 1.25), rng.normal(0, 0.15)
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        linear = np.array([[c, -s], [s, c]])
        middle = np.array([56.0, 51.6]) + rng.normal(0, 3, 2)
        transforms[row] = np.column_stack([linear, middle - linear @ [x, y]])
        pixels[row] = warp(photos[row % 2], transforms[row], size_hw=(112, 112))
    return AlignedCrops(pixels, transforms, "arcface-112")


def card_for(model: Path, *, mean: float, std: float) -> ModelCard:
    """The built-in card of this file, else one made up from the graph."""
    digest, store = sha256_file(model), ModelStore(offline=True)
    for name in store.names("embedding"):
        if store.card(name).sha256 == digest:
            return store.card(name)
    dim = onnxruntime.InferenceSession(str(model)).get_outputs()[0].shape[1]
    return ModelCard(
        name="benchmark",
        task="embedding",
        description="the model under test",
        file_name=model.name,
        sha256=digest,
        licence=Licence("unknown", commercial_use=False, source="unknown"),
        template="arcface-112",
        mean=mean,
        std=std,
        embedding_dim=dim,
    )


def one_at_a_time(model: Path, card: ModelCard) -> Callable[[AlignedCrops], Vectors]:
    """The peer: one blob and one run a face, session options as they come."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]

    def embed(crops: AlignedCrops) -> Vectors:
        rows = []
        for crop in crops.pixels:
            # insightface holds BGR crops and swaps to RGB here; ours are RGB, the swap costs alike.
            blob = cv2.dnn.blobFromImages(
                [crop[..., ::-1]],
                1.0 / card.std,
                (112, 112),
                (card.mean, card.mean, card.mean),
                swapRB=card.colour == "rgb",
            )
            raw = session.run(outputs, {given: blob})[0].flatten()
            rows.append(raw / np.linalg.norm(raw))
        return np.stack(rows)

    return embed


def contestants(
    model: Path, card: ModelCard, *, threads: int | None
) -> dict[str, tuple[str, Callable[[AlignedCrops], Vectors]]]:
    """Name -> (what runs it, crops -> vectors); the peer first."""
    peer = one_at_a_time(model, card)
    version = onnxruntime.__version__
    found: dict[str, tuple[str, Callable[[AlignedCrops], Vectors]]] = {
        "peer": (f"ONNX Runtime {version} CPUExecutionProvider f32, one at a time", peer)
    }
    store = ModelStore(mirror=model.parent, offline=True)
    settings: dict[str, dict[str, Any]] = {
        "ours f32": {},
        "ours bf16": {"precision": "bf16"},
        "ours f32 on ONNX Runtime": {"runtime": "onnxruntime"},
    }
    for name, options in settings.items():
        try:
            embedder = open_embedder(card, store=store, flip="none", threads=threads, **options)
        except ProviderError as error:
            print(f"{name}: left out ({error})")
            continue
        found[name] = (embedder.description, _vectors_of(embedder))
    return found


def _vectors_of(embedder: Embedder) -> Callable[[AlignedCrops], Vectors]:
    return lambda crops: embedder.embed(crops).vectors


def measure(
    runs: dict[str, tuple[str, Callable[[AlignedCrops], Vectors]]],
    crops: AlignedCrops,
    *,
    rounds: int,
) -> list[dict[str, Any]]:
    """Alternating rounds after a warm-up; wall and processor time of each contestant."""
    wall: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    vectors = {name: embed(crops) for name, (_, embed) in runs.items()}
    for _ in range(rounds):
        for name, (_, embed) in runs.items():
            start = time.perf_counter(), time.process_time()
            embed(crops)
            wall[name].append(time.perf_counter() - start[0])
            processor[name].append(time.process_time() - start[1])
    peer = float(np.median(wall["peer"]))
    return [
        {
            "name": name,
            "runs_on": runs[name][0],
            "faces_per_s": round(len(crops) / float(np.median(wall[name])), 1),
            "faces_per_s_rounds": [round(len(crops) / seconds, 1) for seconds in wall[name]],
            "processor_ms_per_face": round(
                float(np.median(processor[name])) / len(crops) * 1000, 2
            ),
            "times_the_peer": round(peer / float(np.median(wall[name])), 2),
            "least_cosine_to_the_peer": float(
                np.einsum("nd,nd->n", vectors[name], vectors["peer"]).min()
            ),
        }
        for name in runs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", type=Path, required=True, help="an ONNX embedder, 112 x 112")
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None, help="of our side; default: engine's")
    parser.add_argument("--mean", type=float, default=127.5, help="for a model without a card")
    parser.add_argument("--std", type=float, default=127.5, help="for a model without a card")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    card = card_for(options.model, mean=options.mean, std=options.std)
    crops = random_crops(options.faces)
    load_before = os.getloadavg()[0]
    rows = measure(
        contestants(options.model, card, threads=options.threads), crops, rounds=options.rounds
    )
    report = {
        "model": card.name,
        "sha256": card.sha256,
        "faces": options.faces,
        "rounds": options.rounds,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {load_before:.1f} before",
        "opencv": cv2.__version__,
        "results": rows,
    }
    print(f"{card.name}, {options.faces} faces, {report['machine']}; median of {options.rounds}")
    for row in rows:
        print(
            f"{row['name']:<26}{row['faces_per_s']:>8.1f} faces/s  x{row['times_the_peer']:<5} "
            f"{row['processor_ms_per_face']:>6} ms processor a face  "
            f"least cosine {row['least_cosine_to_the_peer']:.5f}  ({row['runs_on']})"
        )
    if options.output is not None:
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

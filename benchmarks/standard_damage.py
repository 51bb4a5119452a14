"""Quality against damage by the components of ISO/IEC 29794-5: does the score fall with it?

Each operator of `ofiq-syngen` (without the models of OFIQ: its context-free ways) is applied to one
photo of a person, which is compared with another, undamaged one. Where the mean similarity of such
genuine pairs falls by more than 0.15, the score must fall too, or the face must be refused.

    python -m benchmarks.standard_damage --photos lfw.zip
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ofiq_syngen import COMPONENT_REGISTRY, components
from ofiq_syngen import __version__ as syngen

from vultus import Recognizer
from vultus.core.faces import Image
from vultus.data.base import FaceDataset, open_dataset
from vultus.pipeline.photos import AnalysedPhoto

LEAST_DROP = 0.15
_Operator = Callable[[Any, float, int], Any]


def operators() -> Iterator[tuple[str, str, _Operator]]:
    """Component, operator's name, operator."""
    for component, ways in sorted(COMPONENT_REGISTRY.items()):
        for way in ways:
            name = way.function.__name__.strip("_").replace("_", " ")
            yield component.removesuffix(".scalar"), name, way.function


def damaged(image: Image, operator: _Operator, severity: float, seed: int) -> Image:
    """An RGB photo through an operator that takes BGR."""
    made = operator(np.ascontiguousarray(image[..., ::-1]), severity, seed)
    return np.ascontiguousarray(np.asarray(made, np.uint8)[..., ::-1])


def main() -> None:
    options = _options()
    components._3D_PIPELINE = False  # its models are not here, and each call would look for them
    dataset = open_dataset(options.photos)
    recognizer = Recognizer(embedder=options.model, threads=options.threads, righting=())
    pairs = _pairs(dataset, options.people, recognizer)
    print(
        f"{len(pairs)} people of {options.photos.name}; ofiq-syngen {syngen}; {options.model}; "
        f"{recognizer.embedder.description}; Python {platform.python_version()}\n"
    )
    print(
        "| component | operator | severity | similarity falls by | score falls by | "
        "not found or refused | seen |\n|---|---|---:|---:|---:|---:|---|"
    )
    missed = 0
    for component, name, operator in operators():
        for severity in options.severity:
            line, seen = _row(recognizer, pairs, operator, severity)
            missed += not seen
            print(f"| {component} | {name} | {severity:g} | {line} |", flush=True)
    print(f"\n{missed} rows in which similarity falls by more than {LEAST_DROP} go unseen")


def _row(
    recognizer: Recognizer,
    pairs: list[tuple[Image, AnalysedPhoto, Any]],
    operator: _Operator,
    severity: float,
) -> tuple[str, bool]:
    drops, falls, refused = [], [], 0
    for number, (image, clean, mate) in enumerate(pairs):
        photo = next(recognizer.analyse([damaged(image, operator, severity, number)]))
        if not len(photo.faces) or photo.refusals[face := photo.faces.largest()]:
            refused += 1
            continue
        own = clean.faces.largest()
        before = float(clean.embeddings.vectors[own] @ mate)
        drops.append(before - float(photo.embeddings.vectors[face] @ mate))
        falls.append(float(clean.quality.score[own] - photo.quality.score[face]))
    share = f"{refused / len(pairs):.0%}"
    if not drops:
        return f"- | - | {share} | refused", True
    drop, fall = float(np.mean(drops)), float(np.mean(falls))
    if drop <= LEAST_DROP:
        return f"{drop:.2f} | {fall:.2f} | {share} | little to see", True
    return f"{drop:.2f} | {fall:.2f} | {share} | {'yes' if fall > 0 else 'NO'}", fall > 0


def _pairs(
    dataset: FaceDataset, people: int, recognizer: Recognizer
) -> list[tuple[Image, AnalysedPhoto, Any]]:
    """A photo as pixels and analysed, and the vector of another of the same person."""
    pairs: list[tuple[Image, AnalysedPhoto, Any]] = []
    order = np.random.default_rng(5).permutation(len(dataset.identities))
    for label in order:
        photos = np.flatnonzero(dataset.labels == label)
        if len(photos) < 2 or len(pairs) == people:
            continue
        image = dataset.image(int(photos[0]))
        clean, other = recognizer.analyse([image, dataset.image(int(photos[1]))])
        if all(len(p.faces) and not p.refusals[p.faces.largest()] for p in (clean, other)):
            pairs.append((image, clean, other.embeddings.vectors[other.faces.largest()]))
    return pairs


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder or zip of people")
    parser.add_argument("--model", default="vultus-s2")
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--severity", type=float, nargs="+", default=[0.7])
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s")

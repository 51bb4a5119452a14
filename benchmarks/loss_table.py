"""The same small network on the same data, once for each loss and seed: what do losses differ in?

One run is a JSON file in --runs; runs that are there are not made again, so the command can be
stopped and repeated, and --losses, --seeds and --data add to what is there. The table is made of
all runs of the present size.

    python -m benchmarks.loss_table --runs runs/losses --data synthetic
    python -m benchmarks.loss_table --runs runs/losses --data folder --train train.zip \
        --pair-root dev.zip --pairs dev_pairs.tsv -o benchmarks/results/loss_table.md

Images are shrunk to --size pixels and kept in memory. Losses over pairs and triplets get batches
of P identities with K images each, the others shuffled batches; batches are equally large, and all
runs take the same number of steps. Margins and scales are those of a small net and few people, set
beforehand and not tuned. Accuracy: ten folds, threshold from the other nine, one view, on people
who are not in the training data; mean and sample standard deviation over seeds.
"""

import argparse
import hashlib
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vultus.core.faces import Image
from vultus.data import open_dataset
from vultus.data.base import FaceDataset
from vultus.data.decode import decode_image
from vultus.data.formats.files import open_files
from vultus.data.synthetic import SyntheticFaces
from vultus.evaluation.measures.accuracy import fold_accuracy
from vultus.evaluation.measures.face_pairs import draw_pairs
from vultus.evaluation.measures.rates import operating_point, roc_curve
from vultus.training.data_selection import select_faces
from vultus.training.recipe.config import DataConfig, EvaluationConfig
from vultus.training.recipe.recipe import Recipe
from vultus.training.trainer import Trainer
from vultus.training.validation import CropEmbedder

IDENTITIES_A_BATCH, IMAGES_A_BATCH = 16, 4
PAIRWISE = {"sampler": "pk"}
SCALE = 16.0

LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {"loss": {"name": "softmax"}},
    "center": {"loss": {"name": "center", "weight": 0.008}},
    "normface": {"loss": {"name": "normface", "scale": SCALE}},
    "a-softmax": {
        "loss": {"name": "a-softmax", "multiplier": 2.0, "annealing": [1000.0, 0.5, 1.0, 5.0]}
    },
    "cosface": {"loss": {"name": "cosface", "scale": SCALE, "margin_cos": 0.2}, "ramp": True},
    "arcface": {"loss": {"name": "arcface", "scale": SCALE, "margin_rad": 0.3}, "ramp": True},
    "combined": {
        "loss": {"name": "combined", "scale": SCALE, "margin_rad": 0.2, "margin_cos": 0.1},
        "ramp": True,
    },
    "adaface": {"loss": {"name": "adaface", "scale": SCALE, "margin": 0.25}, "ramp": True},
    "magface": {
        "loss": {
            "name": "magface",
            "scale": SCALE,
            "margin_range_rad": [0.2, 0.5],
            "norm_range": [5.0, 40.0],
        },
        "ramp": True,
    },
    "curricularface": {
        "loss": {"name": "curricularface", "scale": SCALE, "margin_rad": 0.3},
        "ramp": True,
    },
    "subcenter-arcface": {
        "loss": {"name": "subcenter-arcface", "scale": SCALE, "margin_rad": 0.3, "centers": 3},
        "ramp": True,
    },
    "euclidean": {"loss": {"name": "euclidean", "scale": SCALE / 2, "unit_length": 11.3}},
    "contrastive": {"loss": {"name": "contrastive", "normalize": True}, **PAIRWISE},
    "triplet, semi-hard": {"loss": {"name": "triplet"}, **PAIRWISE},
    "triplet, batch hard": {
        "loss": {
            "name": "triplet",
            "mining": "batch-hard",
            "margin_distance": "soft",
            "squared": False,
            "normalize": False,
        },
        **PAIRWISE,
    },
    "margin-based": {
        "loss": {"name": "margin-based"},
        "miner": {"name": "distance-weighted"},
        **PAIRWISE,
    },
}
"""What a row of the table is: loss, miner, sampler, and whether the margin rises from 0."""

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]


class FacesInMemory(FaceDataset):
    """Small images, decoded once."""

    def __init__(self, whole: FaceDataset, size: int) -> None:
        super().__init__(whole.labels, identities=whole.identities)
        self._images = shrunk((whole.image(index) for index in range(len(whole))), size)

    def encoded(self, index: int) -> bytes:
        """PNG; nothing asks for it."""
        return cv2.imencode(".png", self._images[index][:, :, ::-1])[1].tobytes()

    def image(self, index: int) -> Image:
        """(size, size, 3) uint8 RGB."""
        return self._images[index]


def shrunk(images: Iterable[Image], size: int) -> list[Image]:
    """Images of size x size pixels."""
    return [
        np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        for image in images
    ]


def synthetic_data(options: argparse.Namespace) -> tuple[FaceDataset, list[Image], Pairs]:
    """Training faces, faces of others, and pairs of them."""
    train = SyntheticFaces(identities=options.identities, images=options.images)
    unseen = SyntheticFaces(identities=100, images=10, split="validation")
    pairs = draw_pairs(unseen.labels, pairs=6000, generator=np.random.default_rng(0))
    images = shrunk((unseen.image(index) for index in range(len(unseen))), options.size)
    columns = np.stack([pairs.first, pairs.second], axis=1)
    return FacesInMemory(train, options.size), images, (columns, pairs.genuine, pairs.folds)


def folder_data(options: argparse.Namespace) -> tuple[FaceDataset, list[Image], Pairs]:
    """The same from files."""
    limits = DataConfig(
        min_images=options.min_images,
        max_images=options.images,
        max_identities=options.identities,
    )
    train = select_faces(open_dataset(options.train), limits)
    rows = [line.split("\t") for line in Path(options.pairs).read_text("utf-8").splitlines()]
    names = sorted({name for row in rows for name in row[:2]})
    place = {name: number for number, name in enumerate(names)}
    files = open_files(Path(options.pair_root))
    index_of = {name: index for index, name in enumerate(files.names)}
    images = shrunk((decode_image(files.read(index_of[name])) for name in names), options.size)
    columns = np.array([[place[row[0]], place[row[1]]] for row in rows], np.int64)
    genuine = np.array([row[2] == "1" for row in rows])
    # The list has no folds: pairs are dealt by the owner of the first photo.
    owners = np.unique([row[0].rsplit("/", 1)[0] for row in rows], return_inverse=True)[1]
    folds = np.random.default_rng(0).permutation(owners.max() + 1)[owners] % 10
    return FacesInMemory(train, options.size), images, (columns, genuine, folds.astype(np.int64))


def recipe_of(name: str, seed: int, output: str, options: argparse.Namespace) -> Recipe:
    """The run of a loss as a recipe."""
    row = LOSSES[name]
    batch = IDENTITIES_A_BATCH * IMAGES_A_BATCH
    sampler: dict[str, Any] = {"name": "shuffled", "batch_size": batch}
    if "sampler" in row:
        sampler = {
            "name": "pk",
            "identities": IDENTITIES_A_BATCH,
            "images": IMAGES_A_BATCH,
        }
    values: dict[str, Any] = {
        "run": {"output": output, "seed": seed, "device": "cpu"},
        "input": {"size_hw": [options.size, options.size]},
        "augment": [{"name": "flip", "probability": 0.5}],
        "backbone": {
            "name": "vultusnet-s",
            "dim": 128,
            "widths": options.widths,
            "units": [1, 1, 1, 1],
        },
        "sampler": sampler,
        "loss": row["loss"],
        "optimizer": {"name": "sgd", "lr": 0.1, "nesterov": True},
        "schedule": {"name": "cosine", "warmup_steps": options.steps // 10},
        "training": {"clip_norm": 5.0},
        "checkpoint": {"every_minutes": 1000.0},
        "steps": options.steps,
    }
    if "miner" in row:
        values["miner"] = row["miner"]
    if row.get("ramp"):
        values["margin_warmup"] = {"steps": options.steps // 3}
    return Recipe.from_dict(values, source=name)


def measure(trainer: Trainer, images: list[Image], pairs: Pairs) -> dict[str, Any]:
    """Accuracy, its interval, and the TMR at FMR 1 %."""
    embedder = CropEmbedder(
        trainer.state.backbone,
        input=trainer.recipe.input,
        config=EvaluationConfig(batch_size=256),
        device=torch.device("cpu"),
    )
    vectors = embedder.embed(images).embeddings.vectors
    columns, genuine, folds = pairs
    scores = np.einsum("nd,nd->n", vectors[columns[:, 0]], vectors[columns[:, 1]])
    accuracy = fold_accuracy(scores, genuine, folds=folds)
    point = operating_point(roc_curve(scores[genuine], scores[~genuine]), fmr=0.01)
    return {
        "accuracy": accuracy.mean,
        "low": accuracy.interval.low,
        "high": accuracy.interval.high,
        "pairs": accuracy.n_pairs,
        "tmr": 1 - point.fnmr,
        "spread": embedder.spread,
    }


def run(
    name: str, seed: int, data: tuple[FaceDataset, list[Image], Pairs], options: argparse.Namespace
) -> dict[str, Any]:
    """Train and measure once."""
    train, images, pairs = data
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe_of(name, seed, f"{folder}/run", options), dataset=train)
        before = measure(trainer, images, pairs)["accuracy"]
        if not trainer.run().complete:  # the trainer answers a signal by ending early
            raise SystemExit("stopped; the same command makes the runs that are missing")
    return {
        "loss": name,
        "seed": seed,
        "data": options.data,
        "size": size_of(options),
        "training_images": len(train),
        "training_identities": len(train.identities),
        "untrained_accuracy": before,
        **measure(trainer, images, pairs),
        "cpu_s": time.process_time() - started,
        "date": datetime.now(UTC).date().isoformat(),
    }


def size_of(options: argparse.Namespace) -> dict[str, Any]:
    """What must be equal for runs to stand in one table."""
    keys = ("identities", "images", "min_images", "steps", "size", "widths")
    return {key: getattr(options, key) for key in keys if key != "min_images" or options.train}


def path_of(name: str, seed: int, options: argparse.Namespace) -> Path:
    """Where a run's result is kept; settings are part of the name."""
    settings = json.dumps([LOSSES[name], size_of(options)], sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    short = name.replace(", ", "-").replace(" ", "-")
    return Path(options.runs) / f"{options.data}-{short}-{digest}-{seed}.json"


def table(results: list[dict[str, Any]]) -> str:
    """Results as Markdown, best mean first."""
    first = results[0]
    low, high = first["low"], first["high"]
    untrained = [result["untrained_accuracy"] for result in results]
    lines = [
        f"{first['training_images']:,} images of {first['training_identities']:,} people, "
        f"{first['size']['size']} x {first['size']['size']} pixels, {first['size']['steps']} steps "
        f"of {IDENTITIES_A_BATCH * IMAGES_A_BATCH} images; {first['pairs']:,} pairs of other "
        f"people. One run's 95 % interval over pairs is about {100 * (high - low) / 2:.1f} points "
        f"to each side. Untrained networks: {100 * min(untrained):.1f} to "
        f"{100 * max(untrained):.1f} %.",
        "",
        "| loss | seeds | accuracy %, mean | over seeds | lowest to highest "
        "| TMR % at FMR 1 %, mean | over seeds | CPU s a run |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rows = []
    for name in LOSSES:
        runs = [result for result in results if result["loss"] == name]
        if runs:
            rows.append((statistics.mean(result["accuracy"] for result in runs), name, runs))
    for mean, name, runs in sorted(rows, key=lambda row: -row[0]):
        accuracies = [100 * result["accuracy"] for result in runs]
        tmrs = [100 * result["tmr"] for result in runs]
        lines.append(
            f"| {name} | {len(runs)} | {100 * mean:.2f} | {_deviation(accuracies)} "
            f"| {min(accuracies):.2f} to {max(accuracies):.2f} | {statistics.mean(tmrs):.1f} "
            f"| {_deviation(tmrs)} | {statistics.mean(r['cpu_s'] for r in runs):.0f} |"
        )
    return "\n".join(lines) + "\n"


def _deviation(values: list[float]) -> str:
    return f"± {statistics.stdev(values):.2f}" if len(values) > 1 else ""


def main() -> None:
    """Make the runs that are missing; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", required=True, help="folder of the results, one JSON a run")
    parser.add_argument("--data", choices=["synthetic", "folder"], default="synthetic")
    parser.add_argument("--train", help="folder or zip of identities, crops of 112 x 112")
    parser.add_argument("--pair-root", help="folder or zip of other people's crops")
    parser.add_argument("--pairs", help="lines: file, file, 1 or 0; tabs between")
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=list(LOSSES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--identities", type=int, default=200)
    parser.add_argument("--images", type=int, default=20, help="of each, at most")
    parser.add_argument("--min-images", type=int, default=10, help="of each, at least (folder)")
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--size", type=int, default=56, help="of the images, in pixels")
    parser.add_argument("--widths", type=int, nargs=4, default=[16, 32, 64, 96])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="also write the table here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    Path(options.runs).mkdir(parents=True, exist_ok=True)
    wanted = [(name, seed) for seed in range(options.seeds) for name in options.losses]
    missing = [key for key in wanted if not path_of(*key, options).exists()]
    if missing:
        data = (synthetic_data if options.data == "synthetic" else folder_data)(options)
        for name, seed in missing:
            result = run(name, seed, data, options)
            path_of(name, seed, options).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            print(
                f"{name}, seed {seed}: {result['accuracy']:.2%} in {result['cpu_s']:.0f} CPU s",
                flush=True,
            )
    paths = [path_of(name, seed, options) for seed in range(options.seeds) for name in LOSSES]
    text = table([json.loads(path.read_text("utf-8")) for path in paths if path.exists()])
    text += (
        f"\nPython {platform.python_version()}, torch {torch.__version__}, "
        f"{options.threads} thread(s), {platform.machine()}.\n"
    )
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Which networks are worth a training: their time a face, and what equal views teach them.

    python -m benchmarks.backbone_trial --runs runs/trial -o benchmarks/results/backbone_trial.md \
        --train train_faces.zip --check dev_faces.zip --pairs dev_pairs.tsv

Time is CPU time of one process with one thread. A face is one pass over a crop of 112 x 112 in ONNX
Runtime, float32; a training step is 32 faces forward and backward. Rounds alternate between the
networks, medians are told.

What they learn: every network sees the same crops in the same order, and is told what the teacher
says of them (1 - cosine); AdamW and a cosine schedule, the same for all. Judged on people who are
not among them: the mean cosine to the teacher, and the share of genuine pairs above the threshold
that one impostor pair in a hundred passes. A result is a JSON file in --runs; what is there is not
run again. Without --train only the times are measured.
"""

import argparse
import json
import math
import platform
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from vultus.backbones import BACKBONES, Backbone
from vultus.backbones.complexity import complexity
from vultus.core.crops import AlignedCrops
from vultus.data import open_dataset
from vultus.embedding.embedder import open_embedder
from vultus.evaluation.measures.rates import operating_point, roc_curve
from vultus.export.graph import onnx_graph
from vultus.runtime.session import Session, open_session

S2: dict[str, Any] = {
    "widths": (48, 96, 192),
    "units": (2, 4, 2),
    "stem_width": 32,
    "head_width": 384,
}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "vultusnet-s as in vultus-s2": ("vultusnet-s", S2),
    "mobilefacenet-relu": ("mobilefacenet-relu", {}),
    "ghostfacenetv1-2": ("ghostfacenetv1-2", {}),
    "edgeface-xxs": ("edgeface-xxs", {}),
    "edgeface-xs": ("edgeface-xs", {}),
    "facelivtv2-xs": ("facelivtv2-xs", {}),
    "facelivtv2-s": ("facelivtv2-s", {}),
    "vit-t": ("vit-t", {}),
    "vit-t, mask_share 0.1": ("vit-t", {"mask_share": 0.1}),
}
DIM, HW, BATCH, SHUFFLE = 128, (112, 112), 64, 7


def make(name: str, input_hw: tuple[int, int] = HW) -> Backbone:
    """The network, with weights that depend on nothing else."""
    torch.manual_seed(0)
    backbone, settings = NETWORKS[name]
    return BACKBONES.create(backbone, dim=DIM, input_hw=input_hw, **settings)


def face_seconds(session: Session, face: dict[str, npt.NDArray[np.float32]]) -> float:
    """CPU time of one face."""
    started = time.process_time()
    for _ in range(10):
        session.run(face)
    return (time.process_time() - started) / 10


def step_seconds(net: Backbone, images: Tensor, *, bf16: bool) -> float:
    """CPU time of a batch, forward and backward."""
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = net(images).float().square().mean()
    loss.backward()
    return time.process_time() - started


def times(names: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Per network: ms a face, and images a second of training in f32 and bf16."""
    images = torch.randn(32, 3, *HW).contiguous(memory_format=torch.channels_last)
    face = {"crops": np.random.default_rng(0).standard_normal((1, 3, *HW)).astype(np.float32)}
    found: dict[str, dict[str, list[float]]] = {
        name: {"ms": [], "f32": [], "bf16": []} for name in names
    }
    nets = {name: make(name) for name in names}
    with torch.no_grad():
        for net in nets.values():
            net.train()(images)  # normalisations that have seen something
    sessions = {
        name: open_session(onnx_graph(net).SerializeToString(), runtime="onnxruntime", threads=1)
        for name, net in nets.items()
    }

    for number in range(rounds + 1):
        for name, net in nets.items():
            took = {
                "ms": 1e3 * face_seconds(sessions[name], face),
                "f32": len(images) / step_seconds(net, images, bf16=False),
                "bf16": len(images) / step_seconds(net, images, bf16=True),
            }
            if number:  # the first warms up
                for key, value in took.items():
                    found[name][key].append(value)
    return {
        name: {key: statistics.median(values) for key, values in row.items()}
        for name, row in found.items()
    }


def crops_of(root: Path, wanted: int | None) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """(n, 112, 112, 3) crops, and their names; drawn by lot if fewer are wanted than there are."""
    faces = open_dataset(root)
    order = np.arange(len(faces))
    if wanted is not None:
        order = np.random.default_rng(SHUFFLE).permutation(len(faces))[:wanted]
    return np.stack([faces.image(int(i)) for i in order]), [faces.source(int(i)) for i in order]


def told(crops: npt.NDArray[np.uint8], teacher: str) -> Tensor:
    """(n, d) unit vectors: what the teacher says of the crops."""
    embedder = open_embedder(teacher, threads=1)
    matrices = np.zeros((len(crops), 2, 3), np.float32)
    return torch.from_numpy(
        embedder.embed(AlignedCrops(crops, matrices, "arcface-112")).vectors.copy()
    )


def batch_of(crops: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> Tensor:
    """(b, 3, side, side) normalised, channels last."""
    pixels = torch.from_numpy(crops[rows]).permute(0, 3, 1, 2).float()
    return (pixels - 127.5) / 128


def taught(
    net: Backbone, crops: npt.NDArray[np.uint8], wanted: Tensor, *, passes: int, lr: float
) -> float:
    """Show the crops some times over; the CPU seconds that it took."""
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.05)
    each = len(crops) // BATCH
    order = np.random.default_rng(SHUFFLE)
    started = time.process_time()
    for number in range(passes):
        rows = order.permutation(len(crops))[: each * BATCH].reshape(each, BATCH)
        for index, some in enumerate(rows):
            done = (number * each + index) / (passes * each)
            for group in optimizer.param_groups:
                group["lr"] = lr * min(1.0, 20 * done + 0.05) * (1 + math.cos(math.pi * done)) / 2
            images = batch_of(crops, some)
            if number % 2:
                images = images.flip(3)
            with torch.autocast("cpu", torch.bfloat16):
                features = net(images)
            loss = 1 - functional.cosine_similarity(features.float(), wanted[some]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
    return time.process_time() - started


def judged(
    net: Backbone, crops: npt.NDArray[np.uint8], wanted: Tensor, pairs: npt.NDArray[np.int64]
) -> dict[str, float]:
    """How near it is to the teacher, and how well it tells people apart."""
    net.eval()
    with torch.inference_mode():
        parts = np.array_split(np.arange(len(crops)), max(1, len(crops) // BATCH))
        rows = torch.cat([functional.normalize(net(batch_of(crops, part))) for part in parts])
    scores = (rows[pairs[:, 0]] * rows[pairs[:, 1]]).sum(dim=1).numpy()
    same = pairs[:, 2] == 1
    point = operating_point(roc_curve(scores[same], scores[~same]), fmr=0.01)
    return {
        "cosine": float((rows * wanted).sum(dim=1).mean()),
        "tar": point.tar,
        "low": point.tar_interval.low,
        "high": point.tar_interval.high,
    }


def lesson(options: argparse.Namespace) -> dict[str, npt.NDArray[Any]]:
    """Crops, what the teacher says of them in full size, and the pairs; kept in --runs."""
    kept = options.runs / "lesson.npz"
    if not kept.exists():
        crops, _ = crops_of(options.train, options.crops)
        check, sources = crops_of(options.check, None)
        whole = f"{options.check.as_posix()}/"
        names = [source.replace("\\", "/").removeprefix(whole) for source in sources]
        place = {name: index for index, name in enumerate(names)}
        lines = [line.split("\t") for line in options.pairs.read_text("utf-8").splitlines()]
        np.savez(
            kept,
            crops=resized(crops, options.side),
            check=resized(check, options.side),
            wanted=told(crops, options.teacher).numpy(),
            check_wanted=told(check, options.teacher).numpy(),
            pairs=np.array([[place[a], place[b], int(same)] for a, b, same in lines]),
        )
    with np.load(kept, allow_pickle=False) as found:
        return dict(found)


def resized(crops: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """(n, side, side, 3)."""
    size = (side, side)
    small = [cv2.resize(crop, size, interpolation=cv2.INTER_AREA) for crop in crops]
    return np.stack(small).astype(np.uint8)


def learn(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What is missing is run; all results by name."""
    options.runs.mkdir(parents=True, exist_ok=True)
    files = {name: options.runs / f"{name.replace(' ', '_')}.json" for name in options.network}
    for name, file in files.items():
        if file.exists():
            continue
        given = lesson(options)
        net = make(name, (options.side, options.side))
        seconds = taught(
            net,
            given["crops"],
            torch.from_numpy(given["wanted"]),
            passes=options.passes,
            lr=options.lr,
        )
        wanted = torch.from_numpy(given["check_wanted"])
        result = judged(net, given["check"], wanted, given["pairs"])
        file.write_text(json.dumps({**result, "cpu_s": seconds}) + "\n", "utf-8")
        print(name, result, f"{seconds:.0f} CPU s", flush=True)
    return {name: json.loads(file.read_text("utf-8")) for name, file in files.items()}


def main() -> None:
    """Measure; write a table."""
    options = _options()
    torch.set_num_threads(1)
    learnt = learn(options) if options.train else {}
    if not options.rounds:
        return
    timed = times(options.network, options.rounds)
    base = timed[options.network[0]]["ms"]
    lines = [
        "| network | M parameters | M multiply-adds | ms a face | to the first's "
        "| trains, images/s, f32 | bf16 | cosine to the teacher | TAR % at FMR 1e-2 "
        "| CPU s of training |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in timed.items():
        size = complexity(make(name), input_hw=HW)
        cells = [
            name,
            f"{size.parameters / 1e6:.2f}",
            f"{size.macs / 1e6:.0f}",
            f"{row['ms']:.2f}",
            f"{row['ms'] / base:.2f}",
            f"{row['f32']:.0f}",
            f"{row['bf16']:.0f}",
        ]
        result = learnt.get(name)
        cells += (
            ["", "", ""]
            if result is None
            else [
                f"{result['cosine']:.3f}",
                f"{100 * result['tar']:.1f} ({100 * result['low']:.1f} to "
                f"{100 * result['high']:.1f})",
                f"{result['cpu_s']:.0f}",
            ]
        )
        lines.append("| " + " | ".join(cells) + " |")
    date = datetime.now(UTC).date().isoformat()
    text = (
        f"{date}; torch {torch.__version__}, Python {platform.python_version()}, "
        f"{torch.backends.cpu.get_cpu_capability()}; {options.rounds} rounds; "
        f"{options.passes} passes over {options.crops:,} crops of {options.side} pixels\n\n"
        + "\n".join(lines)
        + "\n"
    )
    print(text)
    if options.output:
        options.output.write_text(text, "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", type=Path, help="crops to learn from")
    parser.add_argument("--check", type=Path, help="crops of other people")
    parser.add_argument("--pairs", type=Path, help="lines: crop, crop, 1 if the same, tabs between")
    parser.add_argument("--teacher", default="mobilefacenet-y1")
    parser.add_argument("--network", nargs="+", default=list(NETWORKS)[:7], choices=list(NETWORKS))
    parser.add_argument("--crops", type=int, default=4800)
    parser.add_argument("--side", type=int, default=112, help="pixels of what is learnt from")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--runs", type=Path, default=Path("runs/trial"))
    parser.add_argument("-o", "--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Training steps per second: our trainer against the loop of arcface_torch, on a CPU.

Both train the very same network (arcface_torch's own definition, same weights), the same classes
(same weights, ArcFace with margin 0.5 rad and scale 64, its gradient as arcface_torch takes it) on
the same batches, with SGD, momentum, weight decay, a polynomial schedule and a clipped gradient;
the losses of the first steps are printed beside each other. A measurement runs in a process of its
own with one thread, and rounds alternate the order. CPU time is the figure to compare: it is that
of the process, system calls included, and says little about what else the machine does.

arcface_torch's ``train_v2.main`` runs as it is, with what asks for a GPU answered by the CPU:
``.cuda()`` does nothing, gloo stands for NCCL, ``torch.cuda.amp.autocast`` is that of the CPU with
bfloat16. Its batches come ready made, as normalised floats; our trainer reads uint8 images one by
one, as it always does. ``peer-bare`` leaves out its DistributedDataParallel, which compresses all
gradients to half precision and which one process does not need. ``ours-compile`` is
``training.compile = true``: the time of compiling is not counted.

    git clone https://github.com/deepinsight/insightface /tmp/insightface
    python benchmarks/training_throughput.py /tmp/insightface/recognition/arcface_torch
"""

import argparse
import importlib
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

METHODS = ("ours", "peer", "peer-bare", "ours-compile")
NETWORKS = {"iresnet18": "r18", "iresnet50": "r50", "mobilefacenet": "mbf"}
DIM, SCALE, MARGIN_RAD, CLIP, LR, DECAY = 512, 64.0, 0.5, 5.0, 0.02, 5e-4
WARM_UP = 2
POOL = 512
Case = tuple[str, int, str, int]  # network, classes, precision, batch


class Clock:
    """Wall and CPU time at the start of each step."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def tick(self) -> None:
        """A step begins."""
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())

    def steps(self, count: int) -> dict[str, list[float]]:
        """Durations of the steps behind the warm-up, in seconds."""
        both = {"wall": self.wall, "cpu": self.cpu}
        return {name: np.diff(times[WARM_UP : count + 1]).tolist() for name, times in both.items()}


def pool() -> np.ndarray[Any, Any]:
    """(POOL, 112, 112, 3) uint8, the images of all data sets here."""
    return np.random.default_rng(0).integers(0, 256, (POOL, 112, 112, 3), np.uint8)


def labels_for(classes: int, batch: int, steps: int) -> np.ndarray[Any, Any]:
    """Every class has an image, and there are enough for all steps."""
    return np.arange(max(classes, batch * (steps + 1))) % classes


def peer_network(network: str, *, half: bool) -> nn.Module:
    """The network as arcface_torch defines it, with weights that depend on its name alone."""
    torch.manual_seed(1)
    backbones = importlib.import_module("backbones")
    made: nn.Module = backbones.get_model(
        NETWORKS[network], dropout=0.0, fp16=half, num_features=DIM
    )
    return made


def class_weight(classes: int) -> Tensor:
    """(classes, DIM) centres to start from."""
    return torch.normal(0, 0.01, (classes, DIM), generator=torch.Generator().manual_seed(2))


def run_ours(case: Case, steps: int, folder: Path, *, compiled: bool) -> dict[str, Any]:
    """Our trainer with a recipe of the same settings."""
    from vultus.backbones import BACKBONES, Backbone
    from vultus.data import FaceDataset
    from vultus.training.recipe.recipe import Recipe
    from vultus.training.run.observers import StepRecord
    from vultus.training.trainer import Trainer

    network, classes, precision, batch = case
    clock, images, losses = Clock(), pool(), []

    class Faces(FaceDataset):
        read = 0

        def encoded(self, index: int) -> bytes:
            raise NotImplementedError

        def image(self, index: int) -> np.ndarray[Any, Any]:
            if Faces.read % batch == 0:
                clock.tick()
            Faces.read += 1
            image: np.ndarray[Any, Any] = images[index % POOL]
            return image

        def source(self, index: int) -> str:
            return str(index)

    class PeerNetwork(Backbone):
        def __init__(self, *, dim: int = DIM, input_hw: tuple[int, int] = (112, 112)) -> None:
            super().__init__(dim=dim, input_hw=input_hw)
            self.network = peer_network(network, half=False)

        def compute(self, images: Tensor) -> Tensor:
            features: Tensor = self.network(images)
            return features

    class Losses:
        def on_step(self, record: StepRecord) -> None:
            losses.append(record.loss)

        on_start = on_evaluation = on_note = close = lambda self, *_: None

    BACKBONES.register("peer-network")(PeerNetwork)
    labels = labels_for(classes, batch, steps)
    recipe = Recipe.from_dict(
        {
            "run": {"output": str(folder / "run"), "device": "cpu", "log_every_steps": 1},
            "backbone": {"name": "peer-network", "dim": DIM},
            "training": {"precision": precision, "clip_norm": CLIP, "compile": compiled},
            "sampler": {"name": "shuffled", "batch_size": batch},
            "loss": {
                "name": "arcface", "scale": SCALE, "margin_rad": MARGIN_RAD, "grad": "detached",
            },
            "head": {"kind": "fused"},
            "optimizer": {"name": "sgd", "lr": LR, "momentum": 0.9, "weight_decay": DECAY},
            "schedule": {"name": "polynomial"},
            "checkpoint": {"every_minutes": 600.0},
            "steps": steps + 1,
        },
        source="benchmark",
    )  # fmt: skip
    faces = Faces(labels, identities=[str(number) for number in range(classes)])
    watch: Any = Losses()
    trainer = Trainer(recipe, dataset=faces, observers=[watch])
    with torch.no_grad():
        trainer.state.stage.objective.get_parameter("first.weight").copy_(class_weight(classes))
    trainer.run()
    return {**clock.steps(steps), "losses": losses[:3]}


def run_peer(case: Case, steps: int, folder: Path, *, bare: bool) -> dict[str, Any]:
    """arcface_torch's ``train_v2.main``."""
    clock, losses = Clock(), []
    answer_for_the_gpu()
    mxnet: Any = types.ModuleType("mxnet")
    dataset: Any = types.ModuleType("dataset")
    mxnet.ndarray = None
    sys.modules |= {"mxnet": mxnet, "dataset": dataset}
    batches = list(peer_batches(case, steps))

    class Loader:
        def __init__(self) -> None:
            self.sampler = types.SimpleNamespace(set_epoch=lambda epoch: None)

        def __iter__(self) -> Iterator[list[Tensor]]:
            for batch in batches:
                clock.tick()
                yield list(batch)

    dataset.get_dataloader = lambda *_: Loader()
    train: Any = importlib.import_module("train_v2")
    network, classes, precision, batch = case

    class Meter(train.AverageMeter):  # type: ignore[misc]
        def update(self, value: float, n: int = 1) -> None:
            losses.append(value)
            super().update(value, n)

    class Head(train.PartialFC_V2):  # type: ignore[misc]
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.weight.data.copy_(class_weight(classes))

    config = Config(
        seed=0, output=str(folder), using_wandb=False, rec="", batch_size=batch, dali=False,
        dali_aug=False, num_workers=0, network=NETWORKS[network], fp16=precision == "bf16",
        embedding_size=DIM, margin_list=(1.0, MARGIN_RAD, 0.0), interclass_filtering_threshold=0,
        optimizer="sgd", num_classes=classes, sample_rate=1.0, lr=LR, weight_decay=DECAY,
        num_image=batch * (steps + 1), warmup_epoch=0, num_epoch=1, resume=False, val_targets=[],
        frequent=10, gradient_acc=1, verbose=10**9, save_all_states=False, save_artifacts=False,
    )  # fmt: skip
    train.get_config = lambda _: config
    train.AverageMeter, train.PartialFC_V2 = Meter, Head
    train.get_model = lambda name, dropout, fp16, num_features: peer_network(network, half=fp16)
    parallel: Any = torch.nn.parallel
    wrapped = parallel.DistributedDataParallel
    parallel.DistributedDataParallel = (
        Bare if bare else lambda module, device_ids, **settings: wrapped(module, **settings)
    )
    train.main(types.SimpleNamespace(config=""))
    return {**clock.steps(steps), "losses": losses[:3]}


class Config(dict[str, Any]):
    """What ``get_config`` gives: keys that are attributes too."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


class Bare(nn.Module):
    """In place of DistributedDataParallel."""

    def __init__(self, module: nn.Module, **settings: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        """The network's features."""
        features: Tensor = self.module(images)
        return features

    def register_comm_hook(self, state: Any, hook: Any) -> None:
        """Nothing to compress."""

    def _set_static_graph(self) -> None:
        """Nothing to set."""


def peer_batches(case: Case, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of our sampler, as normalised floats."""
    from vultus.sampling.samplers import ShuffledSampler

    _, classes, _, batch = case
    labels, images = labels_for(classes, batch, steps), pool()
    sampler = ShuffledSampler(labels, batch_size=batch)
    made = 0
    for epoch in range(steps + 1):
        sampler.set_epoch(epoch)
        for indices in sampler:
            rows = torch.from_numpy(images[np.array(indices) % POOL]).permute(0, 3, 1, 2)
            yield rows.float().contiguous().sub_(127.5).div_(127.5), torch.tensor(labels[indices])
            made += 1
            if made == steps + 1:
                return


def answer_for_the_gpu() -> None:
    """What asks for a GPU gets the CPU."""
    library: Any = torch
    library.Tensor.cuda = library.nn.Module.cuda = lambda self, *_: self
    library.cuda.set_device = lambda *_: None
    library.cuda.amp.autocast = lambda enabled: torch.autocast(
        "cpu", torch.bfloat16, enabled=enabled
    )
    begin = library.distributed.init_process_group
    library.distributed.init_process_group = lambda backend, **settings: begin("gloo", **settings)

    class Scheduler(torch.optim.lr_scheduler.LRScheduler):
        def __init__(self, optimizer: Any, last_epoch: int = -1, verbose: Any = None) -> None:
            super().__init__(optimizer, last_epoch)  # torch no longer takes ``verbose``

    library.optim.lr_scheduler._LRScheduler = Scheduler


def measure(method: str, case: Case, steps: int) -> dict[str, Any]:
    """Times of one method in this process."""
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": lambda: run_ours(case, steps, Path(folder), compiled=False),
            "ours-compile": lambda: run_ours(case, steps, Path(folder), compiled=True),
            "peer": lambda: run_peer(case, steps, Path(folder), bare=False),
            "peer-bare": lambda: run_peer(case, steps, Path(folder), bare=True),
        }
        return runs[method]()


def table(results: dict[tuple[Case, str], list[dict[str, Any]]]) -> str:
    """Results as Markdown."""
    lines = [
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"{platform.machine()} CPU ({torch.backends.cpu.get_cpu_capability()}), "
        f"{torch.get_num_threads()} thread; 112 x 112, {DIM} numbers a feature, SGD.",
        "",
        "| network | classes | precision | batch | loop | CPU s a step | fastest | wall s a step "
        "| peer's / this | images a CPU s | steps | losses of the first three steps |",
        "|---|--:|---|--:|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for (case, method), runs in results.items():
        network, classes, precision, batch = case
        cpu, wall = times(runs, "cpu"), times(runs, "wall")
        peer = times(results.get((case, "peer"), []), "cpu")
        ratio = f"{statistics.median(peer) / statistics.median(cpu):.2f}" if peer else ""
        losses = ", ".join(f"{loss:.3f}" for loss in runs[0]["losses"])
        lines.append(
            f"| {network} | {classes:,} | {precision} | {batch} | {method} "
            f"| {statistics.median(cpu):.2f} | {min(cpu):.2f} | {statistics.median(wall):.2f} "
            f"| {ratio} | {batch / statistics.median(cpu):.1f} | {len(cpu)} | {losses} |"
        )
    return "\n".join(lines)


def times(runs: list[dict[str, Any]], kind: str) -> list[float]:
    """Durations of all steps of all runs."""
    return [duration for run in runs for duration in run[kind]]


def main() -> None:
    """Measure each case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("peer", type=Path, help="folder of arcface_torch")
    parser.add_argument("--networks", nargs="+", default=["iresnet18", "mobilefacenet"])
    parser.add_argument("--classes", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--precisions", nargs="+", default=["f32"], choices=["f32", "bf16"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--methods", nargs="+", default=list(METHODS[:3]), choices=METHODS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="of which two are a warm-up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sys.path.insert(0, str(args.peer.resolve()))
    cases: list[Case] = [
        (network, classes, precision, args.batch)
        for network in args.networks
        for precision in args.precisions
        for classes in args.classes
    ]
    if args.child:
        print(json.dumps(measure(args.child, cases[0], args.steps)))
        return
    results: dict[tuple[Case, str], list[dict[str, Any]]] = {}
    for case in cases:
        for turn in range(args.rounds):
            for method in args.methods if turn % 2 == 0 else reversed(args.methods):
                run = _child(args, case, method)
                if run is not None:
                    results.setdefault((case, method), []).append(run)
    text = table(results)
    print(text)
    if args.output:
        args.output.write_text(text + "\n")


def _child(args: argparse.Namespace, case: Case, method: str) -> dict[str, Any] | None:
    network, classes, precision, batch = case
    command = [
        sys.executable, __file__, str(args.peer), "--child", method, "--networks", network,
        "--classes", str(classes), "--precisions", precision, "--batch", str(batch),
        "--steps", str(args.steps), "--threads", str(args.threads),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{case} {method}: failed\n{done.stderr[-1500:]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(case, method, found, file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()

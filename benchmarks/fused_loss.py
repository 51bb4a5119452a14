"""Step time and peak memory of the fused ArcFace loss, the plain one, and pytorch-metric-learning.

One step is forward and backward of the loss alone (no network, no optimiser), ArcFace with margin
0.5 rad and scale 64. Each measurement runs in a process of its own; rounds alternate the order of
the methods. Memory is the rise of the process's peak over a process that holds the weight, its
gradient and the batch. CPU time is that of the process: on a busy machine, measure with one thread
and compare that.

    python benchmarks/fused_loss.py --classes 10000 100000 1000000 -o results.md
    python benchmarks/fused_loss.py --device cuda --classes 10000 100000 1000000 10000000
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

BATCH, DIM, MARGIN_RAD, SCALE = 256, 512, 0.5, 64.0
METHODS = ("fused", "plain", "pytorch-metric-learning", "partial-fc-0.1")
NAMES = {
    "fused": "fused (`fused_margin_cross_entropy`)",
    "plain": "plain (`functional.margin_cross_entropy`)",
    "pytorch-metric-learning": "pytorch-metric-learning `ArcFaceLoss`",
    "partial-fc-0.1": "Partial FC, 10 % of the classes (another loss)",
}
Step = Callable[[Tensor, Tensor], Tensor]
Measurement = dict[str, Any]


def make_step(method: str, classes: int, device: str) -> tuple[Step, torch.nn.Parameter]:
    """The loss of a batch by a method, and its weight."""
    from vultus.losses.many_classes.fused import fused_margin_cross_entropy
    from vultus.losses.many_classes.partial_fc import ClassSampling, PartialFC
    from vultus.losses.margins.functional import margin_cross_entropy
    from vultus.losses.margins.target_logit import ArcFaceLogit

    target_logit = ArcFaceLogit(MARGIN_RAD)
    weight = torch.nn.Parameter(torch.empty(classes, DIM, device=device).normal_(std=0.01))
    if method == "fused":
        return lambda x, y: fused_margin_cross_entropy(
            x, weight, y, target_logit=target_logit, scale=SCALE
        ).losses.mean(), weight
    if method == "plain":
        return lambda x, y: margin_cross_entropy(
            x, weight, y, target_logit=target_logit, scale=SCALE
        ), weight
    if method.startswith("partial"):
        sampling = ClassSampling(rate=0.1)
        head = PartialFC(
            num_classes=1, dim=DIM, target_logit=target_logit, scale=SCALE, sampling=sampling
        )
        # Its own constructor would make a second weight: give it this one.
        head.weight, head.classes = weight, type(head.classes)(0, classes, classes)
        head.num_classes = classes
        return lambda x, y: head(x, y).loss, weight
    from pytorch_metric_learning.losses import ArcFaceLoss

    loss = ArcFaceLoss(1, DIM, margin=MARGIN_RAD * 180 / torch.pi, scale=SCALE).to(device)
    # It keeps the weight as (dim, classes).
    weight = torch.nn.Parameter(weight.detach().t().contiguous())
    loss.W, loss.num_classes = weight, classes
    return loss, weight


def measure(method: str, classes: int, steps: int, device: str) -> Measurement:
    """Times, memory and loss of one method in this process."""
    torch.manual_seed(0)
    step, weight = make_step(method, classes, device)
    generator = torch.Generator().manual_seed(1)  # not the seed of the weight: that would correlate
    features = torch.randn(BATCH, DIM, generator=generator).to(device).requires_grad_()
    labels = torch.randint(classes, (BATCH,), generator=generator).to(device)
    # What a step cannot do without: the gradient (for Partial FC only its rows).
    rows = classes // 10 if method.startswith("partial") else classes
    gradient = torch.ones(rows, DIM, device=device)
    del gradient
    base = peak_bytes(device)
    times, cpu_times = [], []
    loss = torch.zeros(())
    for _ in range(steps + 1):
        weight.grad = features.grad = None
        begin, cpu_begin = time.perf_counter(), time.process_time()
        loss = step(features, labels)
        torch.autograd.backward(loss)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
        cpu_times.append(time.process_time() - cpu_begin)
    return {
        "times_s": times[1:],  # the first one warms up
        "cpu_times_s": cpu_times[1:],
        "memory_mb": (peak_bytes(device) - base) / 2**20,
        "loss": loss.item(),
    }


def peak_bytes(device: str) -> int:
    """The most memory that this process has had so far."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def table(results: dict[tuple[int, str], list[Measurement]], device: str, threads: int) -> str:
    """Results as Markdown."""
    import pytorch_metric_learning

    where = torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()} CPU"
    lines = [
        f"Python {platform.python_version()}, torch {torch.__version__}, pytorch-metric-learning "
        f"{pytorch_metric_learning.__version__}, {where}, {threads} threads, "
        f"d {DIM}, batch {BATCH}, float32.",
        "",
        "| classes | method | step s (median) | fastest | slowest | CPU s (median) | steps "
        "| memory MB | loss |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (classes, method), runs in results.items():
        times = [t for run in runs for t in run["times_s"]]
        cpu_times = [t for run in runs for t in run["cpu_times_s"]]
        memory = max(float(run["memory_mb"]) for run in runs)
        lines.append(
            f"| {classes:,} | {NAMES[method]} | {statistics.median(times):.3f} | {min(times):.3f} "
            f"| {max(times):.3f} | {statistics.median(cpu_times):.3f} | {len(times)} "
            f"| {memory:.0f} | {runs[0]['loss']:.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.child:
        method, classes = args.child[0], int(args.child[1])
        print(json.dumps(measure(method, classes, args.steps, args.device)))
        return
    results: dict[tuple[int, str], list[Measurement]] = {
        (classes, method): [] for classes in args.classes for method in args.methods
    }
    same = ["--device", args.device, "--threads", str(args.threads)]
    for classes in args.classes:
        for turn in range(args.rounds):
            for method in args.methods if turn % 2 == 0 else reversed(args.methods):
                child = ["--child", method, str(classes), "--steps", str(args.steps)]
                done = subprocess.run(
                    [sys.executable, __file__, *child, *same],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    print(f"{classes} {method}: failed\n{done.stderr[-500:]}", file=sys.stderr)
                    continue
                results[classes, method].append(json.loads(done.stdout.splitlines()[-1]))
                print(classes, method, results[classes, method][-1], file=sys.stderr, flush=True)
    text = table({key: runs for key, runs in results.items() if runs}, args.device, args.threads)
    print(text)
    if args.output:
        args.output.write_text(text + "\n")


if __name__ == "__main__":
    main()

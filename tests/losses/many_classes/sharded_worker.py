"""One of three processes of the test of sharded heads: ``python sharded_worker.py RANK FOLDER``.

Reads the batch from FOLDER, plays its part, and writes what it saw; `test_sharding` compares. The
heads run on all three processes, and then on the first two beside the third alone.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.many_classes.named import many_class_head
from vultus.losses.many_classes.partial_fc import ClassSampling, PartialFC, RowSparseSGD
from vultus.losses.margins.target_logit_adaptive import CurricularLogit

Results = dict[str, Tensor]


def fused_results(batch: Results, part: slice, group: dist.ProcessGroup | None) -> Results:
    """Loss, gradients and state of a fused head after one SGD step."""
    torch.manual_seed(5)
    head = FusedMarginSoftmax(
        num_classes=len(batch["weight"]),
        dim=batch["weight"].shape[1],
        target_logit=CurricularLogit(0.5, 0.3),
        scale=8.0,
        group=group,
    )
    initial = head.full_state()["weight"]
    head.double()
    head.load_full_state({"weight": batch["weight"], "step": torch.tensor(3)})
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
    features = batch["features"][part].clone().requires_grad_()
    head.eval()
    head.averaged_by_ddp = True
    (for_ddp,) = torch.autograd.grad(head(features, batch["labels"][part]).loss, (features,))
    head.train()
    head.averaged_by_ddp = False
    output = head(features, batch["labels"][part])
    output.loss.backward()
    optimizer.step()
    state = head.full_state(optimizer)
    assert features.grad is not None
    return {
        "initial": initial,
        "loss": output.loss.detach(),
        "feature_gradient": features.grad,
        "gradient_for_ddp": for_ddp,
        "accuracy_absent": torch.tensor("accuracy" not in output.statistics),
        "angle": output.statistics["target_angle_deg"],
        **state,
    }


def partial_results(batch: Results, part: slice, group: dist.ProcessGroup | None) -> Results:
    """A Partial FC head that draws half of the classes, over three steps."""
    head = PartialFC(
        num_classes=len(batch["weight"]),
        dim=batch["weight"].shape[1],
        target_logit=CurricularLogit(0.5, 0.3),
        sampling=ClassSampling(rate=0.5, seed=1),
        scale=8.0,
        group=group,
    ).double()
    head.load_full_state({"weight": batch["weight"], "step": torch.tensor(0)})
    optimizer = RowSparseSGD(head.parameters(), lr=0.1)
    losses, moved = [], []
    for _ in range(3):
        optimizer.zero_grad()
        before = head.full_state()["weight"]
        loss = head(batch["features"][part], batch["labels"][part]).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        moved.append((head.full_state()["weight"] != before).any(dim=1))
    return {
        "partial_losses": torch.stack(losses),
        "moved": torch.stack(moved),
        **{f"partial_{k}": v for k, v in head.full_state(optimizer).items()},
    }


FOLLOWED = ("adaface", "curricularface", "elasticface", "magface", "uniface")
"""Losses whose margin, or whose threshold, follows the batch."""


def followed_results(
    name: str, batch: Results, part: slice, group: dist.ProcessGroup | None
) -> Results:
    """A head that follows a loss, over two SGD steps on features long enough to have a margin."""
    head = many_class_head(
        name, num_classes=len(batch["weight"]), dim=4, settings={"scale": 8.0}, group=group
    ).double()
    rule = {key: value for key, value in head.full_state().items() if key.startswith("rule.")}
    head.load_full_state({"weight": batch["weight"], "step": torch.tensor(0), **rule})
    head.averaged_by_ddp = False
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    losses, gradients = [], []
    for factor in (10.0, 30.0):
        features = (factor * batch["features"][part]).requires_grad_()
        optimizer.zero_grad()
        loss = head(features, batch["labels"][part]).loss
        loss.backward()
        assert features.grad is not None
        optimizer.step()
        losses.append(loss.detach())
        gradients.append(features.grad)
    state = {f"{name}.{key}": value for key, value in head.full_state().items()}
    return {
        f"{name}.losses": torch.stack(losses),
        f"{name}.gradients": torch.stack(gradients),
        **state,
    }


def of_own_batches(batch: Results, part: slice) -> Results:
    """Running state and refusals where every process has all classes and its own batch."""
    seen: Results = {}
    for name in ("adaface", "curricularface"):
        head = many_class_head(name, num_classes=len(batch["weight"]), dim=4).double()
        head.load_full_state(head.full_state() | {"weight": batch["weight"]})
        head(30 * batch["features"][part], batch["labels"][part])
        seen |= {f"{name}.own.{key}": value for key, value in head.full_state().items()}
        labels = torch.full_like(batch["labels"][part], 99 if dist.get_rank() == 2 else 0)
        try:
            head(batch["features"][part], labels)
        except InputError as error:
            seen[f"{name}.refused"] = torch.tensor("valid batch" in str(error))
    return seen


def refused(batch: Results, part: slice, bad: int, group: dist.ProcessGroup) -> list[str]:
    """What each kind of head says where the labels of process ``bad`` are wrong."""
    said = []
    for make in (FusedMarginSoftmax, PartialFC):
        head = make(
            num_classes=9,
            dim=batch["features"].shape[1],
            target_logit=CurricularLogit(),
            group=group,
        )
        labels = torch.full_like(batch["labels"][part], 9 if dist.get_rank(group) == bad else 0)
        try:
            head(batch["features"][part].float(), labels)
        except InputError as error:
            said.append(str(error))
    return said


def run(world_size: int, rank: int, folder: Path, group: dist.ProcessGroup | None) -> None:
    """Both heads on one group of processes; writes the results."""
    batch: Results = torch.load(folder / "batch.pt", weights_only=True)
    cuts = [int(cut) for cut in batch[f"cuts{world_size}"]]
    part = slice(cuts[rank], cuts[rank + 1])
    results = fused_results(batch, part, group) | partial_results(batch, part, group)
    if group is not None:
        for name in FOLLOWED:
            results |= followed_results(name, batch, part, group)
    if world_size == 3:
        results |= of_own_batches(batch, part)
    torch.save(results, folder / f"result{world_size}-{rank}.pt")
    if group is not None:
        said = refused(batch, part, world_size - 1, group)
        (folder / f"refused{world_size}-{rank}.json").write_text(json.dumps(said))


def main(rank: int, folder: Path) -> None:
    """Join the others and play this process's part."""
    torch.set_num_threads(1)
    address = (folder / "meeting").as_uri()
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=3)
    run(3, rank, folder, dist.group.WORLD)
    first_two = dist.new_group([0, 1])
    if rank < 2:
        run(2, rank, folder, first_two)
    else:
        run(1, 0, folder, None)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

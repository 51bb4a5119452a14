"""Class shards: the cut, and heads that give the same result on one, two and three processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses import LOSSES
from vultus.losses.many_classes.sharding import (
    class_range,
    gather_batch,
    join_shards,
    rank_and_size,
)

WORKER = Path(__file__).with_name("sharded_worker.py")


@given(st.integers(1, 8), st.integers(0, 50))
def test_ranges_cover_all_classes_once_and_evenly(world_size: int, more: int) -> None:
    num_classes = world_size + more
    ranges = [class_range(num_classes, rank=r, world_size=world_size) for r in range(world_size)]
    covered = [c for part in ranges for c in range(part.start, part.stop)]
    assert covered == list(range(num_classes))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def test_a_range_cuts_its_rows_out_of_the_whole() -> None:
    whole = torch.arange(14.0).view(7, 2)
    parts = [class_range(7, rank=r, world_size=3).cut(whole) for r in range(3)]
    assert torch.equal(torch.cat(parts), whole)
    parts[0][0, 0] = -1
    assert whole[0, 0] == 0


def test_bad_cuts_are_refused() -> None:
    with pytest.raises(InputError, match="num_classes must be an integer of at least 3"):
        class_range(2, rank=0, world_size=3)
    with pytest.raises(InputError, match="rank must lie in"):
        class_range(5, rank=3, world_size=3)
    with pytest.raises(InputError, match="rows must hold all 5 classes"):
        class_range(5, rank=0, world_size=2).cut(torch.zeros(3, 2))
    with pytest.raises(InputError, match="shard must hold 3 rows, got 5"):
        join_shards(torch.zeros(5, 2), class_range(5, rank=0, world_size=2), group=None)


def test_one_process_gathers_nothing() -> None:
    features, labels = torch.ones(2, 3), torch.tensor([0, 1])
    assert gather_batch(features, labels, group=None) == (features, labels)
    assert rank_and_size(None) == (0, 1)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every process wrote what it saw: uneven batches, one of them empty."""
    folder = tmp_path_factory.mktemp("sharded")
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([3, 0, 10, 10, -1, 6, 5])
    batch = {
        "features": torch.randn(7, 4, generator=generator, dtype=torch.float64),
        "labels": labels,
        "weight": torch.randn(11, 4, generator=generator, dtype=torch.float64),
        "cuts1": torch.tensor([0, 7]),
        "cuts2": torch.tensor([0, 2, 7]),
        "cuts3": torch.tensor([0, 4, 4, 7]),
    }
    torch.save(batch, folder / "batch.pt")
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(rank), str(folder)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(3)
    ]  # fmt: skip
    for process in started:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    return folder


@pytest.fixture(scope="module")
def results(played: Path) -> dict[int, list[dict[str, Tensor]]]:
    """What every process saw, by number of processes."""
    return {
        world_size: [
            torch.load(played / f"result{world_size}-{rank}.pt", weights_only=True)
            for rank in range(world_size)
        ]
        for world_size in (1, 2, 3)
    }


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_result_does_not_depend_on_the_number_of_shards(
    results: dict[int, list[dict[str, Tensor]]], world_size: int
) -> None:
    (alone,) = results[1]
    for one in results[world_size]:
        for name in ("initial", "loss", "weight", "step", "angle", "optimizer.momentum_buffer"):
            torch.testing.assert_close(one[name], alone[name], rtol=0, atol=1e-13)
    gradient = torch.cat([one["feature_gradient"] for one in results[world_size]])
    torch.testing.assert_close(gradient, alone["feature_gradient"], rtol=0, atol=1e-13)
    # DistributedDataParallel would divide this by the number of processes.
    for_ddp = torch.cat([one["gradient_for_ddp"] for one in results[world_size]])
    torch.testing.assert_close(for_ddp, gradient * world_size, rtol=0, atol=1e-13)


FOLLOWED = ("adaface", "curricularface", "elasticface", "magface", "uniface")


def plain_results(name: str, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the plain loss makes of the whole batch in one process."""
    loss = LOSSES.create(name, num_classes=len(batch["weight"]), dim=4, scale=8.0).double()
    loss.load_state_dict({"weight": batch["weight"]}, strict=False)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    losses, gradients = [], []
    for factor in (10.0, 30.0):
        features = (factor * batch["features"]).requires_grad_()
        optimizer.zero_grad()
        value = loss(features, batch["labels"]).loss
        value.backward()
        assert features.grad is not None
        optimizer.step()
        losses.append(value.detach())
        gradients.append(features.grad)
    state = {key: value for key, value in loss.state_dict().items() if key != "_extra_state"}
    weight = state.pop("weight")
    kept = {"losses": torch.stack(losses), "gradients": torch.stack(gradients), "weight": weight}
    return kept | {f"rule.{key}": value for key, value in state.items()}


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("name", FOLLOWED)
def test_what_follows_the_batch_is_the_plain_loss_on_any_number_of_shards(
    played: Path, results: dict[int, list[dict[str, Tensor]]], name: str, world_size: int
) -> None:
    wanted = plain_results(name, torch.load(played / "batch.pt", weights_only=True))
    gradients = torch.cat([one[f"{name}.gradients"] for one in results[world_size]], dim=1)
    torch.testing.assert_close(gradients, wanted.pop("gradients"), rtol=0, atol=1e-12)
    assert {"adaface": 2, "curricularface": 1, "uniface": 1}.get(name, 0) == len(wanted) - 2
    for one in results[world_size]:
        for key, value in wanted.items():
            torch.testing.assert_close(one[f"{name}.{key}"], value, rtol=1e-13, atol=1e-12)
            # The same on all processes to the last bit: what drifts apart does not come back.
            assert torch.equal(one[f"{name}.{key}"], results[world_size][0][f"{name}.{key}"])


@pytest.mark.parametrize("name", ["adaface", "curricularface"])
def test_running_state_is_of_the_batches_of_all_processes(
    played: Path, results: dict[int, list[dict[str, Tensor]]], name: str
) -> None:
    batch = torch.load(played / "batch.pt", weights_only=True)
    loss = LOSSES.create(name, num_classes=len(batch["weight"]), dim=4).double()
    loss.load_state_dict({"weight": batch["weight"]}, strict=False)
    loss(30 * batch["features"], batch["labels"])
    for key, value in loss.named_buffers():
        for one in results[3]:
            torch.testing.assert_close(one[f"{name}.own.rule.{key}"], value, rtol=1e-13, atol=0)
    assert [bool(one[f"{name}.refused"]) for one in results[3]] == [True, True, False]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_partial_fc_on_shards(results: dict[int, list[dict[str, Tensor]]], world_size: int) -> None:
    first = results[world_size][0]
    for other in results[world_size][1:]:
        for name in ("partial_losses", "moved", "partial_weight", "partial_optimizer.momentum"):
            assert torch.equal(first[name], other[name])
    moved = first["moved"]
    assert moved[:, [0, 3, 5, 6, 10]].all()  # the batch's classes, whoever holds them
    # Half of each shard; where the batch nearly fills that, half as many again as that beside it.
    assert set(moved.sum(dim=1).tolist()) == {{1: 8, 2: 5 + 4, 3: 3 + 3 + 2}[world_size]}
    untouched = ~moved.any(dim=0)
    assert (first["partial_optimizer.momentum"][untouched] == 0).all()
    assert torch.isfinite(first["partial_losses"]).all()


@pytest.mark.parametrize("world_size", [2, 3])
def test_wrong_labels_of_one_process_are_an_error_on_all(played: Path, world_size: int) -> None:
    said = [
        json.loads((played / f"refused{world_size}-{rank}.json").read_text())
        for rank in range(world_size)
    ]
    for fused, partial in said[:-1]:
        assert f"process {world_size - 1} refused its own" in fused
        assert f"process {world_size - 1} refused its own" in partial
    assert all("labels must lie in [0, 9)" in text for text in said[-1])
    assert len(said[-1]) == 2

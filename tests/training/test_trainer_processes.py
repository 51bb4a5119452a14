"""Two processes make the steps of one process with two batches a step."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import recipe_toml
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.trainer import Trainer


def final_state(folder: Path) -> dict[str, Any]:
    checkpoint = CheckpointFolder(folder / "checkpoints").latest()
    assert checkpoint is not None
    return checkpoint.state


def train_with_two(values: dict[str, Any], output: Path) -> subprocess.CompletedProcess[str]:
    run = {**values["run"], "output": str(output)}
    path = output.with_suffix(".toml")
    recipe = Recipe.from_dict({**values, "run": run}, source="")
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*torchrun, "--nproc-per-node", "2", "-m", "vultus", "train", str(path)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("head", "loss"),
    [
        ({"kind": "fused"}, {}),
        pytest.param({"kind": "plain"}, {}, marks=pytest.mark.slow),
        pytest.param({"kind": "fused", "sharded": False}, {}, marks=pytest.mark.slow),
        pytest.param({"kind": "fused"}, {"name": "uniface", "scale": 4.0}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_two_processes_are_one_with_two_batches(
    tiny_values: dict[str, Any], tmp_path: Path, head: dict[str, Any], loss: dict[str, Any]
) -> None:
    # 240 images: batches of 24 for two processes are the batches of one. Few steps, because
    # rounding grows.
    values = {**tiny_values, "head": head, "steps": 3, "optimizer": {"lr": 0.01}}
    values["loss"] = {**tiny_values["loss"], **loss}
    alone = Recipe.from_dict({**values, "training": {"accumulate": 2}}, source="")
    Trainer(alone).run()
    done = train_with_two(values, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    one, two = final_state(tmp_path / "run"), final_state(tmp_path / "two")
    for name, weight in one["backbone"].items():
        if "running" not in name and "tracked" not in name:  # these see each batch by itself
            torch.testing.assert_close(two["backbone"][name], weight, rtol=1e-4, atol=1e-5)
    for part, tensors in one["objective"].items():
        for name, tensor in tensors.items():
            if "weight" in name or "momentum" in name or "threshold" in name:
                other = two["objective"][part][name]
                torch.testing.assert_close(other, tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_two_processes_train_on_the_same_mined_triplets(
    tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    offline = {"name": "offline", "triplets": 6, "every": 2}
    more = {"loss": {"name": "triplet"}, "miner": {"name": "as-sampled"}, "sampler": offline}
    values = {**tiny_values, **more, "steps": 5}
    done = train_with_two(values, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    state = final_state(tmp_path / "two")
    assert (state["step"], state["loader"]["world_size"]) == (5, 2)
    assert len(state["loader"]["mined"]) > 100


@pytest.mark.slow
def test_images_that_one_process_cannot_read_end_the_run_on_both(
    tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    faces = tmp_path / "faces"
    shutil.copytree(tiny_values["data"]["root"], faces)
    for number in range(3):  # 1 % of 240 may be unreadable; only one process sees all three
        (faces / f"p{number:03d}" / "0.png").write_bytes(b"no image")
    data = {**tiny_values["data"], "root": str(faces)}
    done = train_with_two({**tiny_values, "data": data}, tmp_path / "two")
    assert done.returncode != 0
    assert done.stderr.count("error: 3 of 240 images are unreadable") == 2, done.stderr

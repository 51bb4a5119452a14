"""Runs of two processes: one is killed, all restart, and the weights are as if nothing had been."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import recipe_toml
from vultus.training.run.checkpoint import Checkpoint, CheckpointFolder
from vultus.training.run.observers import read_log
from vultus.training.run.state_file import state_digest
from vultus.training.run.state_tree import State
from vultus.training.trainer import Trainer

WORKER = Path(__file__).with_name("killed_trainer.py")
FORWARDS = 13  # in the first life; the last checkpoint before is of step 10
NOBODY = -1
SAVE_AGAIN = -1


def recipe(values: dict[str, Any], output: Path, **more: Any) -> Recipe:
    run = {**values["run"], "output": str(output), "deterministic": True}
    rules = {"every_steps": 5, "keep": 2}
    return Recipe.from_dict({**values, "run": run, "checkpoint": rules, **more}, source="")


def train(
    recipe: Recipe, *, processes: int, killed: int, restarts: int, forwards: int = FORWARDS
) -> subprocess.CompletedProcess[str]:
    output = Path(recipe.run.output)
    path = output.with_suffix(".toml")
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone",
            f"--nproc-per-node={processes}", f"--max-restarts={restarts}",
            str(WORKER), str(path), str(killed), str(forwards),
        ],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def newest(folder: Path) -> Checkpoint:
    checkpoint = CheckpointFolder(folder / "checkpoints").latest()
    assert checkpoint is not None
    return checkpoint


def parts(state: State, like: State) -> str:
    """Digest of what does not belong to a number of processes.

    A head that is cut keeps its momentum with its rows, in the objective's part, and one that is
    not also in the optimiser's; so of the latter only what ``like`` has is looked at.
    """
    names = ("step", "stage", "stage_step", "backbone", "ema", "objective", "scaler")
    moments = [
        {key: own["state"][key] for key in wanted["state"]}
        for own, wanted in zip(state["optimizers"], like["optimizers"], strict=True)
    ]
    return state_digest({**{name: state[name] for name in names}, "moments": moments})


@pytest.mark.parametrize(
    ("killed", "head"),
    [
        pytest.param(1, {"kind": "fused"}, id="second, sharded"),
        pytest.param(0, {"kind": "fused"}, id="first, sharded", marks=pytest.mark.slow),
        pytest.param(1, {"kind": "plain"}, id="second, plain", marks=pytest.mark.slow),
        pytest.param(
            1,
            {"kind": "partial-fc", "sample_rate": 0.5},
            id="second, partial fc",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_one_of_two_is_killed_and_the_weights_are_as_if_nothing_had_been(
    tiny_values: dict[str, Any], tmp_path: Path, killed: int, head: dict[str, Any]
) -> None:
    more = {"head": head, "training": {"ema_decay": 0.9}}
    calm = recipe(tiny_values, tmp_path / "calm", **more)
    assert train(calm, processes=2, killed=NOBODY, restarts=0).returncode == 0
    rough = recipe(tiny_values, tmp_path / "rough", **more)
    done = train(rough, processes=2, killed=killed, restarts=1)
    assert done.returncode == 0, done.stderr
    assert "Signal 9 (SIGKILL)" in done.stderr or "exitcode: -9" in done.stderr
    assert newest(tmp_path / "rough").step == 20
    assert state_digest(newest(tmp_path / "rough").state) == state_digest(
        newest(tmp_path / "calm").state
    )
    steps = [line["step"] for line in read_log(tmp_path / "rough" / "log.jsonl")]
    assert steps == sorted(steps)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["fused", "plain"])
def test_a_run_goes_on_with_another_number_of_processes(
    tiny_values: dict[str, Any], tmp_path: Path, head: str
) -> None:
    run = recipe(tiny_values, tmp_path / "run", head={"kind": head}, training={"ema_decay": 0.9})
    assert train(run, processes=2, killed=1, restarts=0).returncode != 0
    before = newest(tmp_path / "run")
    assert before.step == 10
    # 10 steps of two processes are two epochs of the 240 images in batches of 24.
    assert before.state["loader"]["world_size"] == 2
    trainer = Trainer(run)
    trainer.state.load_state_dict(before.state, trainer.world)
    loaded = trainer.state.state_dict(trainer.world)
    assert parts(loaded, before.state) == parts(before.state, before.state)
    result = trainer.run(resume=True)
    assert (result.complete, result.step) == (True, 20)
    assert trainer.state.stage.loader.epoch + trainer.state.stage.loader.position / 10 == 3
    assert newest(tmp_path / "run").state["loader"]["world_size"] == 1


@pytest.mark.slow
def test_one_process_becomes_two(tiny_values: dict[str, Any], tmp_path: Path) -> None:
    run = recipe(tiny_values, tmp_path / "run", head={"kind": "fused"}, training={"ema_decay": 0.9})
    assert train(run, processes=1, killed=0, restarts=0).returncode != 0
    alone = newest(tmp_path / "run")
    assert alone.step == 10
    done = train(run, processes=2, killed=NOBODY, restarts=0, forwards=SAVE_AGAIN)
    assert done.returncode == 0, done.stderr
    together = newest(tmp_path / "run")
    assert (together.step, len(together.state["random"])) == (10, 2)
    assert parts(together.state, alone.state) == parts(alone.state, alone.state)
    done = train(run, processes=2, killed=NOBODY, restarts=0)
    assert done.returncode == 0, done.stderr
    last = newest(tmp_path / "run")
    assert last.step == 20
    assert last.state["loader"]["world_size"] == 2
    # One epoch alone, two of five steps each together.
    assert last.state["loader"]["epoch"] + last.state["loader"]["position"] / 5 == 3

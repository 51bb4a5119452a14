"""The command itself, killed and stopped from outside."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import recipe_toml
from vultus.training.run.checkpoint import Checkpoint, CheckpointFolder
from vultus.training.run.state_file import state_digest

COMMAND = ["-m", "vultus", "train"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *COMMAND]


def write_recipe(values: dict[str, Any], output: Path, **more: Any) -> Path:
    run = {**values["run"], "output": str(output), "deterministic": True, "log_every_steps": 1}
    merged = {**values, "run": run, "checkpoint": {"every_steps": 3, "keep": 2}, **more}
    path = output.with_suffix(".toml")
    path.write_text(recipe_toml(Recipe.from_dict(merged, source="")), encoding="utf-8")
    return path


@contextmanager
def running(command: list[str], path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, *command, str(path), "--resume"],
        stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_steps(process: subprocess.Popen[str], count: int) -> None:
    """Reads what a run says until it has told of so many steps."""
    assert process.stderr is not None
    seen = 0
    while seen < count:
        line = process.stderr.readline()
        assert line, "the run ended early"
        seen += line.startswith("step ") and "/" in line.split()[1]


def newest(folder: Path) -> Checkpoint:
    checkpoint = CheckpointFolder(folder / "checkpoints").latest()
    assert checkpoint is not None
    return checkpoint


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_never_was(
    tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    more = {"steps": 60, "data": {**tiny_values["data"], "workers": 1}}
    more["training"] = {"ema_decay": 0.9}
    with running(COMMAND, write_recipe(tiny_values, tmp_path / "calm", **more)) as calm:
        assert calm.wait() == 0
    path, moments, kills = (
        write_recipe(tiny_values, tmp_path / "rough", **more),
        random.Random(0),
        0,
    )
    for _ in range(20):
        with running(COMMAND, path) as rough:
            if kills == 5:
                assert rough.wait() == 0
                break
            wait_for_steps(rough, 4)
            time.sleep(moments.uniform(0, 0.1))
            rough.kill()
            assert rough.wait() == -9
            kills += 1
    assert newest(tmp_path / "rough").step == 60
    assert state_digest(newest(tmp_path / "rough").state) == state_digest(
        newest(tmp_path / "calm").state
    )


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["torchrun", "one process"])
def test_sigterm_ends_two_processes_together_with_their_state_saved(
    tiny_values: dict[str, Any], tmp_path: Path, whom: str
) -> None:
    rules = {"every_minutes": 60.0}
    path = write_recipe(tiny_values, tmp_path / "run", steps=100_000, checkpoint=rules)
    with running(TORCHRUN, path) as process:
        wait_for_steps(process, 3)
        begin = time.monotonic()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        target = process.pid if whom == "torchrun" else int(children[1])
        os.kill(target, signal.SIGTERM)
        assert process.wait(timeout=60) != 0
        assert time.monotonic() - begin < 20
    saved = newest(tmp_path / "run")
    assert saved.step >= 3
    assert len(saved.state["random"]) == 2

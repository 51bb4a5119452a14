"""A run that was stopped and resumed ends with the same bits as one that was not."""

import itertools
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vultus.core.faces import Image
from vultus.training.data_selection import FaceSubset, open_faces
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.run.observers import StepRecord
from vultus.training.run.state_file import state_digest
from vultus.training.trainer import Trainer
from vultus.training.validation import EvaluationResult


class StopAt:
    """Sends SIGTERM when it is told of a step, as a scheduler would in its midst."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def on_start(self, step: int) -> None:
        """Nothing to do."""

    def on_step(self, record: StepRecord) -> None:
        if record.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_evaluation(self, step: int, result: EvaluationResult) -> None:
        """Nothing to do."""

    def on_note(self, step: int, text: str) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


def run(values: dict[str, Any], output: Path, stops: tuple[int, ...] = ()) -> str:
    """Trains, stopped and resumed at these steps; the digest of the final state."""
    settings = {**values["run"], "output": str(output), "log_every_steps": 1, "deterministic": True}
    recipe = Recipe.from_dict({**values, "run": settings}, source="r.toml")
    for step in (*stops, None):
        torch.manual_seed(0 if step is None else step)  # what a new process has must not matter
        result = Trainer(recipe, observers=[StopAt(step)]).run(resume=True)
        assert result.complete == (step is None)
    newest = CheckpointFolder(output / "checkpoints").latest()
    assert newest is not None
    assert newest.step == result.step
    return state_digest(newest.state)


TWO_STAGES = [
    {"name": "softmax", "steps": 7, "loss": {"name": "softmax"}},
    {
        "name": "triplet",
        "steps": 8,
        "loss": {"name": "triplet"},
        "sampler": {"name": "pk", "identities": 6, "images": 4},
        "frozen": ["stages.0.*"],
    },
]
AUGMENT = [{"name": "flip", "probability": 0.5}, {"name": "blur", "probability": 0.5}]
EVERYTHING = {
    "augment": AUGMENT,
    "training": {"ema_decay": 0.9, "accumulate": 2, "clip_norm": 1.0},
    "optimizer": {"name": "sgd", "lr": 0.05, "nesterov": True},
    "margin_warmup": {"steps": 12},
}


SLOW = {
    "adamw": {"optimizer": {"name": "adamw", "lr": 3e-3}},
    "adagrad": {"optimizer": {"name": "adagrad", "lr": 0.03}},
    "running level": {"loss": {"name": "curricularface"}},
    "random margins": {"loss": {"name": "elasticface"}},
    "running norms": {"loss": {"name": "adaface"}},
    "centres": {"loss": {"name": "center"}},
    "bf16": {"training": {"precision": "bf16"}},
    "balanced": {"sampler": {"name": "balanced", "batch_size": 24}},
}
OFFLINE = {
    "sampler": {"name": "offline", "triplets": 8, "every": 6},
    "loss": {"name": "triplet"},
    "miner": {"name": "as-sampled"},
}
WEIGHTED = {
    "sampler": {"name": "pk", "identities": 6, "images": 4},
    "loss": {"name": "margin-based"},
    "miner": {"name": "distance-weighted"},
}
SAMPLED = {
    "head": {"kind": "partial-fc", "sample_rate": 0.5},
    "training": {"precision": "fp16"},
    "data": {"workers": 2},
    "augment": AUGMENT,
}


@pytest.mark.parametrize(
    ("more", "stops"),
    [
        pytest.param(EVERYTHING, (7, 13), id="everything"),
        pytest.param({"stage": TWO_STAGES, "steps": None}, (3, 7, 10), id="stages"),
        pytest.param(SAMPLED, (9,), id="partial fc, fp16, workers"),
        pytest.param(OFFLINE, (3, 6, 13), id="offline mining"),
        pytest.param(WEIGHTED, (5,), id="drawn triplets", marks=pytest.mark.slow),
        *(pytest.param(m, (5, 16), id=name, marks=pytest.mark.slow) for name, m in SLOW.items()),
    ],
)
def test_a_stopped_run_ends_as_one_that_never_stopped(
    tiny_values: dict[str, Any], tmp_path: Path, more: dict[str, Any], stops: tuple[int, ...]
) -> None:
    values = {**tiny_values, **more}
    values["data"] = {**tiny_values["data"], **more.get("data", {})}
    values = {key: value for key, value in values.items() if value is not None}
    whole = run(values, tmp_path / "whole")
    assert run(values, tmp_path / "stopped", stops) == whole


def test_two_deterministic_runs_are_equal_and_another_seed_is_not(
    tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    values = {**tiny_values, **EVERYTHING, "steps": 6}
    first = run(values, tmp_path / "first")
    assert run(values, tmp_path / "second") == first
    values["run"] = {**values["run"], "seed": 1}
    assert run(values, tmp_path / "third") != first


class SlowFaces(FaceSubset):
    """Takes a minute for one image, and gets a SIGTERM meanwhile."""

    reads_left = 24 * 4 + 7  # it is in the fifth batch

    def image(self, index: int) -> Image:
        type(self).reads_left -= 1
        if type(self).reads_left == 0:
            kill_and_sleep()
        return super().image(index)


def kill_and_sleep(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


@pytest.mark.parametrize("where", ["reading", "forward", "second batch", "backward"])
def test_a_signal_in_a_slow_step_saves_at_once_and_leaves_no_trace_of_it(
    tiny_values: dict[str, Any], tmp_path: Path, where: str
) -> None:
    # Every kind of state that a forward pass moves: running statistics, the loss's step, draws.
    values = {
        **tiny_values,
        "steps": 8,
        "loss": {"name": "elasticface"},
        "training": {"accumulate": 2, "ema_decay": 0.9},
    }
    whole = run(values, tmp_path / "whole")
    settings = {**values["run"], "output": str(tmp_path / "slow"), "deterministic": True}
    recipe = Recipe.from_dict({**values, "run": settings}, source="r.toml")
    dataset = None
    if where == "reading":
        faces = open_faces(recipe.data)
        dataset = SlowFaces(faces, np.arange(len(faces)))
    trainer = Trainer(recipe, dataset=dataset)
    calls = itertools.count(1)

    def in_the_midst(*_: Any) -> None:
        if next(calls) == (6 if where == "second batch" else 5):
            torch.rand(1)  # as dropout does
            kill_and_sleep()

    last = trainer.state.backbone.get_submodule("project.1")
    if where == "backward":
        last.register_full_backward_hook(in_the_midst)
    elif where != "reading":
        last.register_forward_hook(in_the_midst)
    begin = time.monotonic()
    result = trainer.run()
    assert time.monotonic() - begin < 20
    assert (result.step, result.exit_code) == (2, 143)
    assert Trainer(recipe).run(resume=True).complete
    newest = CheckpointFolder(tmp_path / "slow" / "checkpoints").latest()
    assert newest is not None
    assert state_digest(newest.state) == whole

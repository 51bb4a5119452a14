"""A whole run in which the network gives NaN: what is left out, what is named, what stays."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vultus.core.errors import TrainingError
from vultus.sampling.samplers import ShuffledSampler
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.trainer import Trainer


class Spoiler:
    """Makes one feature NaN in the training passes from ``first`` to ``last``, counted from 1."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last, self.passes = first, last, 0

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        self.passes += module.training
        if not (module.training and self.first <= self.passes <= self.last):
            return output
        spoilt = output.clone()
        spoilt[3, 0] = float("nan")
        return spoilt


def spoilt_trainer(values: dict[str, Any], *, first: int, last: int) -> Trainer:
    more = {"training": {"max_skipped": 2}, "checkpoint": {"every_steps": 1, "keep": 20}}
    trainer = Trainer(Recipe.from_dict({**values, **more}, source="r.toml"))
    trainer.state.backbone.register_forward_hook(Spoiler(first, last))
    return trainer


def saved(output: Path, step: int) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = (
        CheckpointFolder(output / "checkpoints").load(step).state["backbone"]
    )
    return weights


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_bad_step_moves_nothing_and_its_batch_is_named(
    tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    trainer = spoilt_trainer(tiny_values, first=4, last=5)
    assert trainer.run().complete
    output = tmp_path / "run"
    assert sorted(path.name for path in (output / "skipped-steps").iterdir()) == [
        "step-00000004-rank-0.json", "step-00000005-rank-0.json"
    ]  # fmt: skip
    report = json.loads((output / "skipped-steps" / "step-00000004-rank-0.json").read_text())
    (batch,) = report["batches"]
    drawn = list(ShuffledSampler(trainer.dataset.labels, batch_size=24))[3]
    assert batch["indices"] == drawn
    names = [trainer.dataset.identities[trainer.dataset.labels[index]] for index in drawn]
    assert batch["identities"] == names
    assert batch["rows_not_finite"] == [3]
    assert same(saved(output, 3), saved(output, 4))
    assert same(saved(output, 3), saved(output, 5))
    assert not same(saved(output, 5), saved(output, 6))
    assert all(weight.isfinite().all() for weight in saved(output, 20).values())


def test_a_run_that_only_gives_nan_ends_and_its_last_good_state_loads(
    tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="3 such steps in a row, at most 2 are left out"):
        spoilt_trainer(tiny_values, first=4, last=99).run()
    newest = CheckpointFolder(tmp_path / "run" / "checkpoints").latest()
    assert newest is not None
    assert newest.step == 5  # steps 4 and 5 moved nothing
    assert same(newest.state["backbone"], saved(tmp_path / "run", 3))
    trainer = Trainer(spoilt_trainer(tiny_values, first=99, last=99).recipe)
    assert trainer.run(resume=True).complete

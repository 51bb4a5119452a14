import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vultus.backbones.base import Backbone
from vultus.core.errors import ConfigError
from vultus.data import open_dataset
from vultus.losses import LOSSES
from vultus.sampling.samplers import ShuffledSampler
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.observers import StepRecord, read_log
from vultus.training.run.result import build_backbone, load_backbone
from vultus.training.trainer import Trainer
from vultus.training.validation import CropEmbedder, EvaluationResult, open_validations


class Watcher:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.records: list[StepRecord] = []
        self.accuracies: list[float] = []
        self.notes: list[str] = []

    def on_start(self, step: int) -> None:
        self.started_at = step

    def on_step(self, record: StepRecord) -> None:
        self.records.append(record)

    def on_evaluation(self, step: int, result: EvaluationResult) -> None:
        self.accuracies.append(result.accuracy.mean)

    def on_note(self, step: int, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        self.closed = True


def recipe(values: dict[str, Any], **more: Any) -> Recipe:
    merged = {**values}
    for key, value in more.items():
        merged[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return Recipe.from_dict(merged, source="r.toml")


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {n: v.clone() for n, v in trainer.state.backbone.state_dict().items()}


def test_a_run_ends_with_weights_a_log_and_a_summary(tiny_values: dict[str, Any]) -> None:
    watcher = Watcher()
    result = Trainer(recipe(tiny_values, training={"ema_decay": 0.9}), observers=[watcher]).run()
    assert (result.complete, result.step, result.exit_code) == (True, 20, 0)
    names = {path.name for path in result.folder.iterdir()}
    assert names >= {
        "config.toml", "log.jsonl", "summary.json", "backbone.safetensors",
        "backbone-ema.safetensors", "checkpoints", "tensorboard", "curves.png",
    }  # fmt: skip
    summary = json.loads((result.folder / "summary.json").read_text())
    assert summary == result.summary
    assert (summary["identities"], summary["images"], summary["steps"]) == (30, 240, [20])
    steps = [line for line in read_log(result.folder / "log.jsonl") if line["kind"] == "step"]
    assert [line["step"] for line in steps] == [1, 6, 12, 18, 20]
    assert {"loss", "lr", "target_angle_deg", "feature_norm", "eta_s"} <= set(steps[0])
    assert watcher.closed
    assert watcher.records[-1].eta_s == 0
    assert any("loss of the first step" in note for note in watcher.notes)
    assert load_backbone(result.folder).dim == 32


def reference_steps(net: Backbone, centers: Tensor, root: str, *, steps: int) -> Iterator[float]:
    """The same run in a loop without this package's trainer."""
    faces = open_dataset(root)
    images = torch.stack([torch.from_numpy(faces.image(i)) for i in range(240)])
    labels = torch.from_numpy(faces.labels[:240].copy())
    head = LOSSES.create("cosface", num_classes=30, dim=32, scale=16.0, margin_cos=0.2)
    with torch.no_grad():
        head.get_parameter("weight").copy_(centers)
    optimizer = torch.optim.SGD(
        [*net.parameters(), *head.parameters()], lr=0.05, momentum=0.9, weight_decay=5e-4
    )
    batches: list[list[int]] = []
    for step in range(steps):
        if not batches:
            sampler = ShuffledSampler(labels, batch_size=24)
            sampler.set_epoch(step // len(sampler))
            batches = list(sampler)
        rows = batches.pop(0)
        x = (images[rows].permute(0, 3, 1, 2).float().contiguous() - 127.5) / 127.5
        net.train()
        loss = head(net(x), labels[rows]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def test_steps_are_those_of_a_plain_loop(tiny_values: dict[str, Any]) -> None:
    watcher = Watcher()
    run = recipe(
        tiny_values,
        schedule={"name": "constant", "warmup_steps": 0},
        run={"log_every_steps": 1},
        training={"channels_last": False},
    )
    trainer = Trainer(run, observers=[watcher])
    net = build_backbone(run)
    net.load_state_dict(trainer.state.backbone.state_dict())
    centers = trainer.state.stage.objective.state_dict()["first.weight"].clone()
    losses = list(reference_steps(net, centers, tiny_values["data"]["root"], steps=20))
    trainer.run()
    found = [record.loss for record in watcher.records]
    assert found[:10] == pytest.approx(losses[:10], rel=1e-4)
    assert found == pytest.approx(losses, rel=1e-2)  # rounding grows


def test_accumulated_batches_move_the_weights_as_one_big_batch(
    tiny_values: dict[str, Any], tmp_path: Any
) -> None:
    # Batch normalisation sees batches, so its statistics are frozen with everything but the end.
    frozen = {"frozen": ["stages.*", "weigh.*"], "steps": 1}
    moved = []
    for name, size, accumulate in (("one", 240, 1), ("four", 60, 4)):
        run = recipe(
            tiny_values,
            run={"output": str(tmp_path / name)},
            sampler={"batch_size": size},
            training={"accumulate": accumulate},
            schedule={"name": "constant", "warmup_steps": 0},
            **frozen,
        )
        trainer = Trainer(run)
        # The last normalisation would see batches too.
        trainer.state.backbone.get_submodule("project").add_module("1", torch.nn.Identity())
        trainer.run()
        moved.append(weights(trainer)["project.0.weight"])
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-4, atol=1e-6)


def test_stages_follow_each_other(tiny_values: dict[str, Any]) -> None:
    stages = [
        {"name": "softmax", "steps": 6, "loss": {"name": "softmax"}},
        {
            "name": "triplet",
            "steps": 4,
            "loss": {"name": "triplet"},
            "sampler": {"name": "pk", "identities": 6, "images": 4},
            "frozen": ["stages.*"],
        },
    ]
    watcher = Watcher()
    run = recipe(tiny_values, stage=stages, run={"log_every_steps": 1})
    trainer = Trainer(run, observers=[watcher])
    result = trainer.run()
    assert result.step == 10
    assert [r.stage for r in watcher.records] == ["softmax"] * 6 + ["triplet"] * 4
    assert {r.total_steps for r in watcher.records} == {10}
    assert "accuracy" in watcher.records[5].statistics
    assert "active_fraction" in watcher.records[6].statistics
    # The schedule runs over each stage: the second one warms up again.
    assert watcher.records[6].lr < watcher.records[2].lr


@pytest.mark.parametrize(
    "more",
    [
        {"training": {"precision": "bf16"}},
        {"training": {"precision": "fp16", "clip_norm": 1.0}},
        {"training": {"channels_last": False, "accumulate": 2}},
        {"head": {"kind": "fused"}},
        {"head": {"kind": "partial-fc", "sample_rate": 0.5}, "training": {"clip_norm": 1.0}},
        {"second_loss": {"name": "triplet", "factor": 0.5}},
        {"optimizer": {"name": "adamw", "lr": 0.003}},
        {"optimizer": {"name": "adagrad", "lr": 0.03}},
        {"margin_warmup": {"steps": 10}},
        {"augment": [{"name": "flip", "probability": 0.5}]},
    ],
    ids=str,
)
def test_every_way_to_step_lowers_the_loss(tiny_values: dict[str, Any], more: Any) -> None:
    watcher = Watcher()
    Trainer(recipe(tiny_values, **more), observers=[watcher]).run()
    assert watcher.records[-1].loss < 0.9 * watcher.records[0].loss
    assert watcher.records[-1].gradient_norm > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_compiled_network_trains_like_a_plain_one(
    tiny_values: dict[str, Any], tmp_path: Path, precision: str
) -> None:
    first = []
    for compiled in (False, True):
        torch._dynamo.reset()
        watcher = Watcher()
        output = {"output": str(tmp_path / f"{compiled}"), "log_every_steps": 1}
        how = {"precision": precision, "compile": compiled, "channels_last": True}
        Trainer(recipe(tiny_values, run=output, training=how), observers=[watcher]).run()
        first.append([watcher.records[0].loss, watcher.records[0].gradient_norm])
        assert watcher.records[-1].loss < 0.9 * watcher.records[0].loss
        # Parameters have the names of a plain network.
        assert load_backbone(tmp_path / f"{compiled}").dim == 32
    # Later steps only show how rounding grows.
    assert first[0] == pytest.approx(first[1], rel=1e-4 if precision == "f32" else 0.01)


def test_a_run_really_learns_to_tell_strangers_apart(
    tiny_values: dict[str, Any], strangers: Path
) -> None:
    del tiny_values["steps"]
    watcher = Watcher()
    run = recipe(
        tiny_values,
        data={"max_identities": 40},
        epochs=20,
        training={"ema_decay": 0.95},
        evaluation={"every_steps": 60, "sets": [{"root": str(strangers), "pairs": 1000}]},
    )
    trainer = Trainer(run, observers=[watcher])
    embedder = CropEmbedder(
        trainer.state.backbone,
        input=run.input,
        config=run.evaluation,
        device=torch.device("cpu"),
    )
    before = open_validations(run.evaluation.sets)[0].run(embedder).accuracy.mean
    result = trainer.run()
    after = result.summary["evaluation"][0]["accuracy"]
    assert before < 0.7
    assert after > 0.75
    assert after > before + 0.1
    # 14 batches of the 320 images an epoch: after 60, 120, 180, 240 and all 280 steps.
    assert len(watcher.accuracies) == 5
    assert result.summary["best_accuracy"] == max(watcher.accuracies)
    assert (result.folder / "backbone-best.safetensors").is_file()


def test_the_recipes_device_is_used_and_must_be_there(tiny_values: dict[str, Any]) -> None:
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ConfigError, match=f"device must be here, got {missing}"):
        Trainer(recipe(tiny_values, run={"device": missing}))


@pytest.mark.parametrize("when", ["during the run", "at the end"])
def test_a_signal_during_an_evaluation_saves_and_resuming_finishes(
    tiny_values: dict[str, Any], strangers: Path, when: str
) -> None:
    every = {"every_steps": 10} if when == "during the run" else {}
    sets = [{"root": str(strangers), "pairs": 1000}]
    run = recipe(tiny_values, evaluation={"sets": sets, **every})

    class Interrupter(Watcher):
        def on_step(self, record: StepRecord) -> None:
            if record.step == (6 if every else 20):
                self.forward = judged.register_forward_pre_hook(self.interrupt)

        def interrupt(self, module: torch.nn.Module, inputs: Any) -> None:
            if not module.training:
                os.kill(os.getpid(), signal.SIGTERM)
                self.forward.remove()

    watcher = Interrupter()
    trainer = Trainer(run, observers=[watcher])
    judged = trainer.state.backbone
    result = trainer.run()
    assert (result.exit_code, result.complete) == (143, False)
    assert result.step == (10 if every else 20)
    assert watcher.accuracies == []
    assert not (result.folder / "summary.json").exists()
    result = Trainer(run).run(resume=True)
    assert (result.complete, result.step) == (True, 20)

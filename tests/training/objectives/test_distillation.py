import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vultus.core.errors import ConfigError, RegistryError, TrainingError
from vultus.data import open_dataset
from vultus.data.loading.batch import FaceBatch
from vultus.losses import LOSSES
from vultus.losses.distillation import (
    cosine_distillation,
    l2_distillation,
    relational_distillation,
)
from vultus.training.objectives import targets
from vultus.training.objectives.accumulation import batch_weights
from vultus.training.objectives.distillation import DistillationObjective
from vultus.training.objectives.objective import LossObjective, StageSetting
from vultus.training.objectives.targets import TargetFolder, TargetTable
from vultus.training.process.distributed import World
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import recipe_toml
from vultus.training.recipe.stage_config import DistillationConfig, DistillationTerm
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.run.observers import StepRecord
from vultus.training.run.result import load_backbone
from vultus.training.run.state_file import state_digest
from vultus.training.trainer import Trainer
from vultus.training.validation import EvaluationResult


class Watcher:
    """Remembers records and notes; sends SIGTERM at a note or a step."""

    def __init__(self, *, stop_at_note: str = "-", stop_at_step: int = -1) -> None:
        self.records: list[StepRecord] = []
        self.notes: list[str] = []
        self.stop_at_note = stop_at_note
        self.stop_at_step = stop_at_step

    def on_start(self, step: int) -> None:
        """Nothing to do."""

    def on_step(self, record: StepRecord) -> None:
        self.records.append(record)
        if record.step == self.stop_at_step:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_evaluation(self, step: int, result: EvaluationResult) -> None:
        """Nothing to do."""

    def on_note(self, step: int, text: str) -> None:
        self.notes.append(text)
        if text.startswith(self.stop_at_note):
            os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        """Nothing to do."""


def recipe_values(values: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The tables with these laid over them; None takes one away."""
    merged = {**values}
    for key, value in more.items():
        merged[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return {key: value for key, value in merged.items() if value is not None}


def recipe(values: dict[str, Any], **more: Any) -> Recipe:
    return Recipe.from_dict(recipe_values(values, **more), source="r.toml")


@pytest.fixture(scope="module")
def teacher(face_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: a network with 24 entries, trained on all identities until it knows them."""
    torch.set_num_threads(1)
    values = {
        "run": {"output": str(tmp_path_factory.mktemp("teacher") / "run"), "device": "cpu"},
        "input": {"size_hw": [32, 32]},
        "data": {"kind": "folder", "root": str(face_folder)},
        "backbone": {
            "name": "vultusnet-s", "dim": 24, "widths": [8, 16, 24, 32], "units": [1, 1, 1, 1],
        },
        "sampler": {"name": "shuffled", "batch_size": 24},
        "loss": {"name": "cosface", "scale": 16.0, "margin_cos": 0.2},
        "optimizer": {"name": "sgd", "lr": 0.05},
        "schedule": {"name": "cosine", "warmup_steps": 2},
        "steps": 150,
    }  # fmt: skip
    result = Trainer(Recipe.from_dict(values, source="t.toml")).run()
    if not result.complete:  # the run took a signal that was meant for the tests: pass it on
        signal.raise_signal(signal.Signals(result.exit_code - 128))
    return result.folder


@pytest.fixture
def table(tmp_path: Path) -> TargetTable:
    """Vectors of 4 entries for 6 images; image 5 was not readable."""
    rows = np.random.default_rng(0).normal(0, 3, (6, 4)).astype(np.float32)
    rows[5] = 0
    folder = TargetFolder(tmp_path, rows=6, dim=4)
    folder.write(0, rows)
    return TargetTable(folder)


def objective(
    table: TargetTable | None, *, dim: int = 4, labelled: bool = False, **settings: Any
) -> DistillationObjective:
    torch.manual_seed(0)
    config = DistillationConfig(teacher="somebody", **settings)
    loss = LossObjective(LOSSES.create("cosface", num_classes=3, dim=dim)) if labelled else None
    made = DistillationObjective(config, dim=dim, teacher_dim=4, labelled=loss)
    made._targets = table
    return made


def a_batch(labels: list[int], indices: list[int]) -> FaceBatch:
    readable = torch.tensor([index != 1 for index in indices])
    nothing = torch.zeros(len(labels), 3, 1, 1)
    return FaceBatch(nothing, torch.tensor(labels), torch.tensor(indices), readable=readable)


def features(rows: int, dim: int = 4) -> Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(1))


def test_terms_are_over_readable_rows_and_the_loss_over_labelled_ones(table: TargetTable) -> None:
    more: list[dict[str, Any]] = [
        {"kind": "l2", "factor": 0.5},
        {"kind": "relational", "factor": 3.0},
    ]
    made = objective(
        table, labelled=True, factor=2.0, more=tuple(DistillationTerm(**entry) for entry in more)
    )
    # Image 1 could not be read here, image 5 not by the teacher, image 0 is nobody's.
    batch, rows = a_batch([-1, -1, 2, 0, 1], [0, 1, 3, 4, 5]), features(5)
    output = made(rows, batch)
    kept = torch.tensor([0, 2, 3])
    taught = table.rows(batch.indices)[0][kept]
    assert made.labelled is not None
    expected = (
        2 * cosine_distillation(rows[kept], taught)
        + 0.5 * l2_distillation(rows[kept], taught)
        + 3 * relational_distillation(rows[kept], taught)
        + made.labelled.first(rows[2:], batch.labels[2:]).loss
    )
    torch.testing.assert_close(output.loss, expected)
    found = 1 - cosine_distillation(rows[kept], taught)
    torch.testing.assert_close(output.statistics["teacher_cosine"], found)
    assert {"labelled_loss", "distillation_loss", "target_angle_deg"} <= set(output.statistics)


def test_batches_of_a_step_add_up_to_one_big_batch(table: TargetTable) -> None:
    made = objective(table, labelled=True, kind="l2")
    parts = [a_batch([-1, 2], [0, 2]), a_batch([-1, 1, 0], [1, 3, 4])]
    rows = [features(2), features(3) + 1]
    weights = batch_weights(parts, device=torch.device("cpu"))
    total = sum(
        made.weighted(x, part, weight).loss
        for x, part, weight in zip(rows, parts, weights, strict=True)
    )
    whole = a_batch([-1, 2, -1, 1, 0], [0, 2, 1, 3, 4])
    torch.testing.assert_close(total, made(torch.cat(rows), whole).loss)


def test_a_projection_only_where_vectors_of_two_lengths_are_compared(table: TargetTable) -> None:
    assert objective(table).projection is None
    assert objective(table).views == 1  # the second view is a live teacher's
    assert objective(table, dim=6, kind="relational").projection is None
    made = objective(table, dim=6)
    assert made.projection is not None
    rows = features(2, 6).requires_grad_()
    made(rows, a_batch([0, 1], [2, 3])).loss.backward()
    assert rows.grad is not None
    assert made.projection.weight.grad is not None
    state = made.full_state()
    assert state[""]["projection.weight"].shape == (4, 6)


def test_relations_are_those_of_the_students_own_vectors(table: TargetTable) -> None:
    batch, rows = a_batch([0, 1, 2], [2, 3, 4]), features(3, 6)
    more = (DistillationTerm(kind="relational"),)
    both, one = objective(table, dim=6, more=more), objective(table, dim=6)
    relations = relational_distillation(rows, table.rows(batch.indices)[0])
    torch.testing.assert_close(both(rows, batch).loss - one(rows, batch).loss, relations)


def test_no_row_no_loss(table: TargetTable) -> None:
    rows = features(2).requires_grad_()
    output = objective(table)(rows, a_batch([0, 1], [1, 5]))
    output.loss.backward()
    assert output.loss.item() == 0
    with pytest.raises(TrainingError, match="told to begin"):
        objective(None)(rows, a_batch([0, 1], [2, 3]))


def test_unreadable_images_take_no_part_with_a_live_teacher_either(
    tiny_recipe: Recipe, teacher: Path, face_folder: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    setting = StageSetting(
        recipe=tiny_recipe,
        dataset=open_dataset(face_folder),
        folder=tmp_path,
        world=World(),
        note=notes.append,
        should_stop=lambda: False,
        interruptibly=iter,
    )
    config = DistillationConfig(
        teacher=str(teacher), live=True, more=(DistillationTerm(kind="relational"),)
    )
    made = DistillationObjective(config, dim=24, teacher_dim=24)
    assert made.views == 2
    assert made.begin(setting)
    assert (notes, [*tmp_path.iterdir()]) == ([], [])  # nothing is computed, nothing kept
    clean = torch.stack([torch.from_numpy(setting.dataset.image(i)) for i in range(5)])
    clean = clean.permute(0, 3, 1, 2)
    rows = features(5, 24).requires_grad_()
    labels, readable = torch.full((5,), -1), torch.tensor([True, False, True, True, False])
    nothing = torch.zeros_like(clean)
    whole = FaceBatch(nothing, labels, torch.arange(5), clean, readable)
    kept = FaceBatch(nothing[:3], labels[:3], whole.indices[readable], clean[readable])
    output, expected = made(rows, whole), made(rows[readable], kept)
    torch.testing.assert_close(output.loss, expected.loss)
    torch.testing.assert_close(
        output.statistics["teacher_cosine"], expected.statistics["teacher_cosine"]
    )
    output.loss.backward()
    assert rows.grad is not None
    assert rows.grad.any(dim=1).tolist() == readable.tolist()


def cosines_with_teacher(student: Path, teacher: Path, images: Path) -> float:
    faces = open_dataset(images)
    rows = torch.stack([torch.from_numpy(faces.image(i)) for i in range(80)])
    rows = (rows.permute(0, 3, 1, 2).float() - 127.5) / 127.5
    with torch.no_grad():
        ours, theirs = (load_backbone(path)(rows) for path in (student, teacher))
        return 1 - cosine_distillation(ours, theirs).item()


@pytest.mark.parametrize("kind", ["cosine", "l2"])
def test_a_student_becomes_like_its_teacher_also_on_strangers(
    tiny_values: dict[str, Any], teacher: Path, strangers: Path, kind: str
) -> None:
    watcher = Watcher()
    run = recipe(
        tiny_values,
        loss=None,
        backbone={"dim": 24},
        distillation={"teacher": str(teacher), "kind": kind},
        augment=[{"name": "flip", "probability": 0.5}],
        steps=120,
    )
    folder = Trainer(run, observers=[watcher]).run().folder
    assert watcher.records[0].statistics["teacher_cosine"] < 0.3
    assert watcher.records[-1].statistics["teacher_cosine"] > 0.75
    assert cosines_with_teacher(folder, teacher, strangers) > 0.6


SHARED = [
    {"name": "flip", "probability": 0.5, "shared": True},
    {"name": "affine", "rotation_deg": 10.0, "shift": 0.05, "shared": True},
]
NOISE = {"name": "noise", "probability": 0.5}
MIXUP = {"name": "mixup", "shared": True}


@pytest.mark.parametrize(
    ("data", "augment"),
    [({}, [*SHARED, NOISE]), ({"on_device": True}, [*SHARED, MIXUP, NOISE])],
    ids=["usual loader", "on the device, with mixup"],
)
def test_a_student_learns_from_a_live_teacher(
    tiny_values: dict[str, Any],
    teacher: Path,
    strangers: Path,
    data: dict[str, Any],
    augment: list[dict[str, Any]],
) -> None:
    watcher = Watcher()
    run = recipe(
        tiny_values,
        loss=None,
        data=data,
        backbone={"dim": 24},
        distillation={"teacher": str(teacher), "live": True, "flip": False},
        augment=augment,
        steps=120,
    )
    folder = Trainer(run, observers=[watcher]).run().folder
    assert not (folder / "teacher").exists()
    first, last = (watcher.records[i].statistics["teacher_cosine"] for i in (0, -1))
    assert first < 0.3
    assert last > 0.6
    assert cosines_with_teacher(folder, teacher, strangers) > 0.5


@pytest.mark.parametrize("on_device", [False, True])
def test_a_broken_file_stops_no_live_teacher(
    tiny_values: dict[str, Any], teacher: Path, face_folder: Path, tmp_path: Path, on_device: bool
) -> None:
    root = tmp_path / "broken"
    shutil.copytree(face_folder, root)
    next(iter(sorted(root.rglob("*.png")))).write_bytes(b"no image")
    watcher = Watcher()
    run = recipe(
        tiny_values,
        data={"root": str(root), "on_device": on_device},
        distillation={"teacher": str(teacher), "live": True},
        run={"log_every_steps": 1},
        steps=11,  # an epoch has 10
    )
    trainer = Trainer(run, observers=[watcher])
    assert trainer.run().complete
    assert len(trainer.state.stage.loader.unreadable) == 1
    assert all(np.isfinite(record.loss) for record in watcher.records)


@pytest.mark.parametrize(
    "more",
    [
        {"distillation": {"kind": "relational"}},
        {"distillation": {"live": True, "kind": "l2"}, "augment": SHARED},
        {
            "distillation": {"live": True},
            "data": {"on_device": True},
            "training": {"precision": "bf16", "accumulate": 2},
        },
        {"distillation": {"more": [{"kind": "relational"}]}, "training": {"ema_decay": 0.9}},
        {"loss": None, "training": {"precision": "bf16", "accumulate": 2}},
        {"head": {"kind": "fused"}, "training": {"precision": "fp16", "clip_norm": 1.0}},
        {"margin_warmup": {"steps": 10}, "second_loss": {"name": "triplet", "factor": 0.5}},
    ],
    ids=str,
)
def test_a_teacher_goes_with_everything_else(
    tiny_values: dict[str, Any], teacher: Path, more: dict[str, Any]
) -> None:
    taught = {"teacher": str(teacher), "factor": 5.0, **more.get("distillation", {})}
    watcher = Watcher()
    settings = {**more, "distillation": taught, "steps": 60}
    Trainer(recipe(tiny_values, **settings), observers=[watcher]).run()
    assert watcher.records[-1].loss < 0.9 * watcher.records[0].loss
    name = next(key for key in watcher.records[0].statistics if key.endswith("_distillation"))
    first, last = (watcher.records[i].statistics[name] for i in (0, -1))
    assert last < 0.95 * first


def unlabelled_folder(root: Path, faces: Path) -> Path:
    """Two people, and six folders of images whose people are not known."""
    for number, folder in enumerate(sorted(faces.iterdir())[:8]):
        place = root / folder.name if number < 2 else root / "_unlabelled" / folder.name
        shutil.copytree(folder, place)
    return root


def test_images_of_nobody_take_part_in_distillation_only(
    tiny_values: dict[str, Any], teacher: Path, face_folder: Path, tmp_path: Path
) -> None:
    root = unlabelled_folder(tmp_path / "mixed", face_folder)
    data = {"root": str(root), "unlabelled": True}
    taught = {"teacher": str(teacher)}
    stages = [
        {"steps": 6, "distillation": taught},
        {"steps": 3},
        {"steps": 2, "sampler": {"name": "pk", "identities": 2, "images": 3}},
    ]
    run = recipe(tiny_values, data=data, stage=stages, steps=None, run={"log_every_steps": 1})
    trainer = Trainer(run)
    assert trainer.facts()["images"] == 64
    assert trainer.facts()["identities"] == 2
    loaders = [trainer._builder.build(number).loader for number in range(3)]
    assert [len(loader) for loader in loaders] == [3, 1, 1]  # 64 images; 16 of somebody
    seen = {int(label) for loader in loaders[1:] for batch in loader for label in batch.labels}
    assert seen == {0, 1}
    Trainer(run).run()
    alone = recipe(tiny_values, data=data, loss=None, distillation=taught, run={"output": "x"})
    assert Trainer(alone).facts()["images"] == 64
    none = recipe(
        tiny_values,
        data={"root": str(root / "_unlabelled" / "p003"), "unlabelled": True},
        loss=None,
        distillation=taught,
        run={"output": str(tmp_path / "nobody")},
    )
    assert Trainer(none).run().complete


def run_to_end(values: dict[str, Any], output: Path, *watchers: Watcher) -> str:
    """Trains, stopped and resumed by these watchers; the digest of the final state."""
    settings = {"output": str(output), "log_every_steps": 1, "deterministic": True}
    run = recipe(values, run=settings)
    for watcher in (*watchers, Watcher()):
        torch.manual_seed(len(watcher.stop_at_note))  # what a new process has must not matter
        result = Trainer(run, observers=[watcher]).run(resume=True)
    assert result.complete
    newest = CheckpointFolder(output / "checkpoints").latest()
    assert newest is not None
    return state_digest(newest.state)


def test_a_stopped_run_ends_as_one_that_never_stopped(
    tiny_values: dict[str, Any], teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_PART_ROWS", 50)
    values = {
        **tiny_values,
        "distillation": {"teacher": str(teacher), "cache": str(tmp_path / "cache")},
        "augment": [{"name": "flip", "probability": 0.5}],
        "stage": [{"steps": 6}, {"steps": 4, "without": ["loss"]}],
    }
    del values["steps"]
    whole = run_to_end(values, tmp_path / "whole")
    values["distillation"] = {"teacher": str(teacher)}
    early = Watcher(stop_at_note="teacher: 240 images to embed")
    stops = early, Watcher(stop_at_step=4), Watcher(stop_at_step=8)
    assert run_to_end(values, tmp_path / "stopped", *stops) == whole
    assert early.records == []
    # The second life embeds what the first left over, the third finds everything on disk.
    assert [any("to embed" in note for note in watcher.notes) for watcher in stops] == [
        True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {"augment": [*SHARED, NOISE]},
        {"augment": [*SHARED, MIXUP, NOISE], "data": {"on_device": True}, "loss": None},
        {"augment": [*SHARED, NOISE], "data": {"on_device": True}},
    ],
    ids=["usual loader", "on the device, with mixup", "on the device"],
)
def test_a_stopped_run_with_a_live_teacher_ends_as_one_that_never_stopped(
    tiny_values: dict[str, Any], teacher: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    taught = {"teacher": str(teacher), "live": True, "more": [{"kind": "relational"}]}
    stages = [{"steps": 13}, {"steps": 4, "without": ["loss"]}]  # an epoch has 10
    values = recipe_values(tiny_values, distillation=taught, stage=stages, steps=None, **more)
    whole = run_to_end(values, tmp_path / "whole")
    stops = [Watcher(stop_at_step=step) for step in (4, 12, 15)]
    assert run_to_end(values, tmp_path / "stopped", *stops) == whole
    assert [watcher.records[-1].step for watcher in stops] == [4, 12, 15]
    changed = recipe_values(values, distillation={"flip": False})
    assert run_to_end(changed, tmp_path / "other") != whole


def test_what_a_recipe_may_say_of_a_live_teacher_and_mixtures(
    tiny_values: dict[str, Any], teacher: Path
) -> None:
    live = {"teacher": str(teacher), "live": True}
    with pytest.raises(ConfigError, match="cache is for answers that are kept"):
        recipe(tiny_values, distillation={**live, "cache": "somewhere"})
    resized = recipe(tiny_values, distillation=live, input={"size_hw": [48, 32]})
    with pytest.raises(ConfigError, match=r"live needs .* \(32, 32\), got \(48, 32\); leave out"):
        Trainer(resized)
    Trainer(recipe(tiny_values, distillation={**live, "live": False}, input={"size_hw": [48, 32]}))
    kept = {"distillation": live, "data": {"on_device": True}}
    mixed = recipe_values(tiny_values, **kept, augment=[*SHARED, MIXUP])
    Trainer(recipe(mixed, loss=None))
    with pytest.raises(ConfigError, match=r"mixup .* set data\.on_device = true"):
        Trainer(recipe(mixed, loss=None, data={"on_device": False}))
    wrong = [
        recipe(mixed),
        recipe(mixed, stage=[{"without": ["loss"]}, {}]),  # the last stage has a loss
        recipe(mixed, loss=None, distillation={"live": False}),
        recipe(mixed, loss=None, augment=[{"name": "mixup"}]),
        recipe(mixed, loss=None, augment=[MIXUP, {"name": "mixup"}]),
        recipe(mixed, distillation=None),
    ]
    for each in wrong:
        with pytest.raises(ConfigError, match=r"mixup needs shared = true, .* and no loss"):
            Trainer(each)


def test_what_a_recipe_may_say(tiny_values: dict[str, Any], teacher: Path) -> None:
    named = {"teacher": str(teacher)}
    with pytest.raises(ConfigError, match="loss is missing; a stage needs a loss, a distillation"):
        recipe(tiny_values, loss=None)
    with pytest.raises(ConfigError, match="head needs a loss"):
        recipe(tiny_values, loss=None, distillation=named, head={"kind": "fused"})
    with pytest.raises(ConfigError, match=r"distillation\.teacher is missing"):
        recipe(tiny_values, distillation={"kind": "l2"})
    with pytest.raises(ConfigError, match="one of cosine, l2, relational, got 'l1'"):
        recipe(tiny_values, distillation={**named, "kind": "l1"})
    with pytest.raises(RegistryError, match="no 'nobody'"):
        Trainer(recipe(tiny_values, stage=[{}, {"distillation": {"teacher": "nobody"}}]))
    with pytest.raises(ConfigError, match=r"input\.template is 'sphereface-112x96'"):
        Trainer(recipe(tiny_values, distillation=named, input={"template": "sphereface-112x96"}))


@pytest.mark.slow
def test_two_processes_are_one_with_two_batches(
    tiny_values: dict[str, Any], teacher: Path, tmp_path: Path
) -> None:
    values = {
        **tiny_values,
        "distillation": {"teacher": str(teacher), "kind": "l2"},
        "steps": 3,
        "optimizer": {"lr": 0.01},
        "head": {"kind": "fused"},
    }
    Trainer(recipe(values, training={"accumulate": 2})).run()
    path = tmp_path / "two.toml"
    two = recipe(values, run={"output": str(tmp_path / "two")})
    path.write_text(recipe_toml(two), encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", "-m", "vultus", "train", str(path)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, other = (
        CheckpointFolder(tmp_path / name / "checkpoints").latest() for name in ("run", "two")
    )
    assert one is not None
    assert other is not None
    for name, weight in one.state["backbone"].items():
        if "running" not in name and "tracked" not in name:  # these see each batch by itself
            torch.testing.assert_close(other.state["backbone"][name], weight, rtol=1e-4, atol=1e-5)
    projection = (
        checkpoint.state["objective"][""]["projection.weight"] for checkpoint in (one, other)
    )
    torch.testing.assert_close(*projection, rtol=1e-4, atol=1e-5)

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from vultus.evaluation.measures.accuracy import fold_accuracy
from vultus.training.reporting import Meter
from vultus.training.run.observers import RunLog, StepRecord, TensorBoardLog, read_log
from vultus.training.validation import EvaluationResult


def record(step: int, *, loss: float = 1.5) -> StepRecord:
    return StepRecord(
        step=step, total_steps=10, stage="main", epoch=0.5, loss=loss, lr=0.1, gradient_norm=2.0,
        images_per_s=30.0, eta_s=5.0, statistics={"target_angle_deg": 80.0},
    )  # fmt: skip


def result() -> EvaluationResult:
    scores = np.array([0.9, 0.1, 0.8, 0.2])
    accuracy = fold_accuracy(scores, scores > 0.5, folds=np.array([0, 0, 1, 1]))
    return EvaluationResult("unseen", accuracy, spread=0.4)


def test_the_log_is_one_json_object_a_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.on_start(0)
    log.on_step(record(1, loss=math.nan))
    log.on_evaluation(1, result())
    log.on_note(1, "look\nhere")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["step", "evaluation", "note"]
    assert lines[0]["loss"] is None
    assert lines[0]["target_angle_deg"] == 80.0
    assert (lines[1]["set"], lines[1]["accuracy"]) == ("unseen", 1.0)
    assert lines[2]["text"] == "look\nhere"


def test_going_on_drops_what_will_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = RunLog(path)
    for step in (1, 2, 3, 4):
        log.on_step(record(step))
    with path.open("a") as stream:
        stream.write('{"kind": "step", "st')  # killed while writing
    log.on_start(2)
    log.on_step(record(3))
    assert [line["step"] for line in read_log(path)] == [1, 2, 3]


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    board = TensorBoardLog(tmp_path)
    board.on_start(0)
    board.on_step(record(4))
    board.on_evaluation(4, result())
    board.on_note(4, "a note")
    board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    scalars = {tag: events.Scalars(tag)[0] for tag in events.Tags()["scalars"]}
    assert scalars["train/loss"].value == 1.5
    assert scalars["train/loss"].step == 4
    assert scalars["train/target_angle_deg"].value == 80.0
    assert scalars["evaluation/unseen/accuracy"].value == 1.0


def test_a_meter_gives_means_and_begins_anew() -> None:
    meter = Meter()
    meter.add({"loss": torch.tensor(1.0), "lr": 0.1}, rows=10)
    meter.add({"loss": torch.tensor(3.0), "lr": 0.1, "extra": 5.0}, rows=20)
    means, images_per_s, steps_per_s = meter.take()
    assert means == pytest.approx({"loss": 2.0, "lr": 0.1, "extra": 5.0})
    assert images_per_s / steps_per_s == pytest.approx(15)
    meter.add({"loss": 7.0}, rows=1)
    assert meter.take()[0] == {"loss": 7.0}


def test_a_pause_is_no_training_time() -> None:
    slow, fast = Meter(), Meter()
    for meter in (slow, fast):
        meter.add({}, rows=1)
    fast.pause(-100.0)  # as if the time up to now had been 100 s longer
    assert fast.take()[1] < 0.011 < slow.take()[1]

"""Who watches a run: the log file, TensorBoard, a progress line."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vultus.core.files import make_private_folder, private_opener, write_text
from vultus.core.text import json_text
from vultus.training.run.run_folder import RunFolder
from vultus.training.validation import EvaluationResult


@dataclass(frozen=True)
class StepRecord:
    """The mean of the steps since the last record.

    Attributes:
        step: Steps made.
        total_steps: Of all stages.
        stage: Name of the stage.
        epoch: Passes over the data in this stage.
        loss: Mean.
        lr: Learning rate of the backbone, at the last of them.
        gradient_norm: Mean, before clipping; NaN where a step was skipped.
        images_per_s: Of all processes.
        eta_s: Seconds that the rest will take at this rate.
        statistics: Means of what the loss reports; units in the names.
    """

    step: int
    total_steps: int
    stage: str
    epoch: float
    loss: float
    lr: float
    gradient_norm: float
    images_per_s: float
    eta_s: float
    statistics: dict[str, float] = field(default_factory=dict)


class Observer(Protocol):
    """Something that a trainer tells what happens."""

    def on_start(self, step: int) -> None:
        """The run begins, or goes on, at a step."""

    def on_step(self, record: StepRecord) -> None:
        """Some steps were made."""

    def on_evaluation(self, step: int, result: EvaluationResult) -> None:
        """A set was evaluated."""

    def on_note(self, step: int, text: str) -> None:
        """There is something to know, e.g. a first loss that is not what it should be."""

    def close(self) -> None:
        """The run has ended or was stopped."""


class Observers:
    """Passes everything on to several observers."""

    def __init__(self, members: Sequence[Observer]) -> None:
        self.members = tuple(members)

    def on_start(self, step: int) -> None:
        """The run begins, or goes on, at a step."""
        for member in self.members:
            member.on_start(step)

    def on_step(self, record: StepRecord) -> None:
        """Some steps were made."""
        for member in self.members:
            member.on_step(record)

    def on_evaluation(self, step: int, result: EvaluationResult) -> None:
        """A set was evaluated."""
        for member in self.members:
            member.on_evaluation(step, result)

    def on_note(self, step: int, text: str) -> None:
        """There is something to know."""
        for member in self.members:
            member.on_note(step, text)

    def close(self) -> None:
        """The run has ended or was stopped."""
        for member in self.members:
            member.close()


class RunLog:
    """``log.jsonl``: one JSON object a line, each with ``kind`` and ``step``.

    Numbers that are not finite are written as null. When a run goes on from a checkpoint, lines of
    later steps are dropped: they will be made again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_start(self, step: int) -> None:
        """Drop what is later than ``step``."""
        if not self._path.exists():
            return
        kept = [line for line in read_log(self._path) if line["step"] <= step]
        write_text(self._path, "".join(_line(line) for line in kept), private=True)

    def on_step(self, record: StepRecord) -> None:
        """A line of kind ``step``."""
        values = asdict(record)
        statistics = values.pop("statistics")
        self._write({"kind": "step", **values, **statistics})

    def on_evaluation(self, step: int, result: EvaluationResult) -> None:
        """A line of kind ``evaluation``."""
        self._write({"kind": "evaluation", "step": step, **result.to_dict()})

    def on_note(self, step: int, text: str) -> None:
        """A line of kind ``note``."""
        self._write({"kind": "note", "step": step, "text": text})

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, values: dict[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8", opener=private_opener) as stream:
            stream.write(_line(values))


class TensorBoardLog:
    """The same numbers as TensorBoard scalars.

    Raises:
        ImportError: If tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._make = SummaryWriter
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def on_start(self, step: int) -> None:
        """Open the file; what is later than ``step`` will be hidden."""
        make_private_folder(self._folder)
        self._writer = self._make(str(self._folder), purge_step=step + 1)

    def on_step(self, record: StepRecord) -> None:
        """One scalar a number."""
        values = asdict(record)
        statistics = values.pop("statistics")
        for name in ("loss", "lr", "gradient_norm", "images_per_s", "epoch"):
            self._add(f"train/{name}", values[name], record.step)
        for name, value in statistics.items():
            self._add(f"train/{name}", value, record.step)

    def on_evaluation(self, step: int, result: EvaluationResult) -> None:
        """Accuracy and spread."""
        self._add(f"evaluation/{result.name}/accuracy", result.accuracy.mean, step)
        self._add(f"evaluation/{result.name}/spread", result.spread, step)

    def on_note(self, step: int, text: str) -> None:
        """As text."""
        if self._writer is not None:
            self._writer.add_text("note", text, step)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, name: str, value: float, step: int) -> None:
        if self._writer is not None:
            self._writer.add_scalar(name, value, step)


def file_observers(folder: RunFolder) -> list[Observer]:
    """The log, and TensorBoard where it is installed."""
    observers: list[Observer] = [RunLog(folder.log)]
    try:
        observers.append(TensorBoardLog(folder.tensorboard))
    except ImportError:
        return observers
    return observers


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a log; one that was cut short by a crash ends it."""
    path = Path(path)
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def _line(values: dict[str, Any]) -> str:
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
    return json_text(finite) + "\n"

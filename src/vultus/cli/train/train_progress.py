"""What `vultus train` shows while it runs: a line that is renewed, or plain lines in a file."""

import math
from typing import TYPE_CHECKING

from vultus.cli.output import console, note, visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from vultus.training.run.observers import StepRecord
    from vultus.training.validation import EvaluationResult


_SHOWN = {
    "target_angle_deg": "angle {:.1f} deg",
    "feature_norm": "norm {:.2f}",
    "teacher_cosine": "teacher {:.3f}",
    "accuracy": "batch accuracy {:.1%}",
    "active_fraction": "active {:.1%}",
}
"""Statistics of losses that are worth a place on the line."""


class TrainProgress:
    """Shows a run on stderr.

    On a terminal one line is renewed, and evaluations and notes stay above it; elsewhere every
    record is a line of its own.
    """

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        err = console(stderr=True)
        text = TextColumn("{task.description}", markup=False)
        columns = (BarColumn(20), MofNCompleteColumn(), text)
        self._progress = Progress(*columns, console=err, transient=True)
        self._task: TaskID | None = None
        self._live = err.is_terminal

    def on_start(self, step: int) -> None:
        """Show where the run begins."""
        if self._live:
            self._task = self._progress.add_task("starting", total=None, completed=step)
            self._progress.start()
        elif step:
            note(f"going on at step {step}")

    def on_step(self, record: "StepRecord") -> None:
        """Renew the line."""
        text = step_text(record)
        if self._task is None:
            note(f"step {record.step}/{record.total_steps} {text}")
            return
        self._progress.update(
            self._task, description=visible(text), completed=record.step, total=record.total_steps
        )

    def on_evaluation(self, step: int, result: "EvaluationResult") -> None:
        """Say what an evaluation gave."""
        interval = result.accuracy.interval
        note(
            f"step {step}: {result.name}: accuracy {result.accuracy.mean:.2%} "
            f"(95 % interval {interval.low:.2%} to {interval.high:.2%}, "
            f"{result.accuracy.n_pairs} pairs)"
        )

    def on_note(self, step: int, text: str) -> None:
        """Say it."""
        note(f"step {step}: {text}")

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


def step_text(record: "StepRecord") -> str:
    """Loss, target angle, norm, learning rate, speed and what is left, in one line."""
    parts = [f"{record.stage}, epoch {record.epoch:.2f}", f"loss {record.loss:.3f}"]
    parts += [
        shown.format(record.statistics[name])
        for name, shown in _SHOWN.items()
        if name in record.statistics
    ]
    parts += [f"lr {record.lr:.2g}", f"{record.images_per_s:.0f} images/s"]
    return ", ".join([*parts, f"{_duration(record.eta_s)} left"])


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"

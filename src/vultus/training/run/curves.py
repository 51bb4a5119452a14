"""A picture of a run's log: loss, target angle, learning rate, accuracy on people never seen.

Needs matplotlib, imported when the picture is drawn.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vultus.core.errors import MissingDependencyError
from vultus.core.text import install_hint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_COLOURS = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#AA4499")


def curves_figure(log: Sequence[dict[str, Any]], *, title: str) -> "Figure":
    """Draw a log.

    Args:
        log: The lines of ``log.jsonl``; see `vultus.training.run.observers`.
        title: Above it.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(f"pictures need matplotlib; {install_hint('plot')}") from error
    steps = [line for line in log if line["kind"] == "step"]
    evaluations = [line for line in log if line["kind"] == "evaluation"]
    names = ["loss", "lr"]
    if any("target_angle_deg" in line for line in steps):
        names.insert(1, "target_angle_deg")
    panels = len(names) + bool(evaluations)
    figure = Figure(figsize=(7, 2.2 * panels), layout="constrained")
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, names, strict=False):
        _line(axis, steps, name)
    if evaluations:
        _accuracies(axes[-1], evaluations)
    axes[-1].set_xlabel("step")
    figure.suptitle(title)
    return figure


def _line(axis: "Axes", steps: Sequence[dict[str, Any]], name: str) -> None:
    known = [line for line in steps if line.get(name) is not None]
    axis.plot([line["step"] for line in known], [line[name] for line in known], color=_COLOURS[0])
    axis.set_ylabel(
        {"target_angle_deg": "target angle (deg)", "lr": "learning rate"}.get(name, name)
    )
    axis.grid(visible=True, alpha=0.3)


def _accuracies(axis: "Axes", evaluations: Sequence[dict[str, Any]]) -> None:
    for number, name in enumerate(dict.fromkeys(line["set"] for line in evaluations)):
        own = [line for line in evaluations if line["set"] == name]
        steps = [line["step"] for line in own]
        colour = _COLOURS[number % len(_COLOURS)]
        values = [line["accuracy"] for line in own]
        below = [line["accuracy"] - line["accuracy_low"] for line in own]
        above = [line["accuracy_high"] - line["accuracy"] for line in own]
        axis.errorbar(
            steps, values, yerr=(below, above), fmt="o-", color=colour, capsize=3, label=name
        )
    axis.set_ylabel("accuracy")
    axis.legend(fontsize=8, loc="lower right")
    axis.grid(visible=True, alpha=0.3)

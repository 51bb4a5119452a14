"""The end of a run: how it ended, and its weights, summary and picture."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vultus.core.errors import MissingDependencyError
from vultus.training.run.curves import curves_figure
from vultus.training.run.observers import read_log
from vultus.training.run.result import save_backbone, write_summary
from vultus.training.run.run_folder import RunFolder
from vultus.training.state import TrainState
from vultus.training.toys.plots import save_png

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        folder: The run folder.
        step: Steps made.
        exit_code: 0 if it is complete; 130 or 143 if a signal stopped it, it can be resumed then.
        summary: What ``summary.json`` says; empty if not complete.
    """

    folder: Path
    step: int
    exit_code: int
    summary: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether all steps were made."""
        return self.exit_code == 0


def write_result(
    folder: RunFolder, state: TrainState, *, summary: Mapping[str, Any], title: str
) -> None:
    """Write what a complete run leaves behind; the summary comes last of what others rely on.

    Args:
        folder: The run folder.
        state: Behind the last step.
        summary: Fit for JSON.
        title: Above the curves; "" takes the folder's name.
    """
    save_backbone(state.backbone.state_dict(), folder.backbone)
    if state.ema is not None:
        save_backbone(state.ema.weights(), folder.ema)
    write_summary(folder.summary, summary)
    try:
        figure = curves_figure(read_log(folder.log), title=title if title else folder.path.name)
        save_png(figure, folder.curves)
    except MissingDependencyError as error:  # a picture is not worth a failed run
        logger.warning("no curves: %s", error)

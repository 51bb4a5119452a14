"""The checkpoints of a run: the last few, of which the newest that is whole is loaded."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vultus.core.checks import check_positive_int
from vultus.core.errors import CheckpointError
from vultus.core.files import make_private_folder
from vultus.training.run.state_file import read_state, write_state
from vultus.training.run.state_tree import State

logger = logging.getLogger(__name__)

_NAME = re.compile(r"step-(\d{8,})\.safetensors")
_ASIDE = ".damaged"


@dataclass(frozen=True)
class Checkpoint:
    """A state that was read and verified.

    Attributes:
        step: Optimiser steps made before it was saved.
        path: Its file.
        state: What was given to `CheckpointFolder.save`.
    """

    step: int
    path: Path
    state: State


class CheckpointFolder:
    """A folder of files ``step-00001000.safetensors``, the newest few of them kept.

    A file appears under its name only when it is complete and on the disk, so a process killed at
    any moment leaves all earlier ones as they were. One process writes; any may read.

    Args:
        path: The folder; made at the first save.
        keep: How many checkpoints stay, at least 1. With 2 or more a damaged newest one costs a
            part of the run and not all of it.

    Example:
        >>> import tempfile, torch
        >>> folder = CheckpointFolder(Path(tempfile.mkdtemp()) / "checkpoints", keep=2)
        >>> for step in (10, 20, 30):
        ...     path = folder.save({"weight": torch.full((2,), float(step))}, step=step)
        >>> folder.steps()
        [20, 30]
        >>> folder.latest().state
        {'weight': tensor([30., 30.])}
    """

    def __init__(self, path: Path, *, keep: int = 3) -> None:
        self.path = Path(path)
        self.keep = check_positive_int("keep", keep)

    def steps(self) -> list[int]:
        """Steps of all checkpoints that are there, ascending; none is opened."""
        if not self.path.is_dir():
            return []
        names = (_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted(int(name[1]) for name in names if name is not None)

    def file(self, step: int) -> Path:
        """Where the checkpoint of a step lies, or would."""
        return self.path / f"step-{step:08d}.safetensors"

    def save(self, state: Mapping[str, Any], *, step: int) -> Path:
        """Write a checkpoint, then delete what is older than the last ``keep``.

        When this returns, the checkpoint survives a kill and a power cut.

        Args:
            state: Nested dicts, lists and tuples of tensors and JSON values.
            step: Optimiser steps made, at least 0; an earlier checkpoint of this step is replaced.

        Returns:
            The new file.

        Raises:
            InputError: If the state holds what a checkpoint cannot.
            CheckpointError: If it cannot be written (the disk is full, for instance); the earlier
                checkpoints stay.
        """
        check_positive_int("step", step, minimum=0)
        try:
            make_private_folder(self.path)
        except OSError as error:
            raise CheckpointError(f"{self.path} must be a folder to write to: {error}") from error
        path = self.file(step)
        write_state(path, state)
        self._delete_old(step)
        return path

    def load(self, step: int) -> Checkpoint:
        """Read and verify the checkpoint of a step.

        Raises:
            CheckpointError: If it is not there, or is damaged.
        """
        path = self.file(step)
        if not path.is_file():
            raise CheckpointError(f"{self.path} must hold a checkpoint of step {step}, has none")
        return Checkpoint(step, path, read_state(path))

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole, or None where there never was one.

        A damaged one is set aside with a warning (``.damaged`` is added to its name; it is never
        deleted), and the one before it is taken.

        Raises:
            CheckpointError: If there are checkpoints, and all are damaged: starting anew must be
                the user's decision.
        """
        for step in reversed(self.steps()):
            try:
                return self.load(step)
            except CheckpointError as error:
                logger.warning("%s; it is set aside, the checkpoint before it is taken", error)
                _set_aside(self.file(step))
        aside = sorted(self.path.glob(f"*{_ASIDE}*"))
        if aside:
            raise CheckpointError(
                f"{self.path} must hold a checkpoint that is whole, all are damaged, "
                f"{aside[-1].name} is the newest; copy one from a backup there, or start anew in "
                "another folder"
            )
        return None

    def _delete_old(self, just_saved: int) -> None:
        for step in self.steps()[: -self.keep]:
            if step == just_saved:
                continue
            try:
                self.file(step).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("an old checkpoint could not be deleted: %s", error)


def _set_aside(path: Path) -> None:
    target, copies = path.with_name(path.name + _ASIDE), 1
    while target.exists():
        copies += 1
        target = path.with_name(f"{path.name}{_ASIDE}-{copies}")
    try:
        path.rename(target)
    except OSError as error:
        logger.warning("%s could not be renamed: %s", path, error)

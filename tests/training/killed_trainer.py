"""One of the processes of a run, which kills itself (-9) in the midst of a step, once.

Arguments: recipe file, rank of the process to kill, and the number of its forward passes before.
After a restart by torchrun (or as another rank) it trains to the end. With a negative number of
passes it does not train: the newest checkpoint is loaded and saved again.
"""

import os
import signal
import sys
from typing import Any

import torch
from torch import nn

from vultus.training.process.distributed import World, join_world
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.trainer import Trainer


class Killer:
    """A hook that counts forward passes in training and kills its process."""

    def __init__(self, passes: int) -> None:
        self.passes = passes

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        self.passes -= module.training
        if self.passes < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def train(path: str, *, rank: int, passes: int, world: World) -> None:
    """Trains; the process with this rank dies in its first life."""
    trainer = Trainer(load_recipe(path), world=world)
    if passes < 0:
        newest = CheckpointFolder(trainer.folder.checkpoints).latest()
        assert newest is not None
        trainer.state.load_state_dict(newest.state, world)
        trainer.save()
        return
    if world.rank == rank and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        trainer.state.backbone.register_forward_pre_hook(Killer(passes))
    trainer.run(resume=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with join_world("cpu") as joined:
        train(sys.argv[1], rank=int(sys.argv[2]), passes=int(sys.argv[3]), world=joined)

"""Forks processes that save all the time and kills them (-9) at random moments; says what it saw.

A process of its own because forking a pytest with its threads is asking for trouble, and importing
torch anew for each of a hundred savers takes minutes.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from vultus.training.run.checkpoint import CheckpointFolder

_TENSORS = 8
_LENGTH = 100_000
_LONGEST_S = 0.03
_MOST_KILLS_A_HIT = 20


def state_of(step: int) -> dict[str, object]:
    """3 MB, so that a kill can hit the middle; every tensor says of which step it is."""
    return {
        "step": step,
        "w": {str(i): torch.full((_LENGTH,), float(step)) for i in range(_TENSORS)},
    }


def save_for_ever(folder: CheckpointFolder, step: int, acknowledge: int) -> None:
    """Saves step after step, and says so after each save returned."""
    while True:
        step += 1
        folder.save(state_of(step), step=step)
        os.write(acknowledge, f"{step}\n".encode())


def kill_one(folder: CheckpointFolder, reached: int, after_s: float) -> list[int]:
    """Starts a saver, kills it some time after its first save; the steps it acknowledged."""
    read, write = os.pipe()
    saver = os.fork()
    if saver == 0:
        os.close(read)
        save_for_ever(folder, reached, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        first = pipe.readline()
        time.sleep(after_s)
        os.kill(saver, signal.SIGKILL)
        lines = [first, *pipe.readlines()]
    os.waitpid(saver, 0)
    return [int(line) for line in lines if line.endswith(b"\n")]


def check_newest(folder: CheckpointFolder, acknowledged: int) -> int:
    """Loads the newest checkpoint, as a resumed run would; its step."""
    newest = folder.latest()
    assert newest is not None
    assert newest.step >= acknowledged, (newest.step, acknowledged)
    assert newest.state["step"] == newest.step
    for tensor in newest.state["w"].values():
        assert torch.equal(tensor, torch.full((_LENGTH,), float(newest.step)))
    assert not list(folder.path.glob("*damaged*"))
    return newest.step


def main(path: Path, wanted: int) -> None:
    """Kills savers until so many were hit while they wrote."""
    torch.set_num_threads(1)
    moments = random.Random(wanted)
    folder = CheckpointFolder(path, keep=2)
    reached = kills = hits = 0
    while hits < wanted and kills < _MOST_KILLS_A_HIT * wanted:
        acknowledged = kill_one(folder, reached, moments.uniform(0, _LONGEST_S))
        kills += 1
        reached = check_newest(folder, acknowledged[-1])
        hits += any(path.glob("*.part"))
    sys.stdout.write(f"killed {kills}, while writing {hits}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""Photos drawn here, a detector that sees a face in each, and workers that die of some photos."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import cv2
import numpy as np
import pytest
from tests.bulk import world

from vultus.bulk.workers import Outcome, Task, Workers, open_workers
from vultus.pipeline.analyser import Analyser


class InProcess(Workers):
    """Runs tasks here, one after the other; those that hold a killing photo die instead.

    Attributes:
        killers: Names of photos that kill.
        log: Of every task of photos, the names that were worked on.
    """

    def __init__(self, killers: Sequence[str] = ()) -> None:
        self.killers = set(killers)
        self.log: list[list[str]] = []

    def run(
        self,
        tasks: Iterator[Task],
        function: Callable[..., Any],
        *,
        after: Callable[[Outcome], Sequence[Task]],
    ) -> None:
        first: list[Task] = []
        while (task := first.pop(0) if first else next(tasks, None)) is not None:
            key, arguments = task
            if self._dies(arguments):
                first += after(Outcome(key, None, killed=True))
            else:
                first += after(Outcome(key, function(*arguments)))

    def _dies(self, arguments: Sequence[Any]) -> bool:
        if not (len(arguments) == 5 and isinstance(arguments[2], int)):
            return False
        photos, first, known = arguments[1:4]
        alive = [p.name for i, p in enumerate(photos, first) if i not in known]
        self.log.append(alive)
        return not self.killers.isdisjoint(alive)


@pytest.fixture
def analyser(tiny_model: Path) -> Analyser:
    return Analyser(detector=world.WholePhoto(), embedder=tiny_model, gate=None, threads=1)


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos in two folders, one that is none, and one without a face."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    for number in range(12):
        path = folder / ("a" if number < 6 else "b") / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (4, 4, 3), np.uint8), (64, 64)))
    (folder / "a" / "broken.png").write_bytes(b"no picture")
    cv2.imwrite(str(folder / "b" / "empty.png"), np.zeros((8, 8, 3), np.uint8))
    return folder


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Workers]:
    """Two real processes; what they are sent of `world` goes along with it."""
    cloudpickle.register_pickle_by_value(world)
    with open_workers(n=2) as workers:
        yield workers
    cloudpickle.unregister_pickle_by_value(world)

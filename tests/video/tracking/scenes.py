"""Made-up scenes: faces that walk, meet, hide and are overlooked, with who is who."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

KINDS = ("crossing", "hiding", "flickering", "crowd")
N_FRAMES = 120
FRAME_S = 1 / 30


@dataclass(frozen=True)
class SceneFrame:
    """What is there, and what a detector says of it."""

    truth: dict[int, Floats]
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def scene(kind: str, seed: int) -> Iterator[SceneFrame]:
    """A scene of four seconds, the same each time."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    n = {"crossing": 2, "hiding": 2, "flickering": 3, "crowd": 8}[kind]
    size = rng.uniform(50, 80, n)
    start = np.stack([rng.uniform(60, 580, n), rng.uniform(60, 420, n)], axis=1)
    end = np.stack([rng.uniform(60, 580, n), rng.uniform(60, 420, n)], axis=1)
    if kind == "crossing":
        # Past each other at an arm's length, one higher than the other.
        start, end = np.array([[80.0, 200], [560.0, 200]]), np.array([[560.0, 200], [80.0, 200]])
        start[1, 1] = end[1, 1] = 200 + rng.uniform(25, 60)
    if kind in ("hiding", "flickering"):  # one below the other, each on its own way
        start[:, 1] = end[:, 1] = 90 + 140 * np.arange(n)
    hidden_from = int(rng.integers(40, 60))
    for t in range(N_FRAMES):
        centre = start + (end - start) * t / N_FRAMES
        centre = centre + 2 * np.sin(t / 7 + np.arange(n))[:, None]
        truth = {
            i: np.array([*(centre[i] - size[i] / 2), *(centre[i] + size[i] / 2)]) for i in range(n)
        }
        boxes, scores = [], []
        for i, box in truth.items():
            score = rng.uniform(0.85, 1.0)
            if kind == "hiding" and i == 0 and 0 <= t - hidden_from < 15:
                continue
            if kind == "flickering" and rng.random() < 0.4:
                score = rng.uniform(0.2, 0.55)
            if rng.random() < 0.05:
                continue
            boxes.append(box + rng.normal(0, 0.02 * size[i], 4))
            scores.append(score)
        if rng.random() < 0.05:  # something that is no face
            x, y = rng.uniform(0, 560), rng.uniform(0, 400)
            boxes.append(np.array([x, y, x + 50, y + 50]))
            scores.append(rng.uniform(0.3, 0.8))
        yield SceneFrame(
            truth,
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(scores, np.float32),
        )


class Score:
    """Counts how often a person's number changes, and how often the person is covered."""

    def __init__(self) -> None:
        self.switches = self.covered = self.there = 0
        self._numbers: dict[int, int] = {}

    def take(self, truth: dict[int, Floats], tracked: dict[int, Floats]) -> None:
        """One frame: boxes by person, boxes by number of the track."""
        for person, box in truth.items():
            self.there += 1
            alike = {number: _overlap(box, other) for number, other in tracked.items()}
            best = max(alike, key=lambda number: alike[number], default=None)
            if best is None or alike[best] < 0.5:
                continue
            self.covered += 1
            self.switches += self._numbers.get(person, best) != best
            self._numbers[person] = best


def _overlap(a: Floats, b: Floats) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / (float(np.prod(a[2:] - a[:2])) + float(np.prod(b[2:] - b[:2])) - common)

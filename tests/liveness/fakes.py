"""Networks in the place of those that were shown attacks: they answer by what they see."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.liveness.passive import PassiveLiveness
from vultus.liveness.signal import LivenessThreshold
from vultus.runtime.tensors import TensorSpec


class ByBrightness:
    """The brighter a crop, the more alive, and what it was fed is kept."""

    description = "fake"

    def __init__(self) -> None:
        self.inputs = (TensorSpec("crops", ("b", 3, 80, 80), np.dtype(np.float32)),)
        self.outputs = (TensorSpec("probabilities", ("b", 3), np.dtype(np.float32)),)
        self.fed: list[npt.NDArray[Any]] = []

    def run(self, feeds: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        crops = feeds["crops"]
        self.fed.append(crops)
        alive = crops.mean(axis=(1, 2, 3)) / 255
        rest = (1 - alive) / 2
        return [np.stack([rest, alive, rest], axis=1).astype(np.float32)]


def by_brightness(score: float = 0.5, *, times: float = 1.0) -> PassiveLiveness:
    """A passive look that takes dark faces for attacks."""
    threshold = LivenessThreshold(score=score)
    return PassiveLiveness({"fake": ByBrightness()}, times={"fake": times}, threshold=threshold)

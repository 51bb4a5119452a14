"""Means of what steps report, and how fast they go."""

import time
from collections.abc import Mapping

from torch import Tensor

__all__ = ["Meter"]


class Meter:
    """Adds up steps until they are asked for.

    Tensors are added on their device, so that a GPU need not be waited for at every step.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}
        self._rows = 0
        self._steps = 0
        self._since = time.perf_counter()

    def add(self, values: Mapping[str, Tensor | float], *, rows: int) -> None:
        """Note one step.

        Args:
            values: Numbers or detached 0-d tensors by name.
            rows: Images of it.
        """
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._rows += rows
        self._steps += 1

    def pause(self, seconds: float) -> None:
        """Leave time out of the rates, e.g. of an evaluation."""
        self._since += seconds

    def take(self) -> tuple[dict[str, float], float, float]:
        """What there is since the last time, which then begins anew.

        Returns:
            Means by name; images a second; steps a second.
        """
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        passed = max(time.perf_counter() - self._since, 1e-9)
        rates = self._rows / passed, self._steps / passed
        self.__init__()  # type: ignore[misc]
        return means, *rates

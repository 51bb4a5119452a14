"""What goes into a graph and what comes out; the checks that both engines share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: Its name in the graph.
        shape: One entry per axis: an int is a fixed length, a str a free one. The names of free
            axes are for messages only; engines do not agree on them.
        dtype: The NumPy dtype.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} ({', '.join(map(str, self.shape))})"

    def accepts(self, shape: Sequence[int]) -> bool:
        """True when an array of this shape fits: same rank, and every fixed axis equal."""
        return len(shape) == len(self.shape) and all(
            isinstance(want, str) or length == want
            for length, want in zip(shape, self.shape, strict=True)
        )


def spec_by_name(specs: Sequence[TensorSpec]) -> dict[str, TensorSpec]:
    """The specs keyed by name."""
    return {spec.name: spec for spec in specs}


def check_feeds(
    specs: Mapping[str, TensorSpec], feeds: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Check arrays against a graph's inputs before an engine sees them.

    Args:
        specs: The graph's inputs by name.
        feeds: One array per input.

    Returns:
        The same arrays, C-contiguous (copied only where they were not).

    Raises:
        InputError: If a name is missing or unknown, or a dtype, rank or fixed axis differs.
    """
    if feeds.keys() != specs.keys():
        raise InputError(f"feeds must name exactly the inputs {sorted(specs)}, got {sorted(feeds)}")
    for name, array in feeds.items():
        spec = specs[name]
        if not isinstance(array, np.ndarray):
            raise InputError(f"input {spec} must be an array, got {type(array).__name__}")
        if array.dtype != spec.dtype or not spec.accepts(array.shape):
            raise InputError(f"input must be {spec}, got {array.dtype} {array.shape}")
    return {name: np.ascontiguousarray(array) for name, array in feeds.items()}

"""What all augmentations share: the registry, the signature, the checks of their settings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.registry import Registry

Transform = Callable[[Image, np.random.Generator], Image]
"""``(image, generator) -> image``: (h, w, 3) uint8 RGB in and out, of the same shape. It leaves its
argument as it is (and may return it), and draws every random number from the generator."""

AUGMENTATIONS: Registry[Transform] = Registry("augmentations")
"""Every augmentation by the name that recipes use."""

Interval = tuple[float, float]
"""Lowest and highest value of a setting that is drawn anew for every image."""


def check_interval(
    name: str, value: Any, *, low: float, high: float, low_open: bool = False
) -> Interval:
    """Check the two ends of an interval, and return them as a tuple.

    Args:
        name: What the message calls the interval.
        value: Two numbers, the smaller one first; a list will do, as TOML has no tuples.
        low: The smallest number allowed.
        high: The largest number allowed.
        low_open: Exclude ``low`` itself.

    Raises:
        InputError: If it is something else.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InputError(f"{name} must be two numbers, lowest and highest, got {value!r}")
    first, last = (check_range(name, end, low=low, high=high, low_open=low_open) for end in value)
    if first > last:
        raise InputError(f"{name} must have its smaller number first, got {value!r}")
    return first, last

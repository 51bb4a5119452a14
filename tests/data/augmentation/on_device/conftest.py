"""Crops made by code, a batched augmentation as a call, and a generator that can be foreseen."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from vultus.data.augmentation import Transform
from vultus.data.augmentation.on_device import change

Crops = npt.NDArray[np.uint8]
Change = Callable[..., npt.NDArray[np.float32]]


class FixedGenerator(np.random.Generator):
    """Draws the same share of every interval, for one image as for a batch."""

    def __init__(self, share: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.share = share

    def uniform(self, low: Any, high: Any, size: Any = None) -> Any:  # type: ignore[override]
        value = low + self.share * (high - low)
        return value if size is None else np.full(size, value)

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = int, endpoint: bool = False
    ) -> Any:
        first, end = (0, low) if high is None else (low, high)
        value = first + np.floor(self.share * (end + endpoint - first)).astype(dtype)
        return value if size is None else np.full(size, value, dtype)


@pytest.fixture(params=[0.03, 0.4, 0.85])
def fixed(request: pytest.FixtureRequest) -> Callable[[], FixedGenerator]:
    """Makes generators that draw this share of every interval."""
    return lambda: FixedGenerator(request.param)


@pytest.fixture
def make_crops() -> Callable[..., Crops]:
    """Smooth colours with an edge and a little noise, another one in every row."""

    def make(count: int = 4, height: int = 48, width: int = 40) -> Crops:
        draws = np.random.default_rng(7)
        y, x = np.mgrid[:height, :width] / height
        tilt = draws.uniform(-80, 80, (2, count, 1, 1, 3))
        crops = 128 + tilt[0] * (y[..., None] - 0.5) + tilt[1] * (x[..., None] - 0.5)
        crops[:, : height // 3, width // 2 :] *= 0.5
        noisy = crops + draws.normal(0, 3, crops.shape)
        return np.asarray(np.rint(noisy).clip(0, 255), np.uint8)

    return make


@pytest.fixture
def batched() -> Change:
    """The batched version on (n, h, w, 3) uint8 crops, as (n, h, w, 3) float32."""

    def call(
        step: Transform, crops: Crops, generator: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        images = torch.from_numpy(crops).permute(0, 3, 1, 2)[:, None].float()
        before = images.clone()
        changed = change(step, images, generator)
        assert changed.shape == images.shape
        assert changed.dtype == torch.float32
        assert torch.equal(images, before)
        return np.asarray(changed[:, 0].permute(0, 2, 3, 1))

    return call

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vultus.data.augmentation import Jpeg


@pytest.mark.parametrize("size_hw", [(112, 112), (48, 40), (33, 47)])
@pytest.mark.parametrize("quality", [5, 30, 50, 75, 95])
def test_it_loses_what_libjpeg_loses(
    quality: int,
    size_hw: tuple[int, int],
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops, step = make_crops(4, *size_hw), Jpeg(quality=(quality, quality))
    real = np.stack([step(crop, np.random.default_rng(0)) for crop in crops]).astype(float)
    error = np.abs(batched(step, crops, np.random.default_rng(0)) - real).mean()
    assert error < 1
    assert error < 0.4 * np.abs(real - crops).mean()


def test_every_row_has_a_quality_of_its_own(
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
    fixed: Callable[[], np.random.Generator],
) -> None:
    crop, step = make_crops(1), Jpeg(quality=(10, 95))
    rows = batched(step, np.repeat(crop, 200, axis=0), np.random.default_rng(0))
    assert 60 < len({row.tobytes() for row in rows}) <= 86
    expected = step(crop[0], fixed()).astype(float)
    assert np.abs(batched(step, crop, fixed()) - expected).mean() < 1
    assert np.abs(rows - expected).mean(axis=(1, 2, 3)).min() < 1

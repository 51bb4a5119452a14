from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vultus.data.augmentation import Affine, Crop, Flip, Stretch, Transform

STRETCHES = [Stretch(), Stretch(factor=(0.25, 4.0)), Stretch(factor=(1.6, 1.6))]

STEPS = [
    Flip(),
    Crop(side=(0.4, 0.9)),
    Crop(side=(0.4, 0.9), outside="black"),
    Affine(rotation_deg=30, scale=(0.7, 1.4), shift=0.1),
    Affine(rotation_deg=0, scale=(0.5, 0.5), shift=0),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("size_hw", [(48, 40), (40, 48), (33, 33)])
def test_with_the_same_draws_it_is_what_opencv_does(
    step: Transform,
    size_hw: tuple[int, int],
    fixed: Callable[[], np.random.Generator],
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops = make_crops(3, *size_hw)
    expected = np.stack([step(crop, fixed()) for crop in crops]).astype(float)
    assert np.abs(expected - crops).mean() > 2
    error = np.abs(batched(step, crops, fixed()) - expected)
    # OpenCV may round places to 1/32 pixel, which shows at edges.
    assert error.max() < 6
    assert error.mean() < 0.5


@pytest.mark.parametrize("step", STEPS[1:4], ids=str)
def test_every_row_is_moved_otherwise(
    step: Transform,
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops = np.repeat(make_crops(1), 8, axis=0)
    moved = batched(step, crops, np.random.default_rng(0))
    assert len({row.tobytes() for row in moved}) == 8


def test_crops_reach_every_corner(batched: Callable[..., Any]) -> None:
    x = np.broadcast_to(np.arange(20), (20, 20))
    crops = np.repeat(np.stack([x, x.T, x], axis=-1)[None], 200, axis=0).astype(np.uint8)
    cropped = batched(Crop(side=(0.9, 0.9)), crops, np.random.default_rng(0))
    starts = {tuple(row[0, 0, :2].round().tolist()) for row in cropped}
    assert starts == {(x, y) for x in range(3) for y in range(3)}


@pytest.mark.parametrize("step", STRETCHES, ids=str)
@pytest.mark.parametrize("side", [112, 56, 33])
def test_with_the_same_draws_a_stretch_is_what_opencv_does(
    step: Stretch,
    side: int,
    fixed: Callable[[], np.random.Generator],
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops = make_crops(3, side, side)
    expected = np.stack([step(crop, fixed()) for crop in crops]).astype(float)
    assert np.abs(expected - crops).mean() > 1
    error = np.abs(batched(step, crops, fixed()) - expected)
    # OpenCV rounds places to 1/32 pixel, which shows at edges and in noise.
    assert error.max() < 8
    assert error.mean() < 0.5


def test_every_row_is_stretched_otherwise(
    make_crops: Callable[..., Any], batched: Callable[..., Any]
) -> None:
    crops = np.repeat(make_crops(1, 48, 48), 8, axis=0)
    moved = batched(Stretch(), crops, np.random.default_rng(0))
    assert len({row.tobytes() for row in moved}) == 8

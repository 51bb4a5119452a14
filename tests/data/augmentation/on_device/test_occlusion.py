from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vultus.core.errors import InputError
from vultus.data.augmentation import Erase, Mask, Sunglasses, Transform
from vultus.data.augmentation.on_device import change

OVERLAYS: list[Transform] = [Mask(), Sunglasses(), Sunglasses(opacity=(0.3, 0.6))]


def painted(step: Transform, value: float, *, seed: int = 0, count: int = 24) -> torch.Tensor:
    images = torch.full((count, 1, 3, 112, 112), value)
    return change(step, images, np.random.default_rng(seed))


@pytest.mark.parametrize("step", OVERLAYS, ids=str)
def test_what_is_not_covered_stays_to_the_bit(step: Transform) -> None:
    kept = (painted(step, 255.0) - painted(step, 0.0)).amin(dim=2, keepdim=True) == 255
    assert 0.4 < kept.float().mean() < 0.95
    result = painted(step, 77.0)
    assert (result[kept.expand_as(result)] == 77).all()
    assert (result[~kept.expand_as(result)] != 77).float().mean() > 0.9


@pytest.mark.parametrize("step", OVERLAYS, ids=str)
def test_every_row_is_one_of_the_single_images_paintings(
    step: Transform,
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crop = make_crops(1, 112, 112)
    singles = np.stack([step(crop[0], np.random.default_rng(seed)) for seed in range(256)])
    rows = batched(step, np.repeat(crop, 12, axis=0), np.random.default_rng(0))
    apart = np.stack([np.abs(singles - row).max(axis=(1, 2, 3)) for row in rows])
    assert apart.min(axis=1).max() < 2.5
    assert len(set(apart.argmin(axis=1))) > 8


@pytest.mark.parametrize("step", OVERLAYS, ids=str)
def test_as_much_is_covered_as_of_single_images(step: Transform) -> None:
    grey = np.full((112, 112, 3), 160, np.uint8)
    singles = [step(grey, np.random.default_rng([9, seed])) for seed in range(80)]
    single = [np.mean(np.abs(one.astype(float) - 160).max(axis=2) > 8) for one in singles]
    rows = (painted(step, 160.0, count=80) - 160).abs().amax(dim=2)
    shares = (rows > 8).float().mean(dim=(1, 2, 3)).numpy()
    assert shares.mean() == pytest.approx(np.mean(single), rel=0.12)
    assert shares.std() == pytest.approx(np.std(single), rel=0.4)


def test_crops_of_another_shape_are_refused() -> None:
    for step in OVERLAYS[:2]:
        with pytest.raises(InputError, match=r"proportions of arcface-112 .* got 112 x 96"):
            change(step, torch.zeros(1, 1, 3, 112, 96), np.random.default_rng(0))


@pytest.mark.parametrize("size_hw", [(48, 40), (40, 48)])
@pytest.mark.parametrize("fill", ["colour", "mean"])
def test_with_the_same_draws_the_single_images_rectangle_is_erased(
    fill: str,
    size_hw: tuple[int, int],
    fixed: Callable[[], np.random.Generator],
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops = make_crops(3, *size_hw)
    step = Erase(fill=fill)  # type: ignore[arg-type]
    expected = np.stack([step(crop, fixed()) for crop in crops]).astype(float)
    assert (expected != crops).any()
    assert np.abs(batched(step, crops, fixed()) - expected).max() < 0.51


def test_noise_fills_one_rectangle_evenly_and_all_views_alike() -> None:
    images = torch.full((100, 2, 3, 100, 100), -1.0)
    erased = change(Erase(area=(0.05, 0.1), aspect=(0.5, 2.0)), images, np.random.default_rng(0))
    assert torch.equal(erased[:, 0], erased[:, 1])
    covered = (erased[:, 0] != -1).all(dim=1)
    lines, columns = covered.any(dim=2).sum(dim=1), covered.any(dim=1).sum(dim=1)
    assert torch.equal(covered.sum(dim=(1, 2)), lines * columns)
    shares = covered.float().mean(dim=(1, 2))
    assert 0.046 < shares.min() < 0.06
    assert 0.09 < shares.max() < 0.105
    corners = torch.stack([covered.any(dim=2).int().argmax(1), covered.any(dim=1).int().argmax(1)])
    assert corners.float().std(dim=1).min() > 15
    values = erased[:, 0][covered[:, None].expand_as(erased[:, 0])]
    assert values.min() == 0
    assert values.max() == 255
    assert values.std().item() == pytest.approx(255 / np.sqrt(12), rel=0.01)
    assert torch.equal(values, values.round())

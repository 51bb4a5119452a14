from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vultus.data.augmentation import Posterise

STEPS = [
    Posterise(dither=0, grey=0),
    Posterise(dither=0, grey=1),
    # The draws are 0.03, 0.4 (the pattern) and 0.85 (areas) of the way: none gives random dots.
    Posterise(levels=(2, 2), dither=0.82, grey=0),
    Posterise(levels=(3, 16), dither=0.82),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_with_the_same_draws_it_is_what_the_single_image_gets(
    step: Posterise,
    fixed: Callable[[], np.random.Generator],
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops = make_crops(3)
    expected = np.stack([step(crop, fixed()) for crop in crops]).astype(float)
    error = np.abs(batched(step, crops, fixed()) - expected)
    # Values next to a limit may fall to either side of it: luma is rounded once or twice.
    assert (error > 1).mean() < 0.02


def test_random_dots_keep_the_mean_light(batched: Callable[..., Any]) -> None:
    crops = np.full((64, 40, 40, 3), 90, np.uint8)
    step = Posterise(levels=(2, 2), dither=1, grey=0)
    changed = batched(step, crops, np.random.default_rng(0))
    assert set(np.unique(changed)) == {0, 255}
    assert changed.mean(axis=(1, 2, 3)) == pytest.approx(90, abs=12)
    repeats = [(row[:4] == row[4:8]).all() for row in changed]
    assert 0.3 < np.mean(repeats) < 0.7
    assert len({row.tobytes() for row in changed}) > 20


def test_every_row_has_its_own_levels(batched: Callable[..., Any]) -> None:
    ramp = np.repeat(
        np.tile(np.linspace(0, 255, 40).astype(np.uint8), (40, 1))[..., None], 3, axis=2
    )
    step = Posterise(dither=0)
    changed = batched(step, np.stack([ramp] * 40), np.random.default_rng(0))
    assert {len(np.unique(row)) for row in changed} == set(range(2, 9))

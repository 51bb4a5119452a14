from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vultus.data.augmentation import Grey, Photometric, Transform


@pytest.mark.parametrize("step", [Grey(), Photometric(), Photometric(hue_deg=90)], ids=str)
def test_with_the_same_draws_it_is_the_single_images_formula(
    step: Transform,
    fixed: Callable[[], np.random.Generator],
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops = make_crops()
    crops[0, :10], crops[1, :10] = 0, 255
    expected = np.stack([step(crop, fixed()) for crop in crops]).astype(float)
    assert np.abs(expected - crops).mean() > 2
    # The single image is rounded twice, the second time after weights of up to about 2.
    assert np.abs(batched(step, crops, fixed()) - expected).max() < 2.5


def test_every_row_is_lit_otherwise(
    make_crops: Callable[..., Any], batched: Callable[..., Any]
) -> None:
    crops = np.repeat(make_crops(1), 8, axis=0)
    lit = batched(Photometric(), crops, np.random.default_rng(0))
    assert len({row.tobytes() for row in lit}) == 8

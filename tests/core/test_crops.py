import numpy as np
import pytest

from vultus.core.crops import AlignedCrops
from vultus.core.errors import InputError


def crops(n: int, *, size: int = 8, template: str = "arcface-112") -> AlignedCrops:
    pixels = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((size, size, 3), np.uint8)
    return AlignedCrops(pixels, np.zeros((n, 2, 3), np.float32), template)


def test_size_and_selection() -> None:
    some = crops(3)
    assert some.size_hw == (8, 8)
    assert some[1].pixels[0, 0, 0, 0] == 1
    assert len(some[1:]) == 2
    with pytest.raises(IndexError):
        some[3]


def test_concatenate_keeps_order_and_refuses_a_mixture() -> None:
    joined = AlignedCrops.concatenate([crops(2), crops(3)])
    assert joined.pixels[:, 0, 0, 0].tolist() == [0, 1, 0, 1, 2]
    with pytest.raises(InputError, match="one template"):
        AlignedCrops.concatenate([crops(1), crops(1, template="sphereface-112x96")])
    with pytest.raises(InputError, match="at least one"):
        AlignedCrops.concatenate([])


def test_float_pixels_and_a_missing_template_are_refused() -> None:
    good = crops(1)
    with pytest.raises(InputError, match="pixels must be uint8"):
        AlignedCrops(good.pixels.astype(np.float32), good.transforms, "arcface-112")
    with pytest.raises(InputError, match="template"):
        AlignedCrops(good.pixels, good.transforms, "")

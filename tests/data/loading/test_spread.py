import numpy as np
import pytest

from vultus.core.errors import ImageError
from vultus.core.faces import Image
from vultus.data.base import FaceDataset
from vultus.data.loading.spread import spread, spread_crops


class Numbered(FaceDataset):
    """Image i is i everywhere; 50 cannot be read."""

    def __init__(self, count: int) -> None:
        super().__init__(np.zeros(count, np.int64), identities=["a"])

    def image(self, index: int) -> Image:
        if index == 50:
            raise ImageError("broken")
        return np.full((4, 4, 3), index, np.uint8)

    def encoded(self, index: int) -> bytes:
        return self.image(index).tobytes()

    def source(self, index: int) -> str:
        return str(index)


@pytest.mark.parametrize(("count", "most", "first"), [(100, 3, [0, 49, 99]), (2, 9, [0, 1])])
def test_numbers_are_spread_from_end_to_end(count: int, most: int, first: list[int]) -> None:
    assert spread(count, most).tolist() == first


def test_crops_come_in_parts_of_64_without_those_that_are_unreadable() -> None:
    parts = list(spread_crops(Numbered(101), (2, 2), most=500))
    assert [len(part) for part in parts] == [63, 37]
    assert all(part.shape[1:] == (3, 2, 2) for part in parts)
    values = [int(row.unique()) for part in parts for row in part]
    assert values == [i for i in range(101) if i != 50]
    assert not list(spread_crops(Numbered(51), (2, 2), most=1))[1:]

import numpy as np
import pytest

from vultus.detection.mtcnn.skyline import Skyline


@pytest.mark.parametrize("seed", range(20))
def test_rectangles_never_overlap_nor_leave_the_sheet(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sheet, taken = Skyline((60, 80)), np.zeros((60, 80), int)
    refused = 0
    for height, width in rng.integers(1, 30, (60, 2)).tolist():
        corner = sheet.place((height, width))
        if corner is None:
            refused += 1
            continue
        x, y = corner
        assert 0 <= x <= 80 - width
        assert 0 <= y <= 60 - height
        taken[y : y + height, x : x + width] += 1
    assert taken.max() == 1
    assert refused
    rows, columns = np.nonzero(taken)
    assert sheet.used_hw == (rows.max() + 1, columns.max() + 1)


def test_a_sheet_can_be_filled_to_the_last_pixel() -> None:
    sheet = Skyline((20, 30))
    sizes = [(12, 10), (8, 20), (12, 20), (8, 10)]
    assert [sheet.place(size) for size in sizes] == [(0, 0), (10, 0), (10, 8), (0, 12)]
    assert sheet.place((1, 1)) is None


def test_a_rectangle_goes_where_it_stands_lowest_over_all_that_it_covers() -> None:
    sheet = Skyline((20, 10))
    for size in ((6, 4), (2, 3), (4, 3)):
        sheet.place(size)
    assert sheet.place((1, 3)) == (4, 2)  # the gap
    assert sheet.place((1, 6)) == (4, 4)  # gap and right neighbour: on the higher of the two
    assert sheet.place((21, 1)) is None
    assert sheet.place((1, 11)) is None

import numpy as np
import numpy.typing as npt
import pytest

from vultus.detection.mtcnn.area_means import MeanSampler
from vultus.detection.mtcnn.pyramid import (
    CANVAS_PX,
    CANVAS_VALUES,
    Canvas,
    Skyline,
    Tile,
    cut_close_up_tiles,
    cut_tiles,
    pack_tiles,
)


def canvases(*sizes_hw: tuple[int, int]) -> list[Canvas]:
    tiles = [tile for i, size in enumerate(sizes_hw) for tile in cut_tiles(size, i, min_face_px=20)]
    return pack_tiles(tiles)


def pixels_of(tile: Tile, sampler: MeanSampler) -> npt.NDArray[np.float32]:
    out = np.empty((tile.size_hw[0], tile.size_hw[1] * 3), np.float32)
    tile.render(sampler, out=out)
    return out.reshape(*tile.size_hw, 3)


def windows_of(canvas: Canvas) -> list[tuple[int, int, int, int]]:
    """Photo, level, and the window's corner in its level, for every owned cell."""
    owners = canvas.owners()
    found = []
    for row, column in zip(*np.nonzero(owners >= 0), strict=True):
        number = owners[row, column]
        tile = canvas.tiles[number]
        x, y = 2 * np.array([column, row]) - canvas.corners_xy[number] + tile.origin_xy
        found.append((tile.photo, tile.level, int(x), int(y)))
    return found


@pytest.mark.parametrize("sizes", [[(250, 250)], [(1700, 40), (33, 35), (250, 250)]])
def test_every_window_of_every_level_is_there_once(sizes: list[tuple[int, int]]) -> None:
    found = [window for canvas in canvases(*sizes) for window in windows_of(canvas)]
    assert len(set(found)) == len(found)
    for photo, (height, width) in enumerate(sizes):
        rows, columns = int(height * 0.6 + 1), int(width * 0.6 + 1)
        level = {(x, y) for p, number, x, y in found if p == photo and number == 0}
        inner = {(x, y) for x, y in level if x >= 0 and y >= 0}
        assert {(x, y) for x in range(0, columns - 11, 2) for y in range(0, rows - 11, 2)} <= inner


def test_tiles_do_not_overlap_and_stay_on_the_canvas() -> None:
    for canvas in canvases((250, 250), (900, 1200), (60, 61)):
        covered = np.zeros(canvas.size_hw, int)
        for tile, (x, y) in zip(canvas.tiles, canvas.corners_xy, strict=True):
            height, width = tile.size_hw
            assert height % 2 == width % 2 == x % 2 == y % 2 == 0
            assert x + width <= canvas.size_hw[1] <= CANVAS_PX
            assert y + height <= canvas.size_hw[0] <= CANVAS_PX
            covered[y : y + height, x : x + width] += 1
        assert covered.max() == 1


def test_a_level_cut_into_tiles_shows_the_same_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 1800, 3), np.uint8)
    sampler = MeanSampler(image)
    first = [tile for tile in cut_tiles((60, 1800), 0, min_face_px=20) if tile.level == 0]
    assert len(first) == 3
    left, middle, right = (pixels_of(tile, sampler) for tile in first)
    assert np.array_equal(left[:, -10:], middle[:, :10])
    assert np.array_equal(middle[:, -10:], right[:, :10])


def test_a_canvas_shows_every_tile_in_its_place() -> None:
    sizes = [(250, 250), (60, 61)]
    rng = np.random.default_rng(0)
    samplers = [MeanSampler(rng.integers(0, 256, (*size, 3), np.uint8)) for size in sizes]
    buffer = np.zeros(CANVAS_VALUES, np.float32)
    for canvas in canvases(*sizes):
        pixels = canvas.render(samplers, buffer=buffer)
        assert pixels.shape == (*canvas.size_hw, 3)
        for tile, (x, y) in zip(canvas.tiles, canvas.corners_xy.tolist(), strict=True):
            height, width = tile.size_hw
            own = pixels_of(tile, samplers[tile.photo])
            assert np.array_equal(pixels[y : y + height, x : x + width], own)


def test_little_of_the_canvases_is_empty() -> None:
    packed = canvases(*[(250, 250)] * 25)
    tiles = sum(np.prod(tile.size_hw) for canvas in packed for tile in canvas.tiles)
    assert tiles > 0.93 * sum(np.prod(canvas.size_hw) for canvas in packed)


def test_a_large_photo_needs_canvases_of_no_more_than_the_fixed_size() -> None:
    large = canvases((6000, 8000))
    assert max(max(canvas.size_hw) for canvas in large) == CANVAS_PX
    assert 100 < len(large) < 300


def test_close_up_levels_show_the_photo_with_its_edge_repeated_around_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    tiles = cut_close_up_tiles((300, 400), 0, min_face_px=20)
    scales = [min(tile.level_hw) for tile in tiles]
    assert scales == [17, 12, 9]  # a face fills 3/4 of the photo in the first, 3/2 in the last
    pixels = pixels_of(tiles[0], MeanSampler(image))
    assert pixels.shape[0] == 18 + 12
    assert np.array_equal(pixels[:6], np.repeat(pixels[6:7], 6, 0))
    assert np.array_equal(pixels[:, :6], np.repeat(pixels[:, 6:7], 6, 1))
    assert len({tile.level for tile in tiles}) == len(tiles)


def test_photos_too_small_for_a_face_have_few_or_no_tiles() -> None:
    assert cut_tiles((1, 1), 0, min_face_px=20) == []


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

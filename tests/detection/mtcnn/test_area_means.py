from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose
from torch import from_numpy
from torch.nn.functional import adaptive_avg_pool2d

from vultus.core.faces import Image
from vultus.detection.mtcnn import area_means as mtcnn_means
from vultus.detection.mtcnn.area_means import MeanSampler, SideWindows, windows

IntArray = npt.NDArray[np.int64]
Means = Callable[[Image, IntArray, IntArray], npt.NDArray[np.float32]]


def as_crops(image: Image, rows: IntArray, columns: IntArray) -> npt.NDArray[np.float32]:
    out = np.empty((len(rows), rows.shape[1], columns.shape[1], 3), np.float32)
    MeanSampler(image).crops(rows, columns, out=out)
    return out


def as_grids(image: Image, rows: IntArray, columns: IntArray) -> npt.NDArray[np.float32]:
    out = np.empty((len(rows), rows.shape[1], columns.shape[1] * 3), np.float32)
    sampler = MeanSampler(image)
    for row, column, grid in zip(rows, columns, out, strict=True):
        sampler.grid(
            SideWindows(row[:, 0], row[:, 1]), SideWindows(column[:, 0], column[:, 1]), out=grid
        )
    return out.reshape(*out.shape[:2], -1, 3)


WAYS = pytest.mark.parametrize("means", [as_crops, as_grids])


@WAYS
@pytest.mark.parametrize("cached_pixels", [20_000, 100])
@pytest.mark.parametrize(("height", "width", "size"), [(50, 70, 24), (9, 13, 24), (1, 5, 3)])
def test_equals_torchs_area_interpolation(
    means: Means,
    height: int,
    width: int,
    size: int,
    cached_pixels: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mtcnn_means, "CACHED_PIXELS", cached_pixels)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = (
        np.repeat(windows(np.array([length]), size), 3, 0) for length in (height, width)
    )
    ours = means(image, rows, columns)
    planes = from_numpy(image.transpose(2, 0, 1).astype(np.float32))
    theirs = adaptive_avg_pool2d(planes, (size, size)).numpy().transpose(1, 2, 0)
    for one in ours:
        assert_allclose(one, theirs, atol=1e-4)


def test_cells_outside_repeat_the_edge() -> None:
    inside = windows(np.array([30]), 10)
    wider = windows(np.array([30]), 10, first=-2, count=14)
    assert wider[0, 2:12].tolist() == inside[0].tolist()
    assert wider[0, :2].tolist() == [inside[0, 0].tolist()] * 2
    assert wider[0, 12:].tolist() == [inside[0, -1].tolist()] * 2
    side = SideWindows.of_side(30, 10, -2, 14)
    assert np.stack([side.begin, side.end], axis=1).tolist() == wider[0].tolist()


@WAYS
def test_windows_may_lie_anywhere_in_the_image(means: Means) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    rows, columns = windows(np.array([20]), 5) + 30, windows(np.array([40]), 4) + 50
    exact = image[30:50, 50:90].reshape(5, 4, 4, 10, 3).mean(axis=(1, 3))
    assert_allclose(means(image, rows, columns)[0], exact, atol=1e-4)


@WAYS
def test_images_too_large_for_one_table_give_the_same_means(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    rows, columns = windows(np.array([40, 64]), 8), windows(np.array([40, 96]), 8)
    whole = means(image, rows, columns)
    monkeypatch.setattr(mtcnn_means, "TABLE_PIXELS", 40 * 40)
    parts = means(image, rows, columns)
    assert_allclose(parts[0], whole[0], atol=1e-4)  # fits: exact
    assert_allclose(parts[1], whole[1], atol=1.5)  # halved, each time rounded to whole values


@WAYS
def test_many_grids_and_very_long_images_pass_the_16_bit_limit_of_the_gather(means: Means) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 40_000, 3), np.uint8)
    rows, columns = windows(np.array([2]), 1), windows(np.array([40_000]), 4)
    exact = image.reshape(2, 4, 10_000, 3).mean(axis=(0, 2))
    assert_allclose(means(image, rows, columns)[0, 0], exact, atol=1)
    many = means(
        image[:, :30], np.repeat(rows, 40_000, 0), np.repeat(windows(np.array([30]), 2), 40_000, 0)
    )
    assert_allclose(many[-1], many[0])


def test_a_large_image_is_halved_once_for_all_its_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[Image] = []
    make = mtcnn_means._small_table

    def told(image: Image) -> object:
        tables.append(image)
        return make(image)

    monkeypatch.setattr(mtcnn_means, "_small_table", told)
    monkeypatch.setattr(mtcnn_means, "TABLE_PIXELS", 40 * 40)
    sampler = MeanSampler(np.zeros((64, 96, 3), np.uint8))
    for cells in (8, 6, 4):
        sides = (SideWindows.of_side(length, cells, 0, cells) for length in (64, 96))
        sampler.grid(*sides, out=np.empty((cells, 3 * cells), np.float32))
    assert len(tables) == 1

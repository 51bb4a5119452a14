import numpy as np
import pytest
from numpy.testing import assert_allclose
from torch import from_numpy
from torch.nn.functional import adaptive_avg_pool2d

from vultus.detection import mtcnn_means
from vultus.detection.mtcnn_means import MeanSampler, windows


@pytest.mark.parametrize(("height", "width", "size"), [(50, 70, 24), (9, 13, 24), (1, 5, 3)])
def test_equals_torchs_area_interpolation(height: int, width: int, size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = (windows(np.array([length]), size) for length in (height, width))
    ours = MeanSampler(image).means(rows, columns)[0]
    planes = from_numpy(image.transpose(2, 0, 1).astype(np.float32))
    theirs = adaptive_avg_pool2d(planes, (size, size)).numpy().transpose(1, 2, 0)
    assert_allclose(ours, theirs, atol=1e-4)


def test_cells_outside_repeat_the_edge() -> None:
    inside = windows(np.array([30]), 10)
    wider = windows(np.array([30]), 10, first=-2, count=14)
    assert wider[0, 2:12].tolist() == inside[0].tolist()
    assert wider[0, :2].tolist() == [inside[0, 0].tolist()] * 2
    assert wider[0, 12:].tolist() == [inside[0, -1].tolist()] * 2


def test_images_too_large_for_one_table_give_the_same_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    rows, columns = windows(np.array([40, 64]), 8), windows(np.array([40, 96]), 8)
    whole = MeanSampler(image).means(rows, columns)
    monkeypatch.setattr(mtcnn_means, "TABLE_PIXELS", 40 * 40)
    parts = MeanSampler(image).means(rows, columns)
    assert_allclose(parts[0], whole[0], atol=1e-4)  # fits: exact
    assert_allclose(parts[1], whole[1], atol=1.5)  # halved, each time rounded to whole values


def test_many_grids_and_very_long_images_pass_the_16_bit_limit_of_the_gather() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 40_000, 3), np.uint8)
    rows, columns = windows(np.array([2]), 1), windows(np.array([40_000]), 4)
    exact = image.reshape(2, 4, 10_000, 3).mean(axis=(0, 2))
    assert_allclose(MeanSampler(image).means(rows, columns)[0, 0], exact, atol=1)
    small = MeanSampler(image[:, :30])
    grids = small.means(
        np.repeat(rows, 40_000, 0), np.repeat(windows(np.array([30]), 2), 40_000, 0)
    )
    assert_allclose(grids[-1], grids[0])

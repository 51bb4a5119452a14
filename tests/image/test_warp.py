import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.geometry import invert_transform, transform_points
from vultus.image.warp import NEAR_ONE, warp

Transform = npt.NDArray[np.float32]


def similarity(scale: float, angle_rad: float, shift_xy: tuple[float, float]) -> Transform:
    c, s = scale * np.cos(angle_rad), scale * np.sin(angle_rad)
    return np.array([[c, -s, shift_xy[0]], [s, c, shift_xy[1]]], np.float32)


def downscale(factor: float, blocks_xy: tuple[int, int] = (0, 0)) -> Transform:
    """Crop pixel (i, j) covers the block of ``factor`` pixels (i + blocks_x, j + blocks_y)."""
    shift = [0.5 / factor - 0.5 - block for block in blocks_xy]
    return np.array([[1 / factor, 0, shift[0]], [0, 1 / factor, shift[1]]], np.float32)


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def bilinear_by_hand(
    image: Image, transform: Transform, size_hw: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """One crop pixel after the other; black outside."""
    inverse = np.linalg.inv(np.vstack([transform.astype(np.float64), [0, 0, 1]]))
    crop = np.zeros((*size_hw, 3))
    for row, column in np.ndindex(size_hw):
        x, y, _ = inverse @ [column, row, 1]
        for px in (int(np.floor(x)), int(np.floor(x)) + 1):
            for py in (int(np.floor(y)), int(np.floor(y)) + 1):
                if 0 <= px < image.shape[1] and 0 <= py < image.shape[0]:
                    crop[row, column] += (1 - abs(x - px)) * (1 - abs(y - py)) * image[py, px]
    return crop


@pytest.mark.parametrize(
    "transform",
    [
        similarity(1.0, 0.0, (0, 0)),
        similarity(0.9, 1.1, (40, -30)),
        similarity(1.2, 0.3, (-10.25, 5.5)),
        similarity(3.0, 2.0, (-20, 30)),
        similarity(1.0, 0.0, (-100, -60)),
        similarity(1.01 / NEAR_ONE, -0.4, (5, 7)),
    ],
)
def test_near_one_to_one_is_bilinear(transform: Transform) -> None:
    image = np.asarray(cv2.GaussianBlur(noise(70, 90), (0, 0), 2), np.uint8)
    by_hand = bilinear_by_hand(image, transform, (31, 44))
    # OpenCV 4 rounds coordinates to 1/32 pixel, OpenCV 5 does not.
    assert np.abs(warp(image, transform, size_hw=(31, 44)) - by_hand).max() <= 1.5


def test_the_identity_changes_nothing() -> None:
    image = noise(20, 30)
    crop = warp(image, similarity(1, 0, (0, 0)), size_hw=(20, 30))
    np.testing.assert_array_equal(crop, image)
    crop[:] = 0
    assert image.any()  # a copy


@pytest.mark.parametrize("factor", [2, 3, 4, 6, 8, 10, 32])
@pytest.mark.parametrize("blocks_xy", [(0, 0), (-3, 2), (5, -4), (20, 20)])
def test_a_whole_downscale_is_the_exact_area_mean(factor: int, blocks_xy: tuple[int, int]) -> None:
    image = noise(20 * factor, 24 * factor, seed=factor)
    means = image.reshape(20, factor, 24, factor, 3).mean(axis=(1, 3))
    around = np.zeros((60, 64, 3))
    around[20:40, 20:44] = means
    x, y = blocks_xy
    crop = warp(image, downscale(factor, blocks_xy), size_hw=(20, 24))
    assert np.abs(crop - around[20 + y : 40 + y, 20 + x : 44 + x]).max() <= 1


@pytest.mark.parametrize("factor", [4, 10])
@pytest.mark.parametrize("start_px", [1, 3, 7])
def test_blocks_that_begin_outside_of_the_image_are_exact_too(factor: int, start_px: int) -> None:
    image = noise(15 * factor - start_px, 12 * factor - start_px, seed=factor)
    padded = np.pad(image, ((start_px, 0), (start_px, 0), (0, 0)))
    means = padded.reshape(15, factor, 12, factor, 3).mean(axis=(1, 3))
    transform = downscale(factor)
    transform[:, 2] += start_px / factor
    assert np.abs(warp(image, transform, size_hw=(15, 12)) - means).max() <= 1


@pytest.mark.parametrize("shrink", [2.5, 5, 7.3, 10, 33.3])
@pytest.mark.parametrize("angle_rad", [0.0, 0.5, np.pi / 4])
def test_a_checkerboard_does_not_alias(shrink: float, angle_rad: float) -> None:
    rows, columns = np.indices((900, 900))
    board = np.repeat(((rows + columns) % 2 * 255)[..., None], 3, axis=2).astype(np.uint8)
    middle = np.array([449.5, 449.5], np.float32)
    transform = similarity(1 / shrink, angle_rad, (0, 0))
    transform[:, 2] = 7.5 - transform[:, :2] @ middle
    crop = warp(board, transform, size_hw=(16, 16)).astype(float)
    assert np.abs(crop - 127.5).max() <= 24  # under a fifth of its contrast
    naive = cv2.warpAffine(board, transform, (16, 16), flags=cv2.INTER_NEAREST)
    assert np.abs(naive - 127.5).max() > 100  # what would happen


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(0.02, 4),
    angle_rad=st.floats(-np.pi, np.pi),
    centre=st.tuples(st.floats(0, 299), st.floats(0, 199)),
)
def test_points_of_a_ramp_stay_where_the_transform_says(
    scale: float, angle_rad: float, centre: tuple[float, float]
) -> None:
    """On a linear ramp every symmetric mean is the value at its middle, whatever the scale."""
    columns, rows = np.meshgrid(np.arange(300.0), np.arange(200.0))
    ramp = np.stack([columns * 0.8, rows * 1.2, columns * 0.4 + rows * 0.6], axis=2)
    image = ramp.astype(np.uint8)
    transform = similarity(scale, angle_rad, (0, 0))
    transform[:, 2] = 20 - transform[:, :2] @ np.array(centre, np.float32)
    crop = warp(image, transform, size_hw=(41, 41))
    grid = np.stack(np.meshgrid(np.arange(41.0), np.arange(41.0)), axis=-1).astype(np.float32)
    x, y = np.moveaxis(transform_points(grid, invert_transform(transform)), -1, 0)
    reach = 1 / scale + 2
    inside = (x > reach) & (x < 299 - reach) & (y > reach) & (y < 199 - reach)
    expected = np.stack([x * 0.8, y * 1.2, x * 0.4 + y * 0.6], axis=2)
    # The ramp itself was cut off to whole numbers: 0.5 lower in the mean, up to 1 by pixel.
    assert np.abs(crop[inside] - (expected[inside] - 0.5)).max(initial=0) <= 2


def test_outside_of_the_image_is_black() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    for shrink in (0.5, 1.0, 4.0):
        away = similarity(1 / shrink, 0, (500, -900))
        assert not warp(image, away, size_hw=(10, 12)).any()
    half = warp(image, downscale(4, (-5, 0)), size_hw=(10, 10))
    assert not half[:, :5].any()
    assert (half[:, 5:] == 200).all()


def test_a_face_of_thousands_of_pixels_needs_only_its_region() -> None:
    image = np.zeros((3000, 4000, 3), np.uint8)
    image[1000:2000, 1000:2000] = 255
    crop = warp(image, downscale(20, (50, 50)), size_hw=(50, 50))
    assert (crop == 255).all()


@pytest.mark.parametrize(
    ("image", "transform", "size_hw", "message"),
    [
        (np.zeros((4, 4), np.uint8), downscale(1), (2, 2), "image must be uint8"),
        (np.zeros((4, 4, 3)), downscale(1), (2, 2), "image must be uint8"),
        (np.zeros((4, 4, 3), np.uint8), np.eye(2, 3), (2, 2), "transform must be float32"),
        (np.zeros((4, 4, 3), np.uint8), downscale(1), (0, 2), "size_hw must be an integer"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((2, 3), np.float32), (2, 2), "invertible"),
        (np.zeros((4, 4, 3), np.uint8), downscale(5), (2, 2), "at least one pixel"),
        (np.zeros((4, 4, 3), np.uint8), downscale(1e30), (2, 2), "at least one pixel"),
        (np.zeros((0, 0, 3), np.uint8), downscale(1), (2, 2), "at least one pixel"),
    ],
)
def test_wrong_arguments_are_refused(
    image: Image, transform: Transform, size_hw: tuple[int, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        warp(image, transform, size_hw=size_hw)


def test_wild_shifts_are_survived() -> None:
    image = noise(30, 30)
    for shift in (1e12, -1e12, 1e30):
        assert not warp(image, similarity(1, 0, (shift, 0)), size_hw=(5, 5)).any()

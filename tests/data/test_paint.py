import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from vultus.data.paint import lay_over, outline, smooth_outline, stroke

SQUARE = np.array([[10.0, 10.0], [30.0, 10.0], [30.0, 30.0], [10.0, 30.0]])


def test_a_polygon_covers_its_area() -> None:
    plane = np.zeros((40, 40), np.uint8)
    outline(plane, SQUARE)
    # OpenCV fills the edge's own pixels too: half a pixel more on every side.
    assert plane.sum() / 255 == pytest.approx(21**2, rel=0.05)


def test_fractions_of_a_pixel_matter_across() -> None:
    columns = []
    for shift in (0.0, 0.25, 0.5, 0.75):
        plane = np.zeros((40, 40), np.uint8)
        outline(plane, SQUARE + np.array([shift, 0.0]))
        columns.append(plane[20] @ np.arange(40.0) / plane[20].sum())
    np.testing.assert_allclose(np.diff(columns), 0.25, atol=0.15)


def test_three_channels_take_three_values() -> None:
    canvas = np.zeros((40, 40, 3), np.uint8)
    outline(canvas, SQUARE, value=(10, 20, 30))
    stroke(canvas, SQUARE[:2], thickness_px=3, value=(200, 100, 50))
    assert canvas[20, 20].tolist() == [10, 20, 30]
    assert canvas[10, 20].tolist() == [200, 100, 50]


def test_the_smooth_outline_is_scipys_hermite_spline_with_catmull_roms_slopes() -> None:
    points = np.random.default_rng(0).normal(size=(7, 2))
    closed = np.concatenate([points, points[:1]])
    slopes = (np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)) / 2
    spline = CubicHermiteSpline(np.arange(8), closed, np.concatenate([slopes, slopes[:1]]))
    np.testing.assert_allclose(smooth_outline(points, steps=5), spline(np.arange(35) / 5))


def test_laying_over_mixes_by_opacity_and_leaves_the_rest() -> None:
    image = np.full((20, 20, 3), 100, np.uint8)
    plane = np.zeros((20, 20), np.uint8)
    plane[5:9, 6:12] = 128
    mixed = lay_over(image, plane, (200, 0, 100), opacity=0.5)
    share = 128 / 255 * 0.5
    np.testing.assert_allclose(mixed[6, 7], [100 + share * 100, 100 - share * 100, 100], atol=0.51)
    mixed[5:9, 6:12] = 100
    assert (mixed == 100).all()
    assert (image == 100).all()


def test_an_empty_plane_changes_nothing() -> None:
    image = np.full((8, 8, 3), 7, np.uint8)
    np.testing.assert_array_equal(lay_over(image, np.zeros((8, 8), np.uint8), (1, 2, 3)), image)

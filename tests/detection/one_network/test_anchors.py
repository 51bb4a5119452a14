import numpy as np
import pytest

from vultus.core.faces import Faces
from vultus.detection.one_network.anchors import (
    anchor_points,
    box_cover,
    fit_image,
    merge_close_ups,
    plan_fitting,
)


def test_small_images_are_not_enlarged_and_stand_at_a_multiple_of_32() -> None:
    plan = plan_fitting((50, 70), max_side=640, border=0.125)
    assert (plan.scale, plan.size_hw, plan.origin_xy) == (1.0, (50, 70), (32, 32))
    assert plan.canvas_hw == (128, 160)
    assert plan_fitting((50, 70), max_side=640, border=0).canvas_hw == (64, 96)


def test_large_images_are_shrunk_to_the_longest_side() -> None:
    plan = plan_fitting((600, 1200), max_side=300, border=0)
    assert plan.size_hw == (150, 300)
    assert plan.canvas_hw == (160, 320)


@pytest.mark.parametrize("size_hw", [(10, 10), (400, 300), (30, 3000), (1, 1)])
def test_a_fixed_canvas_holds_every_image_with_its_border(size_hw: tuple[int, int]) -> None:
    plan = plan_fitting(size_hw, max_side=640, border=0.125, canvas_hw=(320, 320))
    assert plan.canvas_hw == (320, 320)
    assert max(plan.size_hw) == 256
    x, y = plan.origin_xy
    assert x + plan.size_hw[1] <= 320
    assert y + plan.size_hw[0] <= 320


def test_the_image_lies_on_the_canvas_at_its_origin() -> None:
    image = np.random.default_rng(0).integers(1, 256, (20, 30, 3), np.uint8)
    plan = plan_fitting((20, 30), max_side=640, border=0.1)
    canvas = fit_image(image, plan, fill=0)
    assert np.array_equal(canvas[32:52, 32:62], image)
    assert canvas.sum() == image.sum()


def test_anchor_points_go_row_by_row() -> None:
    points = anchor_points((16, 24), 8, per_cell=2)
    assert points[::2].tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]
    assert np.array_equal(points[::2], points[1::2])


def faces(*rows: tuple[float, float, float, float, float]) -> Faces:
    values = np.array(rows, np.float32).reshape(-1, 5)
    return Faces(values[:, :4], np.zeros((len(values), 5, 2), np.float32), values[:, 4])


def test_a_close_up_replaces_the_pieces_that_the_large_view_made_of_it() -> None:
    pieces = faces((10, 10, 40, 40, 0.9), (60, 10, 90, 40, 0.7), (200, 0, 230, 30, 0.8))
    small_view = faces((0, 0, 100, 100, 0.85), (200, 0, 231, 30, 0.99))
    merged = merge_close_ups(pieces, small_view, min_side=90)
    assert merged.boxes.tolist() == [[0, 0, 100, 100], [200, 0, 230, 30]]
    assert merged.scores.tolist() == pytest.approx([0.85, 0.8])


def test_without_close_ups_nothing_changes() -> None:
    found = faces((10, 10, 40, 40, 0.9), (60, 10, 90, 40, 0.7))
    assert np.array_equal(merge_close_ups(found, Faces.empty(), min_side=9).boxes, found.boxes)
    assert len(merge_close_ups(Faces.empty(), found, min_side=50)) == 0


def test_box_cover_is_the_share_inside() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 5, 5, 9]], np.float32)
    covers = np.array([[5, 0, 20, 10], [-5, -5, 50, 50]], np.float32)
    assert box_cover(boxes, covers).tolist() == [[0.5, 1.0], [0.0, 0.0]]

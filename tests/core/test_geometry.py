import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.core.geometry import box_iou, invert_transform, transform_points


def naive_iou(a: list[int], b: list[int]) -> float:
    def cells(box: list[int]) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}

    union = cells(a) | cells(b)
    return len(cells(a) & cells(b)) / len(union) if union else 0.0


boxes = st.lists(st.lists(st.integers(0, 8), min_size=4, max_size=4), min_size=1, max_size=4)


@given(boxes, boxes)
def test_iou_equals_counting_pixels(a: list[list[int]], b: list[list[int]]) -> None:
    iou = box_iou(np.array(a, np.float32), np.array(b, np.float32))
    expected = [[naive_iou(x, y) for y in b] for x in a]
    np.testing.assert_allclose(iou, expected, atol=1e-6)


def test_a_transform_and_its_inverse_give_the_point_back() -> None:
    transform = np.array([[0.5, -0.2, 3], [0.2, 0.5, -7]], np.float32)
    points = np.random.default_rng(0).uniform(0, 100, (4, 5, 2)).astype(np.float32)
    there = transform_points(points, transform)
    np.testing.assert_allclose(
        there[1, 2], transform[:, :2] @ points[1, 2] + transform[:, 2], rtol=1e-5
    )
    back = transform_points(there, invert_transform(transform))
    np.testing.assert_allclose(back, points, atol=1e-3)


def test_a_flattening_transform_has_no_inverse() -> None:
    with pytest.raises(InputError, match="invertible"):
        invert_transform(np.array([[1, 1, 0], [1, 1, 0]], np.float32))

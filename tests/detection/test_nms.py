import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.detection.nms import Overlap, suppress_overlaps


def naive(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int64],
    limit: float,
    overlap: Overlap,
    edge: float,
) -> list[int]:
    """Greedy suppression, box by box; the order of the result is by group, then by score."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (groups[i], -scores[i], i)):
        if all(
            groups[i] != groups[j] or share(boxes[i], boxes[j], overlap, edge) <= limit
            for j in kept
        ):
            kept.append(i)
    return kept


def share(
    a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], overlap: Overlap, edge: float
) -> float:
    ax1, ay1, ax2, ay2 = (float(v) for v in a)
    bx1, by1, bx2, by2 = (float(v) for v in b)
    width = max(0.0, min(ax2, bx2) - max(ax1, bx1) + edge)
    height = max(0.0, min(ay2, by2) - max(ay1, by1) + edge)
    area_a = (ax2 - ax1 + edge) * (ay2 - ay1 + edge)
    area_b = (bx2 - bx1 + edge) * (by2 - by1 + edge)
    shared = width * height
    whole = min(area_a, area_b) if overlap == "smaller" else area_a + area_b - shared
    return shared / whole if whole > 0 else 0.0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 200),
    n_groups=st.integers(1, 4),
    limit=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
    overlap=st.sampled_from(["union", "smaller"]),
    edge=st.sampled_from([0.0, 1.0]),
)
def test_equals_the_naive_loop(
    seed: int, n: int, n_groups: int, limit: float, overlap: Overlap, edge: float
) -> None:
    rng = np.random.default_rng(seed)
    # Whole numbers and few score levels, so that overlaps and scores often tie.
    corners = rng.integers(0, 40, (n, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 20, (n, 2))], 1).astype(np.float32)
    scores = (rng.integers(0, 20, n) / 20).astype(np.float32)
    groups = rng.integers(0, n_groups, n)
    kept = suppress_overlaps(
        boxes, scores, limit=limit, overlap=overlap, edge_px=edge, groups=groups
    )
    assert kept.tolist() == naive(boxes, scores, groups, limit, overlap, edge)


def test_of_equal_scores_the_first_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], np.float32)
    assert suppress_overlaps(boxes, np.ones(2, np.float32), limit=0.5).tolist() == [0]


def test_a_group_longer_than_a_block_is_suppressed_across_blocks() -> None:
    boxes = np.tile(np.array([[0, 0, 10, 10]], np.float32), (1000, 1))
    scores = np.linspace(0, 1, 1000, dtype=np.float32)
    assert suppress_overlaps(boxes, scores, limit=0.5).tolist() == [999]


def test_wrong_arguments_are_refused() -> None:
    boxes, scores = np.zeros((2, 4), np.float32), np.zeros(2, np.float32)
    with pytest.raises(InputError, match="boxes must be float32"):
        suppress_overlaps(boxes.astype(np.float64), scores, limit=0.5)
    with pytest.raises(InputError, match="limit must be a number"):
        suppress_overlaps(boxes, scores, limit=1.5)
    with pytest.raises(InputError, match="overlap must be one of"):
        suppress_overlaps(boxes, scores, limit=0.5, overlap="Min")  # type: ignore[arg-type]

import numpy as np

from vultus.detection.mtcnn.area_means import MeanSampler
from vultus.detection.mtcnn.boxes import Candidates, View, crop_candidates, large_enough


def candidates(*sides: float, views: list[int]) -> Candidates:
    boxes = np.array([(11, 11, 11 + side, 11 + side) for side in sides], np.float32)
    scores = np.linspace(1, 0.5, len(sides), dtype=np.float32)
    return Candidates(boxes, scores, np.array(views))


def test_each_view_says_how_large_its_candidates_must_be() -> None:
    sampler = MeanSampler(np.zeros((100, 100, 3), np.uint8))
    views = [View(sampler, "stretch"), View(sampler, "repeat", min_side=60)]
    kept = large_enough(views, candidates(5, 59, 60, 80, views=[0, 1, 1, 1]))
    assert kept.views.tolist() == [0, 1, 1]
    assert (kept.boxes[:, 2] - kept.boxes[:, 0]).tolist() == [5, 60, 80]


def test_crops_come_from_their_own_views_and_views_without_candidates_are_passed_over() -> None:
    views = [View(MeanSampler(np.full((40, 50, 3), i, np.uint8)), "stretch") for i in range(4)]
    kept, crops = crop_candidates(views, candidates(9, 9, 9, views=[0, 2, 2]), size_px=24)
    assert crops.mean(axis=(1, 2, 3)).tolist() == [0, 2, 2]
    assert len(kept) == 3

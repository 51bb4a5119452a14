"""What no miner may ever do, whatever the batch: ties, NaN-free extremes, lonely rows, no rows."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vultus.mining.distance_weighted import distance_weighted_triplets
from vultus.mining.miners import batch_hard_triplets, hard_triplets, semi_hard_triplets
from vultus.mining.offline import offline_triplets
from vultus.mining.triplets import Triplets, all_triplets, squared_distances

Miner = Callable[[Tensor, Tensor], Triplets]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


MINERS: dict[str, Miner] = {
    "all": lambda rows, labels: all_triplets(labels),
    "semi-hard": lambda rows, labels: semi_hard_triplets(
        squared_distances(rows), labels, fallback="drop"
    ),
    "semi-hard or easiest": lambda rows, labels: semi_hard_triplets(
        squared_distances(rows), labels
    ),
    "semi-hard or violator, random": lambda rows, labels: semi_hard_triplets(
        squared_distances(rows), labels, fallback="violator", generator=seeded()
    ),
    "hard": lambda rows, labels: hard_triplets(squared_distances(rows), labels),
    "batch hard": lambda rows, labels: batch_hard_triplets(squared_distances(rows), labels),
    "distance-weighted": lambda rows, labels: distance_weighted_triplets(
        squared_distances(rows).sqrt(), labels, dim=512, generator=seeded()
    ),
    "offline": lambda rows, labels: offline_triplets(rows, labels, generator=seeded()),
}
COMPLETE = {"all", "semi-hard or easiest", "hard", "batch hard", "distance-weighted"}
"""Miners that give a triplet to every row that has both a positive and a negative."""


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Unit rows on few points, so that ties and coinciding rows are common."""
    count = draw(st.integers(0, 10))
    points = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0], [-1, 0], [0, 1], [1, 1e-4], [0.6, 0.8]])
    )
    where = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    labels = draw(st.lists(st.integers(-1, 3), min_size=count, max_size=count))
    return points[torch.tensor(where, dtype=torch.int64)], torch.tensor(labels, dtype=torch.int64)


@pytest.mark.parametrize("name", list(MINERS))
@given(batches())
def test_no_invalid_triplet(name: str, batch: tuple[Tensor, Tensor]) -> None:
    rows, labels = batch
    anchors, positives, negatives = MINERS[name](rows, labels)
    assert anchors.dtype == positives.dtype == negatives.dtype == torch.int64
    assert anchors.shape == positives.shape == negatives.shape
    assert (anchors != positives).all()
    assert (labels[anchors] == labels[positives]).all()
    assert (labels[anchors] != labels[negatives]).all()
    for part in (anchors, positives, negatives):
        assert (labels[part] >= 0).all()


@pytest.mark.parametrize("name", sorted(COMPLETE))
@given(batches())
def test_every_row_with_candidates_gets_a_triplet(name: str, batch: tuple[Tensor, Tensor]) -> None:
    rows, labels = batch
    anchors = set(MINERS[name](rows, labels).anchors.tolist())
    expected = {
        row
        for row, label in enumerate(labels.tolist())
        if label >= 0 and (labels == label).sum() > 1 and ((labels >= 0) & (labels != label)).any()
    }
    assert anchors == expected

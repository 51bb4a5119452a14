import numpy as np
import pytest
import torch

from vultus.core.errors import ConfigError, TrainingError
from vultus.mining.triplets import Triplets
from vultus.sampling.offline_sampler import OfflineTripletSampler
from vultus.sampling.sampler import Share

LABELS = np.arange(30) // 3
MINED = Triplets(torch.arange(0, 27, 3), torch.arange(1, 28, 3), torch.arange(3, 30, 3))


def sampler() -> OfflineTripletSampler:
    made = OfflineTripletSampler(LABELS, triplets=4, every=3)
    made.take(MINED)
    return made


def test_batches_are_mined_triplets_anchors_first() -> None:
    seen = []
    for batch in sampler():
        assert len(batch) == 12
        seen += list(zip(batch[:4], batch[4:8], batch[8:], strict=True))
    known = set(zip(*(column.tolist() for column in MINED), strict=True))
    assert set(seen) == known
    # 12 are needed of 9: each once, and three of them again.
    assert len(seen) == 12
    assert max(map(seen.count, known)) == 2


def test_processes_share_the_triplets_of_an_epoch() -> None:
    own = [_batches(rank) for rank in range(2)]
    assert [len(batches) for batches in own] == [2, 2]
    anchors = [index for batches in own for batch in batches for index in batch[:2]]
    assert len(set(anchors)) == 8


def _batches(rank: int) -> list[list[int]]:
    made = OfflineTripletSampler(LABELS, triplets=2, every=2, share=Share(rank, 2))
    made.take(MINED)
    return list(made)


def test_the_state_holds_the_triplets() -> None:
    first = sampler()
    batches = iter(first)
    next(batches)
    state = first.state_dict()
    second = OfflineTripletSampler(LABELS, triplets=4, every=3)
    second.load_state_dict(state)
    assert list(second) == list(batches)


def test_nothing_mined_is_an_error_that_says_so() -> None:
    made = OfflineTripletSampler(LABELS, triplets=4, every=3)
    with pytest.raises(ConfigError, match="needs triplets"):
        next(iter(made))
    empty = torch.empty(0, dtype=torch.int64)
    with pytest.raises(TrainingError, match="nothing left to learn"):
        made.take(Triplets(empty, empty, empty))

"""Offline mining of a whole set."""

import pytest
import torch

from vultus.core.errors import InputError
from vultus.mining import offline
from vultus.mining.offline import OfflineMiner, offline_triplets
from vultus.mining.triplets import squared_distances


def a_set(rows: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(rows, 6, generator=generator))
    return embeddings, torch.randint(-1, 30, (rows,), generator=generator)


@pytest.mark.parametrize("chunk", [2**22, 1000])
def test_every_sample_gets_what_it_can_get(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "_CHUNK_ELEMENTS", chunk)
    embeddings, labels = a_set()
    margin = 0.05
    anchors, positives, negatives = offline_triplets(
        embeddings, labels, generator=torch.Generator().manual_seed(1), margin=margin
    )
    assert torch.equal(anchors, torch.unique(anchors))
    assert (labels[anchors] >= 0).all()
    assert (anchors != positives).all()
    assert (labels[anchors] == labels[positives]).all()
    assert (labels[negatives] >= 0).all()
    assert (labels[anchors] != labels[negatives]).all()
    distances = squared_distances(embeddings)
    to_positive, to_negative = distances[anchors, positives], distances[anchors, negatives]
    assert (to_negative < to_positive + margin + 1e-5).all()
    for row, a in enumerate(anchors.tolist()):
        other = (labels >= 0) & (labels != labels[a])
        beyond = distances[a] > to_positive[row] + 1e-5
        semi_hard = other & beyond & (distances[a] < to_positive[row] + margin - 1e-5)
        if semi_hard.any():
            assert to_negative[row] > to_positive[row] - 1e-5
    alone = [a for a in range(200) if (labels == labels[a]).sum() == 1 or labels[a] < 0]
    assert not set(alone) & set(anchors.tolist())
    assert len(anchors) > 100


def test_separated_identities_and_an_empty_set_give_no_triplet() -> None:
    embeddings = torch.eye(3).repeat_interleave(2, dim=0)
    generator = torch.Generator()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert len(offline_triplets(embeddings, labels, generator=generator).anchors) == 0
    nothing = offline_triplets(torch.empty(0, 3), labels[:0], generator=generator)
    assert [len(part) for part in nothing] == [0, 0, 0]


def test_the_miner_embeds_only_when_it_is_time() -> None:
    embeddings, labels = a_set(50)
    asked: list[int] = []
    miner = OfflineMiner(every=10, generator=torch.Generator().manual_seed(0))

    def embed() -> torch.Tensor:
        asked.append(step)
        return embeddings

    for step in range(3, 25):  # a run resumed at step 3
        triplets = miner.at(step, embed=embed, labels=labels)
        assert miner.triplets is triplets
    assert asked == [3, 10, 20]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="embeddings must be"):
        offline_triplets(torch.zeros(3, 2), torch.zeros(2).long(), generator=torch.Generator())
    with pytest.raises(InputError, match="every must be"):
        OfflineMiner(every=0, generator=torch.Generator())

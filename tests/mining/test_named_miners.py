import pytest
import torch
from torch.nn import functional

from vultus.core.errors import InputError
from vultus.mining.distance_weighted import distance_weighted_triplets
from vultus.mining.miners import MINERS, semi_hard_triplets
from vultus.mining.triplets import Triplets, squared_distances

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, -1, 0])


@pytest.fixture
def rows() -> torch.Tensor:
    return functional.normalize(torch.randn(8, 5, generator=torch.Generator().manual_seed(1)))


def mine(
    name: str, rows: torch.Tensor, labels: torch.Tensor = LABELS, **settings: object
) -> list[list[int]]:
    generator = torch.Generator().manual_seed(7)
    return as_rows(MINERS.create(name, **settings)(rows, labels, generator))


def as_rows(triplets: Triplets) -> list[list[int]]:
    return torch.stack(list(triplets), dim=1).tolist()


@pytest.mark.parametrize("name", ["all", "batch-hard", "distance-weighted", "hard", "semi-hard"])
def test_every_miner_gives_triplets(name: str, rows: torch.Tensor) -> None:
    found = mine(name, rows)
    assert found
    for anchor, positive, negative in found:
        assert anchor != positive
        assert LABELS[anchor] == LABELS[positive] != LABELS[negative] >= 0


def test_hard_ones_are_those_of_a_loop(rows: torch.Tensor) -> None:
    distances = torch.cdist(rows, rows)
    for anchor, positive, negative in mine("batch-hard", rows):
        own = [i for i in range(8) if LABELS[i] == LABELS[anchor] and i != anchor]
        others = [i for i in range(8) if LABELS[i] not in (LABELS[anchor], -1)]
        assert positive == max(own, key=lambda i: distances[anchor, i])
        assert negative == min(others, key=lambda i: distances[anchor, i])


def test_settings_reach_the_miners(rows: torch.Tensor) -> None:
    squared = squared_distances(rows)
    generator = torch.Generator().manual_seed(7)
    drawn = semi_hard_triplets(
        squared, LABELS, margin=0.5, fallback="violator", generator=generator
    )
    assert mine("semi-hard", rows, margin=0.5, fallback="violator", draw=True) == as_rows(drawn)
    generator = torch.Generator().manual_seed(7)
    weighted = distance_weighted_triplets(
        squared.sqrt(), LABELS, dim=5, generator=generator, farthest=1.9, temperature=2.0
    )
    found = mine("distance-weighted", rows, farthest=1.9, temperature=2.0)
    assert found == as_rows(weighted)
    with pytest.raises(InputError, match="margin must"):
        MINERS.create("semi-hard", margin=0.0)
    with pytest.raises(InputError, match="farthest must"):
        MINERS.create("distance-weighted", farthest=0.4)


def test_triplets_of_the_sampler_are_taken_as_they_come_and_unreadable_ones_left_out() -> None:
    labels = torch.tensor([0, 1, 2, 0, 1, -1, 3, 0, 1])
    assert mine("as-sampled", torch.zeros(9, 2), labels) == [[0, 3, 6], [1, 4, 7]]
    with pytest.raises(InputError, match="use it with the sampler 'offline'"):
        mine("as-sampled", torch.zeros(8, 2), labels[:8])
    with pytest.raises(InputError, match="rows that are no triplets"):
        mine("as-sampled", torch.zeros(9, 2), torch.tensor([0, 1, 2, 0, 1, 2, 3, 0, 2]))

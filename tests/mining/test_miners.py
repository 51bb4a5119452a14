"""The miners against loops over pairs; `properties/test_mining` has what must always hold."""

import pytest
import torch

from vultus.core.errors import InputError
from vultus.mining.distance_weighted import distance_weighted_triplets
from vultus.mining.miners import MINERS, batch_hard_triplets, hard_triplets, semi_hard_triplets
from vultus.mining.triplets import Triplets, squared_distances

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, -1, 3, 3])
NAMED_LABELS = torch.tensor([0, 0, 1, 1, 2, 2, -1, 0])


def batch(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    return squared_distances(torch.nn.functional.normalize(rows))


def listed(triplets: Triplets) -> list[tuple[int, ...]]:
    return sorted(zip(*(part.tolist() for part in triplets), strict=True))


def pairs() -> list[tuple[int, int]]:
    return [
        (a, p)
        for a in range(9)
        for p in range(9)
        if a != p and LABELS[a] == LABELS[p] and LABELS[a] >= 0
    ]


def others(anchor: int) -> list[int]:
    return [n for n in range(9) if LABELS[n] >= 0 and LABELS[n] != LABELS[anchor]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fallback", ["drop", "easiest", "violator"])
def test_semi_hard(seed: int, fallback: str) -> None:
    distances, margin = batch(seed), 0.6
    expected = []
    for a, p in pairs():
        low = float(distances[a, p])
        semi = [n for n in others(a) if low < distances[a, n] < low + margin]
        inside = [n for n in others(a) if distances[a, n] <= low]
        if semi:
            expected.append((a, p, min(semi, key=lambda n: float(distances[a, n]))))
        elif fallback == "easiest":
            expected.append((a, p, max(others(a), key=lambda n: float(distances[a, n]))))
        elif fallback == "violator" and inside:
            expected.append((a, p, max(inside, key=lambda n: float(distances[a, n]))))
    got = semi_hard_triplets(distances, LABELS, margin=margin, fallback=fallback)  # type: ignore[arg-type]
    assert listed(got) == sorted(expected)


@pytest.mark.parametrize("seed", range(5))
def test_drawn_violators(seed: int) -> None:
    distances, generator = batch(seed), torch.Generator().manual_seed(seed)
    expected: dict[tuple[int, int], list[int]] = {}
    for a, p in pairs():
        low = float(distances[a, p])
        semi = [n for n in others(a) if low < distances[a, n] < low + 0.3]
        expected[a, p] = semi or [n for n in others(a) if distances[a, n] <= low]
    drawn: dict[tuple[int, int], set[int]] = {pair: set() for pair in expected}
    for _ in range(60):
        for a, p, n in listed(
            semi_hard_triplets(
                distances, LABELS, margin=0.3, fallback="violator", generator=generator
            )
        ):
            drawn[a, p].add(n)
    assert drawn == {pair: set(found) for pair, found in expected.items()}


def test_distances_may_lie_in_any_order() -> None:
    distances = batch(0)
    turned = semi_hard_triplets(distances.T, LABELS)  # torch would warn of it, and the tests refuse
    assert listed(turned) == listed(semi_hard_triplets(distances.T.contiguous(), LABELS))


def test_random_semi_hard_negatives_are_drawn_evenly() -> None:
    own = 50
    distances = torch.full((own + 5, own + 5), 0.5)
    distances[:own, own:] = torch.tensor([0.6, 0.65, 0.55, 0.3, 0.71])
    labels = torch.tensor([0] * own + [1, 2, 3, 4, 5])
    generator = torch.Generator().manual_seed(0)
    drawn = semi_hard_triplets(distances, labels, margin=0.2, generator=generator).negatives
    counts = torch.bincount(drawn, minlength=own + 5)
    draws = own * (own - 1)
    assert counts[:own].sum() == counts[own + 3 :].sum() == 0
    assert (counts[own : own + 3] - draws / 3).abs().max() < 4.5 * (draws * 2 / 9) ** 0.5


@pytest.mark.parametrize("seed", range(5))
def test_hard_and_batch_hard(seed: int) -> None:
    distances = batch(seed)

    def nearest(a: int) -> int:
        return min(others(a), key=lambda n: float(distances[a, n]))

    assert listed(hard_triplets(distances, LABELS)) == sorted(
        (a, p, nearest(a)) for a, p in pairs()
    )
    farthest = {
        a: max((float(distances[a, p]), p) for x, p in pairs() if x == a) for a, _ in pairs()
    }
    expected = [(a, p, nearest(a)) for a, (_, p) in farthest.items()]
    assert listed(batch_hard_triplets(distances, LABELS)) == sorted(expected)


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_infinity_and_nan_are_still_distances(value: float) -> None:
    distances = torch.full((3, 3), value).fill_diagonal_(0)
    labels = torch.tensor([0, 0, 1])
    assert listed(batch_hard_triplets(distances, labels)) == [(0, 1, 2), (1, 0, 2)]
    assert listed(hard_triplets(distances, labels)) == [(0, 1, 2), (1, 0, 2)]
    assert listed(semi_hard_triplets(distances, labels)) == [(0, 1, 2), (1, 0, 2)]


def test_bad_arguments_are_refused() -> None:
    labels = torch.tensor([0, 0, 1])
    with pytest.raises(InputError, match=r"of shape \(3, 3\), got torch.float32 of shape \(3, 2\)"):
        hard_triplets(torch.zeros(3, 2), labels)
    with pytest.raises(InputError, match="margin must be"):
        semi_hard_triplets(torch.zeros(3, 3), labels, margin=0.0)
    with pytest.raises(InputError, match="fallback must be"):
        semi_hard_triplets(torch.zeros(3, 3), labels, fallback="hardest")  # type: ignore[arg-type]


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
    )


def mine(
    name: str, rows: torch.Tensor, labels: torch.Tensor = NAMED_LABELS, **settings: object
) -> list[list[int]]:
    generator = torch.Generator().manual_seed(7)
    return as_lists(MINERS.create(name, **settings)(rows, labels, generator))


def as_lists(triplets: Triplets) -> list[list[int]]:
    return torch.stack(list(triplets), dim=1).tolist()


@pytest.mark.parametrize("name", ["all", "batch-hard", "distance-weighted", "hard", "semi-hard"])
def test_every_miner_gives_triplets(name: str, rows: torch.Tensor) -> None:
    found = mine(name, rows)
    assert found
    for anchor, positive, negative in found:
        assert anchor != positive
        assert NAMED_LABELS[anchor] == NAMED_LABELS[positive] != NAMED_LABELS[negative] >= 0


def test_hard_ones_are_those_of_a_loop(rows: torch.Tensor) -> None:
    distances = torch.cdist(rows, rows)
    for anchor, positive, negative in mine("batch-hard", rows):
        own = [i for i in range(8) if NAMED_LABELS[i] == NAMED_LABELS[anchor] and i != anchor]
        others = [i for i in range(8) if NAMED_LABELS[i] not in (NAMED_LABELS[anchor], -1)]
        assert positive == max(own, key=lambda i: distances[anchor, i])
        assert negative == min(others, key=lambda i: distances[anchor, i])


def test_settings_reach_the_miners(rows: torch.Tensor) -> None:
    squared = squared_distances(rows)
    generator = torch.Generator().manual_seed(7)
    drawn = semi_hard_triplets(
        squared, NAMED_LABELS, margin=0.5, fallback="violator", generator=generator
    )
    assert mine("semi-hard", rows, margin=0.5, fallback="violator", draw=True) == as_lists(drawn)
    generator = torch.Generator().manual_seed(7)
    weighted = distance_weighted_triplets(
        squared.sqrt(), NAMED_LABELS, dim=5, generator=generator, farthest=1.9, temperature=2.0
    )
    found = mine("distance-weighted", rows, farthest=1.9, temperature=2.0)
    assert found == as_lists(weighted)
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

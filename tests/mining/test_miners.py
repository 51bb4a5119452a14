"""The miners against loops over pairs; `properties/test_mining` has what must always hold."""

import pytest
import torch

from vultus.core.errors import InputError
from vultus.mining.miners import batch_hard_triplets, hard_triplets, semi_hard_triplets
from vultus.mining.triplets import Triplets, squared_distances

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, -1, 3, 3])


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

import itertools
import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from vultus.core.errors import InputError
from vultus.losses.pairwise.pairs import pairwise_distances
from vultus.losses.pairwise.triplet import Mining, Triplet, triplet_terms
from vultus.mining.miners import MINERS
from vultus.mining.triplets import Triplets

LABELS = torch.tensor([0, 0, 1, 1, 1, 2, 0, 3])


def points() -> torch.Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(0))


def mine(distances: torch.Tensor, labels: torch.Tensor, mining: Mining) -> Triplets:
    return Triplet(num_classes=4, dim=4, mining=mining).mine(distances, labels)


def naive(
    distances: list[list[float]], mining: str, margin: float = 0.2
) -> set[tuple[int, int, int]]:
    n, labels = len(distances), LABELS.tolist()
    chosen: set[tuple[int, int, int]] = set()
    for a in range(n):
        positives = [p for p in range(n) if p != a and labels[p] == labels[a]]
        negatives = [q for q in range(n) if labels[q] != labels[a]]
        if not positives or not negatives:
            continue
        nearest = min(negatives, key=lambda q: distances[a][q])
        if mining == "batch-hard":
            chosen.add((a, max(positives, key=lambda p: distances[a][p]), nearest))
        for p in positives:
            if mining in ("all", "batch-all"):
                chosen |= {(a, p, q) for q in negatives}
            if mining == "hard":
                chosen.add((a, p, nearest))
            if mining == "semi-hard":
                low = distances[a][p]
                within = [q for q in negatives if low < distances[a][q] < low + margin]
                pick = min if within else max
                chosen.add((a, p, pick(within or negatives, key=lambda q: distances[a][q])))
    return chosen


@pytest.mark.parametrize("mining", ["all", "batch-all", "batch-hard", "hard", "semi-hard"])
def test_selection_equals_the_loops(mining: Mining) -> None:
    distances = pairwise_distances(points(), normalize=True, squared=True)
    triplets = mine(distances, LABELS, mining)
    assert all(index.dtype == torch.int64 for index in triplets)
    found = list(zip(*(index.tolist() for index in triplets), strict=True))
    assert len(found) == len(set(found))
    assert set(found) == naive(distances.tolist(), mining)


@pytest.mark.parametrize("mining", ["all", "batch-hard", "hard", "semi-hard"])
@pytest.mark.parametrize("margin", [0.05, 0.2, 0.6])
def test_the_miner_of_the_same_name_gives_the_same_triplets(mining: Mining, margin: float) -> None:
    rows = F.normalize(torch.randn(64, 4, generator=torch.Generator().manual_seed(1)))
    labels = torch.arange(64) % 16
    settings = {"margin": margin} if mining == "semi-hard" else {}
    mined = MINERS.create(mining, **settings)(rows, labels, torch.Generator())
    loss = Triplet(num_classes=16, dim=4, mining=mining, margin_distance=margin)
    own = loss.mine(pairwise_distances(rows, normalize=True, squared=True), labels)
    assert len(own.anchors) > 60
    for left, right in zip(own, mined, strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("margin", [0.0, "soft"])
def test_without_a_margin_semi_hard_is_the_nearest_beyond_the_positive(margin: Any) -> None:
    distances = pairwise_distances(points(), normalize=True, squared=True)
    loss = Triplet(num_classes=4, dim=4, mining="semi-hard", margin_distance=margin)
    found = set(zip(*(part.tolist() for part in loss.mine(distances, LABELS)), strict=True))
    assert found == naive(distances.tolist(), "semi-hard", math.inf)


def test_a_feature_that_is_no_number_shows_in_the_loss() -> None:
    x = points()
    x[2] = torch.nan
    for mining in ("batch-hard", "hard", "semi-hard"):
        assert Triplet(num_classes=4, dim=4, mining=mining)(x, LABELS).loss.isnan()


@pytest.mark.parametrize("mining", ["all", "batch-all", "batch-hard", "hard", "semi-hard"])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_no_negative_or_no_positive_means_no_triplet_and_no_loss(
    mining: Mining, labels: list[int]
) -> None:
    x = points()[: len(labels)].requires_grad_()
    output = Triplet(num_classes=4, dim=4, mining=mining)(x, torch.tensor(labels))
    assert output.statistics["triplets"] == 0
    assert output.loss.item() == 0
    assert output.loss.requires_grad


@pytest.mark.parametrize("mining", ["all", "batch-all", "batch-hard", "hard", "semi-hard"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"squared": False, "normalize": False, "margin_distance": 1.0},
        {"squared": False, "normalize": False, "margin_distance": "soft"},
    ],
)
def test_the_loss_equals_the_loops(mining: Mining, settings: dict[str, Any]) -> None:
    x = points()
    loss = Triplet(num_classes=4, dim=4, mining=mining, **settings)
    rows = (F.normalize(x) if loss.normalize else x).tolist()
    power = 2 if loss.squared else 1
    distances = [[math.dist(a, b) ** power for b in rows] for a in rows]
    terms = []
    margin = loss.margin_distance
    for a, p, q in naive(distances, mining, math.inf if margin == "soft" else float(margin)):
        gap = distances[a][p] - distances[a][q]
        soft = loss.margin_distance == "soft"
        terms.append(
            math.log1p(math.exp(gap)) if soft else max(0.0, gap + float(loss.margin_distance))
        )
    active = sum(term > 0 for term in terms)
    expected = sum(terms) / (active if mining == "batch-all" else len(terms))
    output = loss(x, LABELS)
    assert output.loss.item() == pytest.approx(expected, rel=1e-4)
    assert output.statistics["active_fraction"].item() == pytest.approx(active / len(terms))
    assert output.statistics["triplets"] == len(terms)


def test_a_collapsed_network_shows_as_margin_or_ln_2() -> None:
    x = torch.ones(8, 4)
    hard = Triplet(num_classes=4, dim=4, mining="batch-hard")
    assert hard(x, LABELS).loss.item() == pytest.approx(0.2, abs=1e-6)
    soft = Triplet(num_classes=4, dim=4, mining="batch-hard", margin_distance="soft", squared=False)
    assert soft(x, LABELS).loss.item() == pytest.approx(math.log(2), abs=1e-6)


def test_triplets_from_elsewhere_give_the_same_loss() -> None:
    loss = Triplet(num_classes=4, dim=4, mining="semi-hard")
    x = points()
    distances = pairwise_distances(x, normalize=True, squared=True)
    triplets = mine(distances, LABELS, "semi-hard")
    given = loss.of_triplets(x.bfloat16(), triplets).loss
    assert given.dtype == torch.float32
    assert loss.of_triplets(x, triplets).loss.item() == pytest.approx(
        loss(x, LABELS).loss.item(), rel=1e-5
    )


def test_semi_hard_prefers_the_nearest_beyond_the_positive() -> None:
    # On a line: anchor 0, positive 1, negatives at 0.5 (hard), 1.05 (semi-hard), 3 (easy).
    x = torch.tensor([[0.0], [1.0], [0.5], [1.05], [3.0]])
    labels = torch.tensor([0, 0, 1, 2, 3])
    distances = pairwise_distances(x, normalize=False, squared=True)
    anchors, _, negatives = mine(distances, labels, "semi-hard")
    assert negatives[anchors == 0].tolist() == [3]
    nearer = torch.tensor([0, 0, 1])
    anchors, _, negatives = mine(distances[:3, :3], nearer, "semi-hard")
    assert negatives[anchors == 0].tolist() == [2]  # the fallback


def test_a_negative_as_far_as_the_positive_is_not_semi_hard() -> None:
    x = torch.tensor([[0.0], [1.0], [-1.0], [1.05], [3.0]])
    distances = pairwise_distances(x, normalize=False, squared=True)
    anchors, _, negatives = mine(distances, torch.tensor([0, 0, 1, 2, 3]), "semi-hard")
    assert negatives[anchors == 0].tolist() == [3]


@pytest.mark.parametrize("mining", ["batch-hard", "hard", "semi-hard"])
def test_a_collapsed_batch_still_gives_valid_triplets(mining: Mining) -> None:
    labels = torch.tensor([0, 1, 1, 0])
    anchors, positives, negatives = mine(torch.zeros(4, 4), labels, mining)
    assert len(anchors) == 4
    assert (labels[anchors] == labels[positives]).all()
    assert (anchors != positives).all()
    assert (labels[anchors] != labels[negatives]).all()


def test_terms() -> None:
    d = torch.tensor([1.0, 2.0])
    for margin, (a, b) in itertools.product([0.0, 0.5], [(0, 1), (1, 0)]):
        expected = max(0.0, float(d[a] - d[b]) + margin)
        assert triplet_terms(d[a], d[b], margin_distance=margin).item() == expected


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="mining must be one of all, batch-all"):
        Triplet(num_classes=4, dim=4, mining="semihard")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="margin_distance must be"):
        Triplet(num_classes=4, dim=4, margin_distance=-0.1)

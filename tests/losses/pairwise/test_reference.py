"""Queries compared with a reference and not with each other; test_losses_pml has the values."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses import LOSSES
from vultus.losses.pairwise.pairs import PairwiseLoss
from vultus.mining.miners import MINERS, semi_hard_triplets
from vultus.mining.triplets import Split, all_pairs, check_distances, squared_distances
from vultus.training.objectives.mined_loss import MinedLoss

LOSSES_AND_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("contrastive", {"margin_distance": 2.0}),
    ("margin-based", {}),
    *(("triplet", {"mining": mining}) for mining in ("all", "batch-all", "batch-hard", "hard")),
    ("triplet", {"mining": "semi-hard"}),
]
MINER_NAMES = sorted(set(MINERS) - {"as-sampled"})


def make(name: str, **settings: Any) -> PairwiseLoss:
    loss = LOSSES.create(name, num_classes=4, dim=5, **settings)
    assert isinstance(loss, PairwiseLoss)
    return loss


def sides(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    references = torch.randn(12, 5, generator=generator, dtype=torch.float64)
    return features, torch.arange(7) % 4, references, torch.arange(12) % 4


@pytest.mark.parametrize(("name", "settings"), LOSSES_AND_SETTINGS)
def test_ignored_rows_of_either_side_take_no_part(name: str, settings: dict[str, Any]) -> None:
    loss = make(name, **settings)
    features, labels, references, numbers = sides()
    labels[2] = numbers[5] = numbers[0] = -1
    inputs = features.requires_grad_(), references.requires_grad_()
    output = loss(features, labels, (references, numbers))
    kept = loss(
        features[labels >= 0],
        labels[labels >= 0],
        (references[numbers >= 0], numbers[numbers >= 0]),
    )
    torch.testing.assert_close(output, kept)
    for side, told in zip(torch.autograd.grad(output.loss, inputs), (labels, numbers), strict=True):
        assert side.abs().max() > 0
        assert side[told < 0].abs().max() == 0
    assert loss.step == 2


@pytest.mark.parametrize(("name", "settings"), LOSSES_AND_SETTINGS)
def test_without_anything_to_compare_the_loss_is_0_with_a_graph(
    name: str, settings: dict[str, Any]
) -> None:
    loss = make(name, **settings)
    features, labels, references, numbers = sides()
    features.requires_grad_()
    for rows, others in ((7, 0), (0, 12), (0, 0)):
        given = features[:rows], labels[:rows], (references[:others], numbers[:others])
        value = loss(*given).loss
        value.backward()
        assert value == 0


@pytest.mark.parametrize(("name", "settings"), LOSSES_AND_SETTINGS)
def test_half_precision_is_computed_in_float32(name: str, settings: dict[str, Any]) -> None:
    loss = make(name, **settings)
    features, labels, references, numbers = sides()
    half = features.bfloat16(), references.bfloat16()
    value = loss(half[0], labels, (half[1], numbers)).loss
    assert value.dtype == torch.float32
    wanted = loss(half[0].float(), labels, (half[1].float(), numbers)).loss
    torch.testing.assert_close(value, wanted)


def test_wrong_references_are_refused() -> None:
    loss = make("triplet")
    features, labels, references, numbers = sides()
    with pytest.raises(InputError, match=r"features must be floating of shape \(n, 5\)"):
        loss(features, labels, (references[:, :4], numbers))
    with pytest.raises(InputError, match=r"labels must lie in \[0, 4\)"):
        loss(features, labels, (references, numbers + 1))
    with pytest.raises(InputError, match=r"distances must be floating of shape \(7, 12\)"):
        check_distances(torch.zeros(7, 7), Split(labels, numbers))


def test_margin_based_is_the_sum_over_all_pairs_by_their_number_with_a_loss() -> None:
    loss = make("margin-based").double()
    loss.get_parameter("boundary").data.copy_(torch.tensor([0.9, 1.1, 1.2, 1.4]))
    boundary = [0.9, 1.1, 1.2, 1.4]
    features, labels, references, numbers = sides()
    terms = []
    for x, label in zip(features, labels.tolist(), strict=True):
        for r, number in zip(references, numbers.tolist(), strict=True):
            gap = math.dist((x / x.norm()).tolist(), (r / r.norm()).tolist())
            sign = 1 if label == number else -1
            terms.append(max(0.0, 0.2 + sign * (gap - boundary[label])))
    wanted = sum(terms) / sum(term > 0 for term in terms)
    value = loss(features, labels, (references, numbers)).loss
    assert value.item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", MINER_NAMES)
def test_miners_keep_their_promise_between_two_sides(name: str) -> None:
    features, labels, references, numbers = sides()
    labels[1] = numbers[3] = -1
    generator = torch.Generator().manual_seed(0)
    rows = Split(*(torch.nn.functional.normalize(x, dim=1) for x in (features, references)))
    found = MINERS.create(name)(rows, Split(labels, numbers), generator)
    assert len(found.anchors) >= 6
    assert (labels[found.anchors] >= 0).all()
    assert torch.equal(labels[found.anchors], numbers[found.positives])
    assert (numbers[found.negatives] >= 0).all()
    assert (labels[found.anchors] != numbers[found.negatives]).all()
    nobody = MINERS.create(name)(
        Split(rows.queries, rows.references[:0]), Split(labels, numbers[:0]), generator
    )
    assert [len(index) for index in nobody] == [0, 0, 0]


def test_semi_hard_takes_the_nearest_negative_beyond_the_positive() -> None:
    features, labels, references, numbers = sides()
    distances = squared_distances(Split(features, references))
    found = semi_hard_triplets(distances, Split(labels, numbers), margin=math.inf, fallback="drop")
    wanted = []
    for a in range(7):
        for p in range(12):
            if labels[a] != numbers[p]:
                continue
            beyond = [
                n
                for n in range(12)
                if numbers[n] != labels[a] and distances[a, n] > distances[a, p]
            ]
            if beyond:
                wanted.append((a, p, min(beyond, key=lambda n: float(distances[a, n]))))
    assert list(zip(*(index.tolist() for index in found), strict=True)) == wanted


def test_pairs_are_every_query_with_every_reference() -> None:
    pairs = all_pairs(Split(torch.tensor([4, 9]), torch.tensor([4, -1, 9])))
    assert list(zip(*(part.tolist() for part in pairs), strict=True)) == [
        (0, 0, True), (0, 2, False), (1, 0, False), (1, 2, True),
    ]  # fmt: skip


def test_a_mined_loss_takes_a_reference_and_the_samplers_triplets_none() -> None:
    features, labels, references, numbers = sides()
    mined = MinedLoss(make("margin-based").double(), MINERS.create("distance-weighted"))
    inputs = features.requires_grad_(), references.requires_grad_()
    gradients = torch.autograd.grad(mined(features, labels, (references, numbers)).loss, inputs)
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    sampled = MinedLoss(make("triplet"), MINERS.create("as-sampled"))
    with pytest.raises(InputError, match="have no reference"):
        sampled(features, labels, (references, numbers))

"""The same loss in pytorch-metric-learning: equal once its units are converted, or explained.

Where the two differ, the comment says who follows the formula.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from pytorch_metric_learning.utils.loss_and_miner_utils import get_all_pairs_indices
from torch import Tensor

from vultus.losses import LOSSES, Loss
from vultus.losses.pairwise.contrastive import Contrastive
from vultus.losses.pairwise.margin_based import MarginBased
from vultus.losses.pairwise.pairs import pairwise_distances
from vultus.losses.pairwise.triplet import Triplet
from vultus.mining.miners import BatchHardMiner, batch_hard_triplets
from vultus.mining.triplets import Split
from vultus.training.objectives.mined_loss import MinedLoss

CLASSES, DIM = 6, 5


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batch(rows: int = 24) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(rows, DIM, generator=generator, dtype=torch.float64) * 2
    return features, torch.randint(CLASSES, (rows,), generator=generator)


def compare(ours: Loss, theirs: Any, weight: Tensor | None) -> None:
    """Value and feature gradient agree to float64 rounding."""
    features, labels = batch()
    if weight is not None:
        ours.load_state_dict({"weight": weight}, strict=False)
        theirs.W.data = weight.reshape(-1, DIM).T.clone()
    results = []
    calls: list[Callable[[Tensor], Tensor]] = [
        lambda x: ours(x, labels).loss,
        lambda x: theirs(x, labels),
    ]
    for call in calls:
        inputs = features.clone().requires_grad_()
        value = call(inputs)
        results.append((value.item(), torch.autograd.grad(value, inputs)[0]))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-9)
    assert torch.allclose(results[0][1], results[1][1], rtol=1e-6, atol=1e-9)


def random_weight(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def theirs(name: str, **settings: Any) -> Any:
    return getattr(losses, name)(num_classes=CLASSES, embedding_size=DIM, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "other", "other_settings"),
    [
        # Their margin is in degrees, ours in radians.
        ("arcface", {"margin_rad": 0.5}, "ArcFaceLoss", {"margin": math.degrees(0.5)}),
        ("cosface", {"margin_cos": 0.35}, "CosFaceLoss", {"margin": 0.35}),
        # Whole multipliers only, and no annealing, on their side.
        ("a-softmax", {"multiplier": 3.0, "annealing": None}, "SphereFaceLoss", {"margin": 3}),
        ("a-softmax", {"multiplier": 4.0, "annealing": None}, "SphereFaceLoss", {"margin": 4}),
        ("l-softmax", {"annealing": None}, "LargeMarginSoftmaxLoss", {"margin": 2}),
        # Their "normalized softmax" has a temperature, the inverse of a scale.
        ("normface", {"scale": 20.0}, "NormalizedSoftmaxLoss", {"temperature": 0.05}),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # theirs, with NumPy 2
def test_classification_losses(
    name: str, settings: dict[str, Any], other: str, other_settings: dict[str, Any]
) -> None:
    ours = LOSSES.create(name, num_classes=CLASSES, dim=DIM, **settings).double()
    compare(ours, theirs(other, **other_settings).double(), random_weight(CLASSES, DIM))


def test_sub_center_arcface() -> None:
    ours = LOSSES.create("subcenter-arcface", num_classes=CLASSES, dim=DIM, centers=3).double()
    other = theirs("SubCenterArcFaceLoss", margin=math.degrees(0.5), sub_centers=3).double()
    # Both keep the sub-centres of a class side by side.
    compare(ours, other, random_weight(CLASSES, 3, DIM))


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize(("margin", "smooth"), [(0.2, False), ("soft", True)])
def test_triplets_of_the_whole_batch(
    normalize: bool, squared: bool, margin: Any, smooth: bool
) -> None:
    # Both average over the triplets with a loss above 0.
    ours = Triplet(
        num_classes=CLASSES,
        dim=DIM,
        mining="batch-all",
        margin_distance=margin,
        squared=squared,
        normalize=normalize,
    )
    distance = distances.LpDistance(normalize_embeddings=normalize, power=2 if squared else 1)
    other = losses.TripletMarginLoss(
        margin=0.0 if smooth else margin, smooth_loss=smooth, distance=distance
    )
    compare(ours, other, None)


def test_batch_hard_triplets() -> None:
    features, labels = batch()
    distance = distances.LpDistance(power=2)
    ours = Triplet(num_classes=CLASSES, dim=DIM, mining="batch-hard")
    mined = miners.BatchHardMiner(distance=distance)(features, labels)
    other = losses.TripletMarginLoss(margin=0.2, distance=distance, reducer=reducers.MeanReducer())
    value = ours(features, labels).loss
    assert value.item() == pytest.approx(other(features, labels, mined).item(), rel=1e-9)


def test_semi_hard_takes_the_nearest_of_the_triplets_that_the_miner_lists() -> None:
    # Their miner lists every semi-hard triplet; FaceNet's loss takes one for each genuine pair.
    features, labels = batch()
    matrix = pairwise_distances(features, normalize=True, squared=True)
    triplets = Triplet(num_classes=CLASSES, dim=DIM, mining="semi-hard").mine(matrix, labels)
    distance = distances.LpDistance(power=2)
    listed = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard", distance=distance)(
        features, labels
    )
    nearest: dict[tuple[int, int], float] = {}
    for a, p, n in zip(*(index.tolist() for index in listed), strict=True):
        nearest[a, p] = min(nearest.get((a, p), math.inf), matrix[a, n].item())
    found = {
        (a, p): matrix[a, n].item()
        for a, p, n in zip(*(index.tolist() for index in triplets), strict=True)
    }
    assert len(nearest) > 10
    for pair, wanted in nearest.items():
        assert found[pair] == pytest.approx(wanted, rel=1e-9)


def test_margin_based_on_triplets() -> None:
    features, labels = batch()
    triplets = miners.TripletMarginMiner(margin=0.3)(features, labels)
    ours = MarginBased(num_classes=CLASSES, dim=DIM).double()
    ours.boundary.data.copy_(torch.linspace(0.8, 1.4, CLASSES))
    other = losses.MarginLoss(margin=0.2, beta=1.2, num_classes=CLASSES, learn_beta=True)
    other.beta.data = ours.boundary.data.clone()
    value = ours.of_triplets(features, labels, triplets).loss
    assert value.item() == pytest.approx(other(features, labels, triplets).item(), rel=1e-6)


def test_contrastive_differs_by_the_square_that_the_paper_has() -> None:
    # Theirs is the sum of two means, of d over genuine and of max(0, m - d) over impostor pairs,
    # each over its non-zero terms. DeepID2 (and Hadsell et al.) square and halve: ours does.
    features, labels = batch()
    ours = LOSSES.create("contrastive", num_classes=CLASSES, dim=DIM, margin_distance=2.5)
    theirs_loss = losses.ContrastiveLoss(
        pos_margin=0,
        neg_margin=2.5,
        distance=distances.LpDistance(normalize_embeddings=False),
    )
    rows, columns = torch.triu_indices(len(labels), len(labels), 1)
    same = labels[rows] == labels[columns]
    gaps = (features[rows] - features[columns]).norm(dim=1)
    apart = (2.5 - gaps[~same]).clamp_min(0)
    expected = gaps[same].mean() + apart[apart > 0].mean()
    assert theirs_loss(features, labels).item() == pytest.approx(expected.item(), rel=1e-6)
    squared = 0.5 * (gaps[same].square().sum() + apart.square().sum()) / len(gaps)
    assert ours(features, labels).loss.item() == pytest.approx(squared.item(), rel=1e-6)


def split_batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A batch and a larger reference."""
    features, labels = batch(40)
    return features[:14], labels[:14], features[14:], labels[14:]


def compare_split(
    ours: Callable[[Tensor, Tensor], Tensor], theirs: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Value and the gradients of both sides agree to float64 rounding."""
    features, _, references, _ = split_batch()
    values, gradients = [], []
    for call in (ours, theirs):
        inputs = features.clone().requires_grad_(), references.clone().requires_grad_()
        value = call(*inputs)
        values.append(value.item())
        gradients.append(torch.autograd.grad(value, inputs))
    assert values[0] == pytest.approx(values[1], rel=1e-9)
    for mine, wanted in zip(*gradients, strict=True):
        assert wanted.abs().max() > 0
        assert torch.allclose(mine, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize(("margin", "smooth"), [(0.2, False), ("soft", True)])
def test_triplets_with_a_reference(
    normalize: bool, squared: bool, margin: Any, smooth: bool
) -> None:
    _, labels, _, numbers = split_batch()
    ours = Triplet(
        num_classes=CLASSES, dim=DIM, mining="batch-all", margin_distance=margin,
        squared=squared, normalize=normalize,
    )  # fmt: skip
    distance = distances.LpDistance(normalize_embeddings=normalize, power=2 if squared else 1)
    other = losses.TripletMarginLoss(
        margin=0.0 if smooth else margin, smooth_loss=smooth, distance=distance
    )
    compare_split(
        lambda x, r: ours(x, labels, (r, numbers)).loss,
        lambda x, r: other(x, labels, ref_emb=r, ref_labels=numbers),
    )


def test_batch_hard_mining_with_a_reference() -> None:
    features, labels, references, numbers = split_batch()
    distance = distances.LpDistance(power=2)
    mined = miners.BatchHardMiner(distance=distance)(features, labels, references, numbers)
    matrix = pairwise_distances(Split(features, references), normalize=True, squared=True)
    found = batch_hard_triplets(matrix, Split(labels, numbers))
    assert [index.tolist() for index in found] == [index.tolist() for index in mined]
    ours = MinedLoss(Triplet(num_classes=CLASSES, dim=DIM), BatchHardMiner())
    other = losses.TripletMarginLoss(margin=0.2, distance=distance, reducer=reducers.MeanReducer())
    compare_split(
        lambda x, r: ours(x, labels, reference=(r, numbers)).loss,
        lambda x, r: other(x, labels, mined, ref_emb=r, ref_labels=numbers),
    )


def test_margin_based_with_a_reference() -> None:
    features, labels, references, numbers = split_batch()
    mined = miners.TripletMarginMiner(margin=0.3)(features, labels, references, numbers)
    ours = MarginBased(num_classes=CLASSES, dim=DIM).double()
    ours.boundary.data.copy_(torch.linspace(0.8, 1.4, CLASSES))
    other = losses.MarginLoss(margin=0.2, beta=1.2, num_classes=CLASSES, learn_beta=True)
    other.beta.data = ours.boundary.data.clone()
    compare_split(
        lambda x, r: ours.of_triplets(Split(x, r), Split(labels, numbers), mined).loss,
        lambda x, r: other(x, labels, mined, ref_emb=r, ref_labels=numbers),
    )


def test_contrastive_with_a_reference_pairs_what_theirs_pairs() -> None:
    # Its formula is another one (see above); the pairs are the same.
    _, labels, _, numbers = split_batch()
    anchors, positives, others, negatives = get_all_pairs_indices(labels, numbers)
    ours = Contrastive(num_classes=CLASSES, dim=DIM, margin_distance=2.5)

    def formula(x: Tensor, r: Tensor) -> Tensor:
        near = (x[anchors] - r[positives]).square().sum()
        apart = (2.5 - (x[others] - r[negatives]).norm(dim=1)).clamp_min(0)
        total: Tensor = 0.5 * (near + apart.square().sum())
        return total / (len(labels) * len(numbers))

    compare_split(lambda x, r: ours(x, labels, (r, numbers)).loss, formula)


def test_arcface_at_cosine_one_keeps_a_finite_gradient_here_only() -> None:
    # On the exact centre their arc cosine has an infinite slope, and the gradient is NaN.
    ours = LOSSES.create("arcface", num_classes=2, dim=2)
    ours.load_state_dict({"weight": torch.eye(2)}, strict=False)
    other = losses.ArcFaceLoss(num_classes=2, embedding_size=2)
    other.W.data = torch.eye(2)
    x, y = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([0])
    assert torch.isfinite(torch.autograd.grad(ours(x, y).loss, x)[0]).all()
    assert not torch.isfinite(torch.autograd.grad(other(x, y), x)[0]).all()

import math

import pytest
import torch

from vultus.core.errors import InputError
from vultus.losses.margins import bounds
from vultus.losses.margins.functional import margin_cross_entropy
from vultus.losses.margins.target_logit import NormFaceLogit

CLASSES = [10, 10_572, 85_742, 360_232, 2_059_906]


@pytest.mark.parametrize(
    ("probability", "scales"),
    [
        (0.9, [3.96, 11.46, 13.56, 14.99, 16.74]),
        (0.99, [6.11, 13.86, 15.95, 17.39, 19.13]),
        (0.999, [8.19, 16.17, 18.27, 19.70, 21.44]),
    ],
)
def test_cosface_scale(probability: float, scales: list[float]) -> None:
    found = [bounds.cosface_minimum_scale(c, probability=probability) for c in CLASSES]
    assert found == pytest.approx(scales, abs=0.006)


def test_coco_scale() -> None:
    found = [bounds.coco_minimum_scale(c, loss=1e-4) for c in (10, 10_572, 87_020)]
    assert found == pytest.approx([5.70, 9.24, 10.29], abs=0.006)


@pytest.mark.parametrize("scale", [1.0, 10.0, 30.0])
def test_a_simplex_of_centers_reaches_the_normface_bound(scale: float) -> None:
    # n centres as far apart as n can be: cosine -1 / (n - 1). No configuration does better.
    n = 6
    simplex = torch.eye(n, dtype=torch.float64) - 1 / n
    labels = torch.arange(n)
    best = margin_cross_entropy(simplex, simplex, labels, target_logit=NormFaceLogit(), scale=scale)
    bound = bounds.normface_minimum_loss(n, scale=scale)
    assert best.item() == pytest.approx(bound, rel=1e-9)
    random = torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert (
        margin_cross_entropy(random, random, labels, target_logit=NormFaceLogit(), scale=scale)
        > bound
    )


def test_scale_and_loss_of_normface_invert_each_other() -> None:
    for loss in (1e-4, 0.1, 3.0):
        scale = bounds.normface_minimum_scale(10_572, loss=loss)
        assert bounds.normface_minimum_loss(10_572, scale=scale) == pytest.approx(loss, rel=1e-9)
    assert bounds.normface_minimum_loss(10_572, scale=1.0) == pytest.approx(8.27, abs=0.005)
    assert bounds.normface_minimum_loss(10, scale=1e4) == 0.0


def test_the_cosface_scale_is_where_the_simplex_reaches_the_probability() -> None:
    n, p = 6, 0.95
    scale = bounds.cosface_minimum_scale(n, probability=p)
    assert math.exp(-bounds.normface_minimum_loss(n, scale=scale)) == pytest.approx(p)


def test_margins_that_leave_room() -> None:
    assert bounds.cosface_maximum_margin(8, dim=2) == pytest.approx(1 - math.cos(math.pi / 4))
    assert bounds.cosface_maximum_margin(8, dim=64) == pytest.approx(8 / 7)


@pytest.mark.parametrize(
    ("classes", "drop", "expected"),
    [
        (10_572, math.sin(0.5), 43.95),
        (10_572, 0.4, 38.87),
        (85_742, math.sin(0.5), 46.04),
        (85_742, 0.4, 40.96),
    ],
)
def test_initial_loss(classes: int, drop: float, expected: float) -> None:
    value = bounds.expected_initial_loss(classes, scale=64, dim=512, target_drop=drop)
    assert value == pytest.approx(expected, abs=0.006)


def test_l2_softmax_scale_gives_the_probability_of_its_derivation() -> None:
    scale = bounds.l2_softmax_minimum_scale(1000, probability=0.9)
    reached = math.exp(scale) / (math.exp(scale) + 998)
    assert reached == pytest.approx(0.9)


def test_adacos_and_magface() -> None:
    assert bounds.adacos_scale(10_573) == pytest.approx(math.sqrt(2) * math.log(10_572))
    weight = bounds.magface_minimum_regulariser(
        scale=64, norm_range=(10, 110), margin_range_rad=(0.45, 0.8)
    )
    assert weight == pytest.approx(22.5867, abs=1e-4)


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="num_classes"):
        bounds.normface_minimum_loss(1, scale=1)
    with pytest.raises(InputError, match="probability"):
        bounds.cosface_minimum_scale(10, probability=1.0)
    with pytest.raises(InputError, match="loss"):
        bounds.normface_minimum_scale(10, loss=0.0)

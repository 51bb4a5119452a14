"""Distance-weighted mining against its theory."""

import math

import pytest
import torch
from scipy.stats import chisquare

from vultus.core.errors import InputError
from vultus.mining.distance_weighted import (
    distance_weighted_triplets,
    effective_negatives,
    log_distance_weights,
)


@pytest.mark.parametrize("dim", [3, 16, 128])
def test_weights_are_one_over_the_density_of_distances(dim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 200_000 // (dim // 3), dim)
    first, second = torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=2)
    distances = (first - second).norm(dim=1)
    edges = torch.linspace(1.2, 1.6, 9)
    counts = torch.histogram(distances, edges).hist
    middles = (edges[1:] + edges[:-1]) / 2
    density = torch.exp(-log_distance_weights(middles, dim=dim))
    expected = density / density.sum() * counts.sum()
    assert ((counts - expected).abs() < 5 * expected.sqrt() + 0.03 * expected).all()


@pytest.mark.parametrize(("dim", "span"), [(64, 45.3), (128, 91.7), (256, 184.5), (512, 370.2)])
def test_span_of_the_log_weights(dim: int, span: float) -> None:
    low, high = log_distance_weights(torch.tensor([0.5, 1.4], dtype=torch.float64), dim=dim)
    assert (low - high).item() == pytest.approx(span, abs=0.05)
    nearer = log_distance_weights(torch.tensor([0.0, 0.5]), dim=dim)
    assert nearer[0] == nearer[1]


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_draws_follow_the_weights(temperature: float) -> None:
    to_others = torch.tensor([0.3, 0.95, 1.0, 1.05, 1.1, 1.39, 1.41, 1.9])
    own, count = 60, 60 + len(to_others)
    distances = torch.full((count, count), 0.01)  # positives must not weigh in, near as they are
    distances[:own, own:] = to_others
    labels = torch.cat([torch.zeros(own), torch.arange(1, 1 + len(to_others))]).long()
    dim = 8
    triplets = distance_weighted_triplets(
        distances, labels, dim=dim, generator=torch.Generator().manual_seed(0),
        temperature=temperature,
    )  # fmt: skip
    draws = own * (own - 1)
    assert len(triplets.negatives) == draws
    seen = torch.bincount(triplets.negatives, minlength=count)
    near = to_others.double().clamp_min(0.5)
    weights = (near ** (2 - dim) * (1 - near**2 / 4) ** (-(dim - 3) / 2)) ** (1 / temperature)
    weights[to_others > 1.4] = 0
    expected = weights / weights.sum() * draws
    assert seen[:own].sum() == seen[own + 6 :].sum() == 0
    assert chisquare(seen[own : own + 6].double(), expected[:6]).pvalue > 1e-3


def test_512_dimensions_draw_the_nearest_and_say_so() -> None:
    distances = torch.full((4, 4), 1.0)
    distances[0] = torch.tensor([0, 0.9, 0.8, 1.2])
    labels = torch.tensor([0, 0, 1, 2])
    triplets = distance_weighted_triplets(
        distances, labels, dim=512, generator=torch.Generator().manual_seed(0)
    )
    assert triplets.negatives[triplets.anchors == 0].tolist() == [2]
    log_weights = log_distance_weights(torch.tensor([[0.8, 1.2], [1.0, 1.0]]), dim=512)
    assert effective_negatives(log_weights).tolist() == pytest.approx([1, 2], rel=1e-4)
    assert effective_negatives(torch.full((1, 3), -math.inf)).tolist() == [0]


def test_without_a_near_negative_all_are_as_likely() -> None:
    distances = torch.full((42, 42), 1.8)
    labels = torch.tensor([0] * 40 + [1, 2])
    generator = torch.Generator().manual_seed(0)
    negatives = distance_weighted_triplets(distances, labels, dim=9, generator=generator).negatives
    seen = torch.bincount(negatives, minlength=42)
    assert seen[:40].sum() == 0
    assert (seen[40:] - 780).abs().max() < 4.5 * 390**0.5


def test_bad_settings_are_refused() -> None:
    generator = torch.Generator()
    labels = torch.tensor([0, 0, 1])
    with pytest.raises(InputError, match="farthest must be"):
        distance_weighted_triplets(
            torch.zeros(3, 3), labels, dim=8, generator=generator, farthest=0.5
        )
    with pytest.raises(InputError, match="dim must be"):
        distance_weighted_triplets(torch.zeros(3, 3), labels, dim=1, generator=generator)
    with pytest.raises(InputError, match="temperature must be"):
        distance_weighted_triplets(
            torch.zeros(3, 3), labels, dim=8, generator=generator, temperature=0.0
        )

"""The network: shapes, and probabilities of what a file takes."""

import pytest
import torch

from vultus.training.liveness.network import JudgingNetwork, LivenessNetwork, scaled
from vultus.training.liveness.recipe import NetworkConfig


@pytest.mark.parametrize(("width", "depth", "size"), [(8, 1, 32), (12, 2, 41), (24, 2, 96)])
def test_two_scores_a_crop(width: int, depth: int, size: int) -> None:
    network = LivenessNetwork(NetworkConfig(width=width, depth=depth), size_px=size).eval()
    crops = torch.rand(3, 3, size, size) * 255
    scores = network(scaled(crops))
    assert scores.shape == (3, 2)
    judged = JudgingNetwork(network).eval()(crops)
    torch.testing.assert_close(judged, torch.softmax(scores, dim=1))
    torch.testing.assert_close(judged.sum(dim=1), torch.ones(3))


def test_a_flat_crop_has_a_gradient() -> None:
    # The spread of a map that is flat is 0, where a root has no slope.
    network = LivenessNetwork(NetworkConfig(width=8, depth=1), size_px=32)
    network(torch.zeros(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())

import pytest
import torch
from scripts.gradient_check import EDGE_CASES, gradient_error, spread_batch, survives
from torch import Tensor, nn

from vultus.core.errors import InputError
from vultus.losses.base import Loss, LossOutput


class Custom(Loss):
    """A loss given as a lambda, to see the checks find what is wrong with it."""

    def __init__(self, kind: str) -> None:
        super().__init__(num_classes=3, dim=4)
        self.kind = kind
        self.weight = nn.Parameter(torch.ones(3, 4))

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        squares = (features * self.weight[labels]).square().sum(dim=1)
        if self.kind == "detached weight":
            squares = squares.detach() * squares
        if self.kind == "edited logits":
            with torch.no_grad():
                squares = squares.clone()
            squares = squares * features.mean(dim=1)
        if self.kind == "plain root":
            squares = squares.sqrt()
        return LossOutput(squares.mean(), {})


def batch(loss: Loss) -> tuple[Tensor, Tensor]:
    return spread_batch(loss, rows=6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["right", "detached weight", "plain root"])
def test_a_right_gradient_passes_detached_parts_held(kind: str) -> None:
    loss = Custom(kind).eval()
    assert gradient_error(loss, batch(loss)) < 1e-6
    assert loss.weight.dtype == torch.float32


def test_an_edit_outside_the_graph_is_found() -> None:
    loss = Custom("edited logits").eval()
    assert gradient_error(loss, batch(loss)) > 1e-2


def test_training_mode_is_refused() -> None:
    loss = Custom("right")
    with pytest.raises(InputError, match=r"needs loss\.eval"):
        gradient_error(loss, batch(loss))


def test_a_plain_root_does_not_survive_length_zero() -> None:
    assert not survives(Custom("plain root"), EDGE_CASES["features of length 0"](Custom("right")))
    assert survives(Custom("right"), EDGE_CASES["features of length 0"](Custom("right")))


def test_the_batch_has_pairs_and_all_lengths() -> None:
    features, labels = batch(Custom("right"))
    assert torch.equal(labels[::2], labels[1::2])
    assert features.norm(dim=1).min().item() == pytest.approx(0.5)
    assert features.norm(dim=1).max().item() == pytest.approx(60)

import pytest
import torch
from torch import Tensor

from vultus.core.errors import InputError, RegistryError
from vultus.losses.base import (
    IGNORED,
    LOSS_INFO,
    LOSSES,
    Loss,
    LossOutput,
    check_features,
    check_labels,
    register_loss,
)


class Length(Loss):
    """Mean length of the features; a loss to try the frame with."""

    seen_dtype: torch.dtype | None = None

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        self.seen_dtype = (features @ features.T).dtype
        return LossOutput(features.norm(dim=1).mean(), {})


def length() -> Length:
    return Length(num_classes=3, dim=2)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_computed_in_float32(given: torch.dtype, seen: torch.dtype) -> None:
    loss = length()
    assert loss(torch.ones(2, 2, dtype=given), torch.tensor([0, 1])).loss.dtype == seen
    assert loss.seen_dtype == seen


def test_autocast_does_not_reach_inside() -> None:
    loss = length()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(torch.ones(2, 2), torch.tensor([0, 1]))
    assert loss.seen_dtype == torch.float32


def test_ignored_rows_take_no_part() -> None:
    features = torch.tensor([[3.0, 4.0], [float("nan"), 0.0], [0.0, 1.0]])
    assert length()(features, torch.tensor([0, IGNORED, 2])).loss.item() == 3.0


def test_a_batch_without_a_usable_row_is_zero_with_a_graph() -> None:
    features = torch.ones(2, 2, requires_grad=True)
    output = length()(features, torch.tensor([IGNORED, IGNORED]))
    torch.autograd.backward(output.loss)
    assert output.loss.item() == 0
    assert features.grad is not None
    assert features.grad.abs().max() == 0
    assert length()(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)).loss.item() == 0


def test_steps_count_in_training_only_and_are_saved() -> None:
    loss = length()
    batch = torch.ones(1, 2), torch.tensor([0])
    loss(*batch)
    loss(*batch)
    loss.eval()
    loss(*batch)
    assert loss.step == 2
    other = length()
    other.load_state_dict(loss.state_dict())
    assert other.step == 2


@pytest.mark.parametrize(
    "features", [torch.ones(2), torch.ones(2, 3), torch.ones(2, 2, dtype=torch.long)]
)
def test_features_of_another_shape_or_kind_are_refused(features: Tensor) -> None:
    with pytest.raises(InputError, match=r"features must be floating of shape \(n, 2\)"):
        check_features(features, dim=2)


def test_the_bad_label_is_named() -> None:
    with pytest.raises(InputError, match="got 7 in row 2; 2 of 4 labels are bad"):
        check_labels(torch.tensor([0, 4, 7, -3]), num_labels=5, rows=4)


@pytest.mark.parametrize(
    "labels", [torch.tensor([0.0, 1.0]), torch.tensor([True, False]), torch.tensor([[0], [1]])]
)
def test_labels_of_another_shape_or_kind_are_refused(labels: Tensor) -> None:
    with pytest.raises(InputError, match=r"labels must be integers of shape \(2,\)"):
        check_labels(labels, num_labels=5, rows=2)


def test_settings_are_described_by_the_docstring() -> None:
    info = LOSS_INFO["arcface"]
    assert info.paper == "Deng et al., ArcFace, CVPR 2019"
    assert info.arxiv == "1801.07698"
    assert list(info.parameters) == ["margin_rad", "scale", "beyond", "grad"]
    assert info.parameters["margin_rad"] == "m in radians (0.5 rad = 28.65 degrees)"
    assert info.parameters["beyond"].startswith('Past theta = pi - m: `"fallback"`')
    assert info.parameters["beyond"].endswith("see `ArcFaceLogit`")
    assert LOSS_INFO["adacos"].parameters == {}


def test_registering_keeps_the_description() -> None:
    info = LOSS_INFO["arcface"]
    with pytest.raises(RegistryError, match="registered already"):
        register_loss("arcface", paper="nobody", equation="0")(Length)
    assert LOSS_INFO["arcface"] is info
    assert set(LOSS_INFO) <= set(LOSSES)

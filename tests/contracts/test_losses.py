"""What every registered loss must do; a new loss is picked up by its name."""

import copy
import inspect
import io
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from scripts.gradient_check import EDGE_CASES, Batch, gradient_error, spread_batch, survives
from scripts.loss_gradient_table import loss_table
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses import LOSS_INFO, LOSSES, Loss
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.margins.adaptive import ElasticFace
from vultus.losses.margins.margin_softmax import MarginSoftmax

NAMES = sorted(LOSSES)
CLASSES, DIM = 5, 6

# Settings in which a loss has no margin, or nothing adaptive, and so must be NormFace.
WITHOUT_MARGIN: dict[str, dict[str, Any]] = {
    "a-softmax": {"multiplier": 1.0, "scale": 30.0, "annealing": None},
    "adaface": {"margin": 0.0, "scale": 30.0},
    "arcface": {"margin_rad": 0.0, "scale": 30.0},
    "coco": {"scale": 30.0},
    "combined": {"margin_rad": 0.0, "margin_cos": 0.0, "scale": 30.0},
    "cosface": {"margin_cos": 0.0, "scale": 30.0},
    "cr-fiqa": {"margin_rad": 0.0, "scale": 30.0, "quality_weight": 0.0},
    "mv-softmax": {"margin": 0.0, "hard_weight": 1.0, "scale": 30.0},
    "normface": {},
    "subcenter-arcface": {"margin_rad": 0.0, "scale": 30.0, "centers": 1},
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=NAMES)
def loss(request: pytest.FixtureRequest) -> Loss:
    torch.manual_seed(0)
    return LOSSES.create(request.param, num_classes=CLASSES, dim=DIM)


def batch_of(loss: Loss, *, seed: int = 3) -> Batch:
    features, labels = spread_batch(loss, rows=10, generator=torch.Generator().manual_seed(seed))
    return features.float(), labels


def value_and_gradient(loss: Loss, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    inputs = features.clone().requires_grad_()
    value = loss(inputs, labels).loss
    return value.detach(), torch.autograd.grad(value, inputs)[0]


def test_gradients_agree_with_finite_differences(loss: Loss) -> None:
    batch = spread_batch(loss, rows=10, generator=torch.Generator().manual_seed(3))
    assert gradient_error(loss.eval(), batch) < 1e-5


@pytest.mark.parametrize("case", EDGE_CASES)
def test_value_and_gradients_stay_finite(loss: Loss, case: str) -> None:
    batch = EDGE_CASES[case](loss)
    assert survives(loss.eval(), batch)
    assert survives(loss.train(), batch)


def test_the_output_is_a_scalar_and_detached_statistics(loss: Loss) -> None:
    features, labels = batch_of(loss)
    output = loss(features.requires_grad_(), labels)
    assert output.loss.shape == ()
    assert output.loss.dtype == torch.float32
    assert output.loss.requires_grad
    assert "feature_norm" in output.statistics
    for value in output.statistics.values():
        assert value.shape == ()
        assert not value.requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_features_give_the_float32_value(loss: Loss, dtype: torch.dtype) -> None:
    features, labels = batch_of(loss)
    half = features.to(dtype)
    loss.eval()
    value, gradient = value_and_gradient(loss, half, labels)
    wanted, wanted_gradient = value_and_gradient(loss, half.float(), labels)
    assert value == wanted
    assert torch.equal(gradient, wanted_gradient.to(dtype))


def test_autocast_changes_nothing(loss: Loss) -> None:
    features, labels = batch_of(loss)
    loss.eval()
    wanted, wanted_gradient = value_and_gradient(loss, features, labels)
    inputs = features.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(inputs, labels).loss
    assert value == wanted
    assert torch.equal(torch.autograd.grad(value, inputs)[0], wanted_gradient)


def test_inputs_are_not_modified(loss: Loss) -> None:
    features, labels = batch_of(loss)
    kept = features.clone(), labels.clone()
    value_and_gradient(loss, features, labels)
    assert torch.equal(features, kept[0])
    assert torch.equal(labels, kept[1])


def test_a_second_backward_gives_the_same(loss: Loss) -> None:
    features, labels = batch_of(loss)
    inputs = features.requires_grad_()
    value = loss(inputs, labels).loss
    first = torch.autograd.grad(value, inputs, retain_graph=True)[0]
    loss(inputs, labels)  # state that moves must not reach into the kept graph
    assert torch.equal(torch.autograd.grad(value, inputs)[0], first)


def test_evaluation_mode_changes_no_state(loss: Loss) -> None:
    loss.eval()
    kept = copy.deepcopy(loss.state_dict())
    loss(*batch_of(loss))
    for name, value in loss.state_dict().items():
        assert torch.equal(value, kept[name]), name


def test_bad_labels_are_named(loss: Loss) -> None:
    features, labels = batch_of(loss)
    for bad in (loss.num_labels, -2):
        labels[4] = bad
        with pytest.raises(InputError, match=f"got {bad} in row 4"):
            loss(features, labels)


def test_ignored_rows_take_no_part(loss: Loss) -> None:
    features, labels = batch_of(loss)
    loss.eval()
    wanted = loss(features[2:], labels[2:]).loss
    labels[:2] = -1
    assert loss(features, labels).loss == wanted


def test_order_of_the_rows_does_not_count(loss: Loss) -> None:
    if isinstance(loss, ElasticFace):
        loss.sigma = 0.0  # its margins are drawn by row
    features, labels = batch_of(loss)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    loss.eval()
    value = loss(features[order], labels[order]).loss
    assert value.item() == pytest.approx(loss(features, labels).loss.item(), rel=1e-5)


def test_state_goes_through_a_file_and_training_goes_on_the_same(loss: Loss) -> None:
    for seed in range(3):
        loss(*batch_of(loss, seed=seed))
    buffer = io.BytesIO()
    torch.save(loss.state_dict(), buffer)
    buffer.seek(0)
    name = next(name for name in NAMES if LOSSES.get(name) is type(loss))
    torch.manual_seed(99)
    other = LOSSES.create(name, num_classes=CLASSES, dim=DIM)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    batch = batch_of(loss, seed=7)
    assert torch.equal(other(*batch).loss, loss(*batch).loss)
    assert other.step == 4


def test_a_training_step_lowers_the_loss(loss: Loss) -> None:
    features, labels = batch_of(loss)
    loss.eval()
    value, gradient = value_and_gradient(loss, features, labels)
    step = 1e-3 / gradient.abs().max().clamp_min(1e-9)
    assert loss(features - step * gradient, labels).loss < value


@pytest.mark.parametrize("name", sorted(WITHOUT_MARGIN))
def test_without_margin_it_is_normface(name: str) -> None:
    torch.manual_seed(0)
    loss = LOSSES.create(name, num_classes=CLASSES, dim=DIM, **WITHOUT_MARGIN[name])
    plain = LOSSES.create("normface", num_classes=CLASSES, dim=DIM, scale=30.0)
    plain.load_state_dict({"weight": loss.weight}, strict=False)
    features, labels = batch_of(loss)
    value, gradient = value_and_gradient(loss, features, labels)
    wanted, wanted_gradient = value_and_gradient(plain, features, labels)
    assert value.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert torch.allclose(gradient, wanted_gradient, rtol=1e-4, atol=1e-6)


def test_a_margin_that_is_the_same_for_all_is_that_of_the_fused_head(loss: Loss) -> None:
    fixed = loss.fixed_margin() if isinstance(loss, MarginSoftmax) else None
    if fixed is None:
        return
    target_logit, scale = fixed
    fused = FusedMarginSoftmax(num_classes=CLASSES, dim=DIM, target_logit=target_logit, scale=scale)
    fused.load_full_state({"weight": loss.get_parameter("weight"), "step": torch.tensor(0)})
    for seed in range(3):
        batch = batch_of(loss, seed=seed)
        torch.testing.assert_close(fused(*batch).loss, loss(*batch).loss)


def test_which_losses_have_a_fused_form() -> None:
    made = {name: LOSSES.create(name, num_classes=CLASSES, dim=DIM) for name in NAMES}
    fixed = {
        n for n, loss in made.items() if isinstance(loss, MarginSoftmax) and loss.fixed_margin()
    }
    assert fixed == {"arcface", "circle", "coco", "combined", "cosface", "mv-softmax", "normface"}


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_described_and_units_are_named(name: str) -> None:
    settings = [
        setting
        for setting in inspect.signature(LOSSES.get(name)).parameters
        if setting not in ("num_classes", "dim")
    ]
    assert sorted(LOSS_INFO[name].parameters) == sorted(settings)
    row = next(line for line in loss_table().splitlines() if f"`{name}`" in line)
    assert all(f"`{setting}`" in row for setting in settings)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_settings_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="marginn"):
        LOSSES.create(name, num_classes=CLASSES, dim=DIM, marginn=1)

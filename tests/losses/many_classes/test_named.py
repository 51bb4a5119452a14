"""Heads for many classes by name: the plain loss where all classes take part."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vultus.core.errors import ConfigError, InputError
from vultus.losses import LOSSES
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.many_classes.named import many_class_head
from vultus.losses.many_classes.partial_fc import ClassSampling, PartialFC
from vultus.losses.margins.fixed import ArcFace
from vultus.losses.margins.schedules import MarginWarmup
from vultus.losses.margins.target_logit import CosFaceLogit

CLASSES, DIM = 700, 6
FOLLOWING: dict[str, dict[str, Any]] = {
    "adaface": {"grad": "detached"},
    "curricularface": {},
    "elasticface": {"kind": "cos", "hardest_first": True},
    "magface": {"beyond": "easy"},
    "uniface": {"negative_weight": 0.3},
}
GIVEN = list(FOLLOWING.items())
ALL = ClassSampling(rate=1.0)


def batch(seed: int, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Features near their classes, of the lengths that margins look at; one row is ignored."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (9,), generator=generator)
    near = torch.nn.functional.normalize(weight.detach()[labels], dim=1)
    noise = torch.randn(9, DIM, generator=generator, dtype=torch.float64)
    features = (near + 0.6 * noise) * torch.linspace(5, 120, 9, dtype=torch.float64)[:, None]
    labels[4] = -1
    return features.requires_grad_(), labels


@pytest.mark.parametrize("warmup", [None, MarginWarmup(2, 1)])
@pytest.mark.parametrize("sampling", [None, ALL])
@pytest.mark.parametrize(("name", "settings"), GIVEN)
def test_it_is_the_plain_loss(
    name: str, settings: dict[str, Any], sampling: ClassSampling | None, warmup: Any
) -> None:
    settings = {**settings, "scale": 12.0}
    head = many_class_head(
        name, num_classes=CLASSES, dim=DIM, settings=settings, sampling=sampling
    ).double()
    plain = LOSSES.create(name, num_classes=CLASSES, dim=DIM, **settings).double()
    plain.load_state_dict({"weight": head.weight.detach()}, strict=False)
    head.margin_schedule = plain.margin_schedule = warmup
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.05) for one in (head, plain)]
    for seed in range(4):
        values = []
        for one, optimizer in zip((head, plain), optimizers, strict=True):
            features, labels = batch(seed, plain.get_parameter("weight"))
            optimizer.zero_grad()
            output = one(features, labels)
            output.loss.backward()
            if name == "curricularface":  # it changes the negatives: a tiled head ranks nothing
                output.statistics.pop("accuracy", None)
            values.append((output, features.grad, one.get_parameter("weight").grad))
        torch.testing.assert_close(values[0], values[1], rtol=1e-11, atol=1e-13)
        for optimizer in optimizers:
            optimizer.step()
    assert head.rule is not None
    for key, value in head.rule.named_buffers():
        torch.testing.assert_close(value, plain.get_buffer(key), rtol=1e-13, atol=0)
    for key, parameter in head.rule.named_parameters():
        torch.testing.assert_close(parameter, plain.get_parameter(key), rtol=1e-12, atol=0)
    head.eval(), plain.eval()
    again = batch(9, plain.get_parameter("weight"))
    torch.testing.assert_close(head(*again).loss, plain(*again).loss, rtol=1e-11, atol=0)


@pytest.mark.parametrize(("name", "settings"), GIVEN)
def test_a_sample_is_the_plain_loss_over_the_drawn_classes(
    name: str, settings: dict[str, Any]
) -> None:
    head = many_class_head(
        name, num_classes=CLASSES, dim=DIM, settings=settings, sampling=ClassSampling(rate=0.2)
    ).double()
    assert isinstance(head, PartialFC)
    features, labels = batch(0, head.weight)
    rows, _ = head.draw(labels)
    small = LOSSES.create(name, num_classes=len(rows), dim=DIM, **settings).double()
    small.load_state_dict({"weight": head.weight.detach()[rows]}, strict=False)
    positions = torch.where(labels < 0, labels, torch.searchsorted(rows, labels))
    (wanted,) = torch.autograd.grad(small(features, positions).loss, features)
    loss = head(features, labels).loss
    loss.backward()
    torch.testing.assert_close(features.grad, wanted, rtol=1e-11, atol=1e-13)
    assert head.weight.grad is not None
    assert head.weight.grad.is_sparse
    assert head.weight.grad.coalesce().indices()[0].tolist() == rows.tolist()


def test_a_corrected_sample_of_uniface_is_right_on_average() -> None:
    whole = many_class_head("uniface", num_classes=CLASSES, dim=DIM).double().eval()
    features, labels = batch(0, whole.weight)
    values = []
    for seed in range(60):
        sampling = ClassSampling(rate=0.2, correct=True, seed=seed)
        head = many_class_head("uniface", num_classes=CLASSES, dim=DIM, sampling=sampling).double()
        head.load_full_state(whole.full_state())
        values.append(head(features, labels).loss.detach())
    drawn = torch.stack(values)
    wanted = whole(features, labels).loss
    assert (drawn.mean() - wanted).abs() < 4 * drawn.std() / 60**0.5
    assert drawn.std() > 0


def test_the_threshold_starts_for_the_classes_of_a_step() -> None:
    head = many_class_head("uniface", num_classes=1000, dim=4, sampling=ClassSampling(rate=0.25))
    assert head.rule is not None
    assert head.rule.state_dict()["threshold"].exp().item() == pytest.approx(2500, rel=1e-5)
    assert head.expected_first_loss() is None


@pytest.mark.parametrize("name", sorted(FOLLOWING))
def test_state_goes_round(name: str) -> None:
    head = many_class_head(name, num_classes=CLASSES, dim=DIM).double()
    head(*batch(0, head.weight))
    state = head.full_state()
    again = many_class_head(name, num_classes=CLASSES, dim=DIM).double()
    again.load_full_state(state)
    assert state.keys() == again.full_state().keys()
    given = batch(1, head.weight)
    assert torch.equal(again(*given).loss, head(*given).loss)
    other = FusedMarginSoftmax(num_classes=CLASSES, dim=DIM, target_logit=CosFaceLogit()).double()
    if any(key.startswith("rule.") for key in state):
        with pytest.raises(InputError, match="state must hold"):
            other.load_full_state(state)


@pytest.mark.parametrize("name", sorted(FOLLOWING))
def test_a_batch_without_a_usable_row_changes_nothing(name: str) -> None:
    head = many_class_head(name, num_classes=CLASSES, dim=DIM)
    before = head.full_state()
    for rows in (0, 3):
        loss = head(torch.randn(rows, DIM), torch.full((rows,), -1)).loss
        loss.backward()
        assert loss == 0
    for key, value in head.full_state().items():
        assert key == "step" or torch.equal(value, before[key])


def test_what_has_no_such_form_is_refused() -> None:
    for name in ("softmax", "adacos", "subcenter-arcface", "a-softmax", "triplet"):
        with pytest.raises(ConfigError, match=f"plain' for the loss '{name}'"):
            many_class_head(name, num_classes=9, dim=4)
    head = FusedMarginSoftmax(num_classes=9, dim=4, target_logit=CosFaceLogit())
    with pytest.raises(InputError, match="follows_batch"):
        head.follow(ArcFace(num_classes=8, dim=4))

import copy
from typing import Any

import pytest
import torch
from torch import nn

from vultus.core.errors import ConfigError
from vultus.losses.many_classes.partial_fc import RowSparseSGD
from vultus.training.optimisation.optimizers import Optimizers, build_optimizers, parameter_groups
from vultus.training.recipe.stage_config import OptimizerConfig


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.PReLU(3), nn.BatchNorm1d(3))


def built(
    config: OptimizerConfig,
    net: nn.Module,
    head: nn.Parameter | None = None,
    *,
    sparse: bool = False,
) -> Optimizers:
    loss = [] if head is None else [head]
    groups = parameter_groups(
        config,
        dict(net.named_parameters()),
        loss,
        row_sparse=loss if sparse else [],
        lr=config.lr,
    )
    return build_optimizers(config, groups)


def test_every_free_parameter_is_in_exactly_one_group() -> None:
    net, head = network(), nn.Parameter(torch.ones(5, 3))
    net[0].bias.requires_grad_(False)
    config = OptimizerConfig(lr=0.1, decay_vectors=False, loss_lr_factor=10, loss_weight_decay=0.0)
    groups = parameter_groups(config, dict(net.named_parameters()), [head, head], lr=0.2)
    named = {group.name: group for group in groups}
    assert set(named) == {"backbone", "backbone vectors", "loss"}
    assert [p.shape for p in named["backbone"].parameters] == [(3, 4)]
    assert len(named["backbone vectors"].parameters) == 3  # PReLU slopes, scale and shift
    assert named["backbone vectors"].weight_decay == 0
    assert named["backbone"].weight_decay == 5e-4
    assert named["loss"].lr == pytest.approx(2.0)
    assert named["loss"].weight_decay == 0
    assert len(named["loss"].parameters) == 1


@pytest.mark.parametrize(
    ("config", "reference"),
    [
        (
            OptimizerConfig(lr=0.1, nesterov=True),
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
        ),
        (
            OptimizerConfig(name="adamw", lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
            lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
        ),
        (
            OptimizerConfig(name="adagrad", lr=0.05, weight_decay=0.0, eps=1e-8),
            lambda p: torch.optim.Adagrad(p, lr=0.05, eps=1e-8),
        ),
    ],
)
def test_steps_are_those_of_torch(config: OptimizerConfig, reference) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    own, theirs = network(), network()
    theirs.load_state_dict(own.state_dict())
    ours, other = built(config, own), reference(theirs.parameters())
    for _ in range(3):
        x = torch.randn(8, 4)
        for net in (own, theirs):
            net.zero_grad()
            net(x).square().sum().backward()
        ours.set_factor(1.0)
        for member in ours.members:
            member.step()
        other.step()
    for a, b in zip(own.parameters(), theirs.parameters(), strict=True):
        # The bias in front of a normalisation has gradients of rounding only, which AdamW enlarges.
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


def test_the_factor_multiplies_each_groups_own_height() -> None:
    net, head = network(), nn.Parameter(torch.ones(5, 3))
    optimizers = built(OptimizerConfig(lr=0.1, loss_lr_factor=2), net, head)
    assert optimizers.set_factor(0.5) == pytest.approx(0.05)
    rates = {g["lr"] for member in optimizers.members for g in member.param_groups}
    assert sorted(rates) == pytest.approx([0.05, 0.1])
    assert optimizers.set_factor(1.0) == pytest.approx(0.1)


def test_row_sparse_parameters_get_an_optimiser_of_their_own() -> None:
    head = nn.Parameter(torch.ones(5, 3))
    dense, rows = built(OptimizerConfig(), network(), head, sparse=True).members
    assert isinstance(rows, RowSparseSGD)
    assert rows.param_groups[0]["params"][0] is head
    assert all(p is not head for group in dense.param_groups for p in group["params"])


def test_states_leave_out_and_come_back() -> None:
    net, head = network(), nn.Parameter(torch.ones(5, 3))
    optimizers = built(OptimizerConfig(), net, head)
    for parameter in [*net.parameters(), head]:
        parameter.grad = torch.ones_like(parameter)
    for member in optimizers.members:
        member.step()
    first = next(net.parameters())
    (state,) = optimizers.state_dict(without=[head])
    assert len(state["state"]) == len(list(net.parameters()))
    other = built(OptimizerConfig(), network(), nn.Parameter(torch.ones(5, 3)))
    other.load_state_dict([state])
    kept = other.members[0].state[other.parameters()[0]]
    torch.testing.assert_close(
        kept["momentum_buffer"], optimizers.members[0].state[first]["momentum_buffer"]
    )
    with pytest.raises(ConfigError, match="holds 2 optimisers"):
        other.load_state_dict([state, state])
    with pytest.raises(ConfigError, match="of another optimiser"):
        built(OptimizerConfig(), nn.Linear(1, 1)).load_state_dict([state])


def test_nothing_to_train_is_an_error() -> None:
    net = network().requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter is left"):
        built(OptimizerConfig(), net)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_momentum_laid_out_otherwise_in_memory_is_the_same_momentum(name: Any) -> None:
    def convolution() -> nn.Module:
        torch.manual_seed(0)
        net = nn.Conv2d(4, 6, 3)
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def step(net: nn.Module, optimizers: Optimizers) -> None:
        net.zero_grad()
        images = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(1))
        net(images).square().sum().backward()
        for member in optimizers.members:
            member.step()

    nets = convolution(), convolution()
    ours, resumed = (built(OptimizerConfig(name=name, lr=0.01), net) for net in nets)
    step(nets[0], ours)
    nets[1].load_state_dict(nets[0].state_dict())
    states = copy.deepcopy(ours.state_dict())
    for value in states[0]["state"].values():  # as a checkpoint has them
        value.update({k: v.contiguous() for k, v in value.items() if isinstance(v, torch.Tensor)})
    resumed.load_state_dict(states)
    for net, optimizers in zip(nets, (ours, resumed), strict=True):
        step(net, optimizers)
    assert torch.equal(nets[0].weight, nets[1].weight)  # type: ignore[arg-type]


def test_the_class_matrix_is_moved_in_one_pass_and_a_convolution_is_not() -> None:
    net, head = nn.Conv2d(4, 6, 3), nn.Parameter(torch.ones(5, 3))
    (member,) = built(OptimizerConfig(), net, head).members
    fused = {group["params"][0].ndim: group["fused"] for group in member.param_groups}
    assert fused == {4: False, 1: True, 2: True}

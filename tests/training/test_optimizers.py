import pytest
import torch
from torch import nn

from vultus.core.errors import ConfigError
from vultus.losses.row_sparse_sgd import RowSparseSGD
from vultus.training.config import OptimizerConfig
from vultus.training.optimizers import Optimizers, build_optimizers, parameter_groups


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
        torch.testing.assert_close(a, b)


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

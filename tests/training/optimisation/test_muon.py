import pytest
import torch
from torch import Tensor, nn

from vultus.core.errors import InputError
from vultus.training.optimisation.muon import Muon, orthogonalised
from vultus.training.optimisation.optimizers import build_optimizers, parameter_groups
from vultus.training.recipe.stage_config import OptimizerConfig


def newton_schulz(matrix: Tensor) -> Tensor:
    """The published iteration, on the matrix itself."""
    x: Tensor = matrix / matrix.norm()
    if tall := len(x) > x.shape[1]:
        x = x.T
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if tall else x


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (16, 16), (1, 5), (64, 576)])
def test_is_the_published_iteration(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(orthogonalised(matrix), newton_schulz(matrix))
    single = orthogonalised(matrix.float())
    torch.testing.assert_close(single, newton_schulz(matrix).float(), rtol=1e-3, atol=1e-4)


def test_singular_values_come_near_to_one_and_directions_stay() -> None:
    matrix = torch.randn(40, 90, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonalised(matrix) @ right.T
    diagonal = turned.diagonal()
    assert diagonal.min() > 0.65
    assert diagonal.max() < 1.25
    torch.testing.assert_close(turned, torch.diag(diagonal), atol=1e-10, rtol=0)


def test_no_gradient_is_no_movement() -> None:
    assert (orthogonalised(torch.zeros(3, 5)) == 0).all()


def test_a_step_is_decay_and_a_scaled_orthogonal_matrix() -> None:
    weight = nn.Parameter(torch.randn(4, 2, 3, 3, dtype=torch.float64))
    before = weight.detach().clone()
    gradients = [torch.randn_like(before) for _ in range(2)]
    optimizer = Muon([{"params": [weight]}], lr=0.1, momentum=0.9, weight_decay=0.5)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    buffer, expected = torch.zeros_like(before), before
    for gradient in gradients:
        buffer = 0.9 * buffer + 0.1 * gradient
        ahead = 0.1 * gradient + 0.9 * buffer
        update = newton_schulz(ahead.reshape(4, 18)).reshape(4, 2, 3, 3)
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * 0.2 * 18**0.5 * update
    torch.testing.assert_close(weight.detach(), expected)


def test_layout_in_memory_changes_nothing() -> None:
    gradient = torch.randn(6, 4, 3, 3)
    weights = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(torch.ones(6, 4, 3, 3).to(memory_format=layout))
        optimizer = Muon([{"params": [weight]}], lr=0.1)
        weight.grad = gradient.to(memory_format=layout)
        optimizer.step()
        weights.append(weight.detach())
    torch.testing.assert_close(*weights)


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (6, 6)])
def test_each_matrix_of_a_stack_is_taken_by_itself(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(2)
    stack = torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64)
    stack[1] *= 100  # a norm of the whole stack would show
    stack[0, 1] = 0
    found = orthogonalised(stack)
    for row in range(2):
        for column in range(3):
            alone = orthogonalised(stack[row, column])
            torch.testing.assert_close(found[row, column], alone)


def test_parameters_of_a_group_move_as_each_would_alone() -> None:
    # Equal shapes go together, whatever lies between them; (4, 18) is as many numbers as two more.
    shapes = [(4, 2, 3, 3), (6, 5), (4, 18), (4, 2, 3, 3), (5, 6), (6, 5), (4, 2, 3, 3)]
    generator = torch.Generator().manual_seed(3)

    def drawn(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    together = [nn.Parameter(drawn(shape)) for shape in shapes]
    alone = [nn.Parameter(parameter.detach().clone()) for parameter in together]
    settings = {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.3}
    optimizers = [Muon([{"params": [parameter]}], **settings) for parameter in alone]
    optimizers.append(Muon([{"params": together}], **settings))
    for step in range(3):
        for place, shape in enumerate(shapes):
            # One has no gradient in one of the steps, and stands still.
            gradient = None if (step, place) == (1, 3) else drawn(shape) * 10**place
            for parameter in (together[place], alone[place]):
                parameter.grad = None if gradient is None else gradient.clone()
        before = together[3].detach().clone()
        for optimizer in optimizers:
            optimizer.step()
        assert torch.equal(together[3], before) == (step == 1)
    torch.testing.assert_close([p.detach() for p in together], [p.detach() for p in alone])


def test_vectors_are_refused() -> None:
    with pytest.raises(InputError, match=r"needs matrices, got shape \(3,\)"):
        Muon([{"params": [nn.Parameter(torch.zeros(3))]}], lr=0.1)


def test_depthwise_convolutions_vectors_and_losses_are_left_to_adamw() -> None:
    net = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6))
    head = nn.Parameter(torch.ones(10, 6))
    config = OptimizerConfig(name="muon", lr=0.02, momentum=0.95, weight_decay=0.1)
    groups = parameter_groups(config, dict(net.named_parameters()), [head], lr=0.02)
    optimizers = build_optimizers(config, groups)
    muon, adamw = optimizers.members
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    taken = [p for group in muon.param_groups for p in group["params"]]
    assert [p is net[0].weight for p in taken] == [True]
    assert muon.param_groups[0]["momentum"] == 0.95
    left = {id(p) for group in adamw.param_groups for p in group["params"]}
    assert left == {id(p) for p in [*net.parameters(), head]} - {id(net[0].weight)}
    assert optimizers.set_factor(0.5) == pytest.approx(0.01)


def test_only_vectors_left_leaves_adamw_alone() -> None:
    net = nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6))
    net[0].weight.requires_grad_(False)
    config = OptimizerConfig(name="muon", lr=0.02)
    groups = parameter_groups(config, dict(net.named_parameters()), [], lr=0.02)
    (member,) = build_optimizers(config, groups).members
    assert isinstance(member, torch.optim.AdamW)


def test_states_come_back() -> None:
    config = OptimizerConfig(name="muon", lr=0.02)

    def built() -> tuple[nn.Conv2d, object]:
        torch.manual_seed(0)
        net = nn.Conv2d(4, 6, 3)
        groups = parameter_groups(config, dict(net.named_parameters()), [], lr=0.02)
        return net, build_optimizers(config, groups)

    def step(net: nn.Conv2d, optimizers) -> None:  # type: ignore[no-untyped-def]
        for number, parameter in enumerate(net.parameters()):
            generator = torch.Generator().manual_seed(number)
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        for member in optimizers.members:
            member.step()

    first, ours = built()
    step(first, ours)
    second, other = built()
    second.load_state_dict(first.state_dict())
    other.load_state_dict(ours.state_dict())  # type: ignore[attr-defined]
    step(first, ours)
    step(second, other)
    torch.testing.assert_close(first.weight, second.weight)

import pytest
import torch
from torch import Tensor, nn

from vultus.core.errors import CheckpointError, InputError
from vultus.training.optimisation.ema import Ema
from vultus.training.run.state_tree import flatten, rebuild


def net() -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    module.register_buffer("scratch", torch.zeros(1), persistent=False)
    return module


def move(module: nn.Module) -> None:
    module(torch.randn(8, 3))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def copies(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_the_mean_is_what_a_loop_in_double_precision_gives() -> None:
    module = net()
    ema = Ema(module, decay=0.3)
    expected = {name: value.double() for name, value in copies(module).items()}
    for n in range(6):
        move(module)
        ema.update()
        decay = min(0.3, (1 + n) / (10 + n))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value.double()
            else:
                expected[name] = value.double()
    means = ema.weights()
    assert means.keys() == expected.keys()
    for name, mean in means.items():
        torch.testing.assert_close(mean.double(), expected[name], rtol=1e-5, atol=1e-6)
    assert means["1.num_batches_tracked"] == 6
    # 0.3 is reached at n = 3: both halves of the decay were used.
    assert (1 + 2) / (10 + 2) < 0.3 < (1 + 3) / (10 + 3)


def test_swapping_in_shows_the_mean_and_gives_the_weights_back_bit_for_bit() -> None:
    module = net()
    ema = Ema(module, decay=0.9)
    move(module)
    ema.update()
    own, pointers = copies(module), [p.data_ptr() for p in module.parameters()]

    def evaluate() -> None:
        assert all(torch.equal(v, ema.weights()[k]) for k, v in module.state_dict().items())
        raise RuntimeError("in evaluation")

    with pytest.raises(RuntimeError, match="in evaluation"), ema.swapped_in():
        evaluate()
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())
    assert [p.data_ptr() for p in module.parameters()] == pointers


def test_a_mean_goes_on_where_it_was_saved() -> None:
    torch.manual_seed(1)
    module = net()
    ema = Ema(module, decay=0.9)
    move(module)
    ema.update()
    saved = rebuild(*flatten(ema.state_dict()))
    other = Ema(module, decay=0.9)
    other.load_state_dict(saved)
    move(module)
    ema.update()
    other.update()
    assert all(torch.equal(mean, ema.weights()[name]) for name, mean in other.weights().items())


def test_narrow_weights_have_a_mean_in_float32() -> None:
    module = nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    with torch.no_grad():
        module.weight.fill_(1.0)
    ema = Ema(module, decay=0.999)
    ema.updates = 10**6
    with torch.no_grad():
        module.weight.fill_(2.0)
    ema.update()
    # In bfloat16 a step of 0.001 from 1 is lost.
    assert ema.state_dict()["means"]["weight"].item() == pytest.approx(1.001, abs=1e-6)
    assert ema.weights()["weight"].dtype == torch.bfloat16


def test_another_networks_mean_is_refused() -> None:
    ema = Ema(nn.Linear(3, 2))
    with pytest.raises(CheckpointError, match=r"bias is missing there and \(2,\) here"):
        ema.load_state_dict(Ema(nn.Linear(3, 2, bias=False)).state_dict())
    with pytest.raises(CheckpointError, match=r"weight is \(2, 4\) there and \(2, 3\) here"):
        ema.load_state_dict(Ema(nn.Linear(4, 2)).state_dict())
    with pytest.raises(InputError, match="decay must be a number in"):
        Ema(nn.Linear(1, 1), decay=1.0)

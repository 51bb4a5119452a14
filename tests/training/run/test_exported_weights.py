from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vultus.backbones import BACKBONES
from vultus.backbones.vultusnet import ResidualUnit, VultusNet
from vultus.core.choices import Storage
from vultus.core.errors import ConfigError, ModelNotFoundError
from vultus.export.graph import onnx_graph
from vultus.export.storage import store_weights
from vultus.export.whitening import Whitened
from vultus.models.cards import Licence, ModelCard
from vultus.models.digest import sha256_file
from vultus.runtime.session import open_session
from vultus.training.recipe.config import InputConfig
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.exported_weights import exported_state, is_exported
from vultus.training.trainer import Trainer

INPUT = InputConfig()
SETTINGS: dict[str, Any] = {"widths": (8, 12), "units": (1, 2), "stem_width": 6, "head_width": 16}
Write = Callable[..., str]


def network(seed: int = 0, **changed: Any) -> VultusNet:
    torch.manual_seed(seed)
    net = VultusNet(**{**SETTINGS, "dim": 10, **changed})
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    net.train()(images())  # running statistics of its own
    return net.eval()


def crops(count: int = 70) -> torch.Tensor:
    rows = np.random.default_rng(5).integers(0, 256, (count, 3, 7, 7), np.uint8)
    return nn.functional.interpolate(torch.from_numpy(rows).float(), size=(112, 112)).byte()


def images(count: int = 70) -> torch.Tensor:
    return (crops(count).float() - 127.5) / 127.5


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(net: nn.Module, *, storage: Storage = "f32", **card: Any) -> str:
        path = tmp_path / "net.onnx"
        model = store_weights(onnx_graph(net), storage)  # type: ignore[arg-type]
        path.write_bytes(model.SerializeToString())
        values = ModelCard(
            name="net", task="embedding", description="For a test", file_name=path.name,
            sha256=sha256_file(path), licence=Licence("MIT", commercial_use=True, source="here"),
            template="arcface-112", embedding_dim=10,
            **{"mean": 127.5, "std": 127.5, **card},
        )  # fmt: skip
        path.with_suffix(".toml").write_text(values.to_toml(), encoding="utf-8")
        return str(path)

    return make


def started(net: VultusNet, weights: str) -> VultusNet:
    net.load_state_dict(exported_state(net, weights, crops(), INPUT))
    return net.eval()


def last_norm(unit: ResidualUnit) -> nn.BatchNorm2d:
    last = unit.layers[-1]
    assert isinstance(last, nn.BatchNorm2d)
    return last


@pytest.mark.parametrize("storage", ["f32", "f16", "int8"])
def test_the_network_gives_what_the_file_gives(write: Write, storage: Storage) -> None:
    file = write(network(), storage=storage)
    net = started(network(1), file)
    session = open_session(file, threads=1)
    expected = session.run({session.inputs[0].name: images(4).numpy()})[0]
    with torch.no_grad():
        np.testing.assert_allclose(net(images(4)).numpy(), expected, atol=1e-3, rtol=1e-3)


def test_training_goes_on_from_what_it_gave(write: Write) -> None:
    """In training mode normalisations take the batch's own statistics: they must be at home."""
    net = started(network(1), write(network()))
    with torch.no_grad():
        expected, found = net(images()), net.train()(images())
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_a_whitening_behind_the_network_is_taken_in(write: Write) -> None:
    draws = np.random.default_rng(0)
    inner = network()
    behind = Whitened(inner, mean=draws.normal(size=10), matrix=draws.normal(size=(10, 10))).eval()
    net = started(network(1), write(behind, storage="f16"))
    with torch.no_grad():
        torch.testing.assert_close(net(images(4)), behind(images(4)), atol=0.02, rtol=0.02)


def test_units_more_than_the_file_has_give_nothing_at_first_and_learn(write: Write) -> None:
    inner = network()
    grown = network(1, units=(2, 4))
    start = started(grown, write(inner))
    with torch.no_grad():
        torch.testing.assert_close(start(images(4)), inner(images(4)), atol=1e-3, rtol=1e-3)
    units = [module for module in start.modules() if isinstance(module, ResidualUnit)]
    silent = [not bool(last_norm(unit).weight.any()) for unit in units]
    assert silent == [False, True, False, False, True, True]
    start.train()(images()).square().sum().backward()
    last = last_norm(units[-1])
    assert last.weight.grad is not None
    assert last.weight.grad.abs().sum() > 0


def test_the_network_itself_is_not_changed(write: Write) -> None:
    net = network(1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    exported_state(net, write(network()), crops(), INPUT)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"widths": (8, 14)}, r"where \(14, 8, 3, 3\) weights are needed it has \(12, 8, 3, 3\)"),
        ({"units": (1, 1)}, "must be an export of the recipe's"),
        ({"dim": 9}, r"where \(9, 16\) weights are needed it has \(10, 16\)"),
        ({"head_width": None}, "must be an export of the recipe's"),
    ],
    ids=str,
)
def test_another_network_is_refused(write: Write, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        exported_state(network(1, **changed), write(network()), crops(), INPUT)


def test_other_crops_operations_and_backbones_are_refused(write: Write) -> None:
    file = write(network(), mean=0.0)
    with pytest.raises(ConfigError, match="they must be the same"):
        exported_state(network(1), file, crops(), INPUT)
    other = BACKBONES.read("mobilefacenet", {"dim": 10}, source="test", input_hw=(112, 112)).eval()
    with pytest.raises(ConfigError, match="only a vultusnet can go on"):
        exported_state(other, file, crops(), INPUT)
    with pytest.raises(ConfigError, match="it has the operation PRelu"):
        exported_state(network(1), write(other), crops(), INPUT)
    with pytest.raises(ModelNotFoundError, match=r"nothing\.onnx"):
        exported_state(network(1), "nothing.onnx", crops(), INPUT)


def test_the_built_in_model_can_be_gone_on_from() -> None:
    assert is_exported("vultus-s2")
    assert is_exported("somewhere/mine.onnx")
    assert not is_exported("runs/vultus-s2")
    assert not is_exported("weights.safetensors")
    settings = {"widths": [48, 96, 192], "units": [2, 4, 3], "stem_width": 32, "head_width": 384}
    net = BACKBONES.read(
        "vultusnet-s", {**settings, "dim": 128}, source="test", input_hw=(112, 112)
    )
    assert isinstance(net, VultusNet)
    state = exported_state(net, "vultus-s2", crops(16), INPUT)
    assert not state["stages.20.layers.4.weight"].any()


def test_a_run_starts_from_an_exported_file(write: Write, tiny_values: dict[str, Any]) -> None:
    net = network()
    values = {
        **tiny_values,
        "input": {"size_hw": [112, 112]},
        "backbone": {"name": "vultusnet-s", **SETTINGS, "dim": 10},
        "initial": {"weights": write(net)},
    }
    trainer = Trainer(Recipe.from_dict(values, source=""))
    started = trainer.state.backbone.eval()
    with torch.no_grad():
        torch.testing.assert_close(started(images(4)), net(images(4)), atol=1e-3, rtol=1e-3)
    first = next(m for m in started.modules() if isinstance(m, nn.BatchNorm2d))
    assert first.running_mean is not None
    assert first.running_mean.abs().sum() > 0  # measured on the training faces

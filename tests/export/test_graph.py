from copy import deepcopy

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from vultus.backbones import BACKBONES
from vultus.backbones.base import Backbone
from vultus.core.errors import ModelError
from vultus.export.graph import OPSET, onnx_graph
from vultus.runtime.providers import installed_engines
from vultus.runtime.session import open_session


def trained(name: str, **settings: object) -> Backbone:
    """A network whose normalisations have seen something."""
    torch.manual_seed(0)
    net = BACKBONES.create(name, **settings)
    height, width = net.input_hw
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0  # else depth multiplies what one batch leaves undone
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
    with torch.no_grad():
        net(torch.randn(4, 3, height, width))
    return net.eval()


def check(net: Backbone) -> onnx.ModelProto:
    """The graph gives what the network gives, on every engine, for batches of 1 and 3.

    Deep networks with random weights blow rounding up, so the measure is how far float32 in
    PyTorch is from float64.
    """
    model = onnx_graph(net)
    net.eval()
    rows = torch.randn(3, 3, *net.input_hw)
    with torch.inference_mode():
        expected = deepcopy(net).double()(rows.double()).numpy()
        rounding = np.abs(net(rows).numpy() - expected).max()
    assert np.isfinite(expected).all()
    tolerance = 1e-4 * np.abs(expected).max() + 10 * rounding
    for engine in installed_engines():
        session = open_session(model.SerializeToString(), runtime=engine, threads=1)
        for count in (1, 3):
            (found,) = session.run({"crops": rows[:count].numpy()})
            np.testing.assert_allclose(found, expected[:count], rtol=0, atol=tolerance)
    return model


def operations(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


SMALL = {
    "vultusnet-s": {"dim": 16, "widths": (8, 8, 8, 8), "units": (1, 1, 1, 1)},
    "mobilefacenet": {},
    "iresnet18": {"dim": 32},
    "vit-t": {"dim": 32},
    "spatial-transformer": {"dim": 32},
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES])
def test_every_backbone_can_be_written(name: str) -> None:
    check(trained(name))


def test_a_network_is_written_with_a_free_batch() -> None:
    net = trained("vultusnet-s", dim=16, widths=(8, 8, 8, 8), units=(1, 1, 1, 1))
    onnx_graph(net.train())
    assert net.training
    model = check(net)
    assert {entry.version for entry in model.opset_import if not entry.domain} == {OPSET}
    assert [value.name for value in model.graph.input] == ["crops"]
    assert [value.name for value in model.graph.output] == ["embedding"]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in shape] == ["b", 3, 112, 112]
    assert {"BatchNormalization", "Identity", "Dropout"}.isdisjoint(operations(model))
    assert onnx_graph(net).SerializeToString() == model.SerializeToString()


class Mixed(Backbone):
    """A matrix with and without a bias, each with a normalisation; one result is read twice."""

    def __init__(self, *, twice: bool) -> None:
        super().__init__(dim=5, input_hw=(4, 4))
        square = (nn.Linear(6, 6), nn.BatchNorm1d(6))
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.BatchNorm1d(6), *square)
        self.second = nn.Linear(6, 5, bias=False)
        self.norm = nn.BatchNorm1d(5, affine=False)
        self.twice = twice

    def compute(self, images: Tensor) -> Tensor:
        rows = self.second(torch.relu(self.first(images)))
        normed: Tensor = self.norm(rows)
        return normed + rows if self.twice else normed


@pytest.mark.parametrize(("twice", "left"), [(False, 0), (True, 1)])
def test_normalisations_behind_a_matrix_are_folded_where_nobody_else_reads_it(
    twice: bool, left: int
) -> None:
    torch.manual_seed(0)
    net = Mixed(twice=twice)
    for _ in range(5):
        net(torch.randn(16, 3, 4, 4) * 2 + 1)
    model = check(net.eval())
    assert operations(model).count("BatchNormalization") == left


def test_what_onnx_cannot_say_is_refused() -> None:
    class Strange(Backbone):
        def compute(self, images: Tensor) -> Tensor:
            values: Tensor = torch.linalg.eigvals(images[:, 0])
            return values.real[:, :1]

    with pytest.raises(ModelError, match="Strange cannot be written as ONNX"):
        onnx_graph(Strange(dim=1, input_hw=(4, 4)))

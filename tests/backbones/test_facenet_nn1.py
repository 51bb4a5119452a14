import pytest
import torch

from vultus.backbones.complexity import complexity_of
from vultus.backbones.facenet_nn1 import FaceNetNN1, Maxout

# Table 1 of the paper: parameters and multiply-adds of each layer, in thousands and millions.
TABLE_PARAMETERS_K = [9, 4, 111, 37, 664, 148, 885, 66, 590, 66, 590, 103_000, 34_000, 524]
TABLE_MACS_M = [115, 13, 335, 29, 521, 29, 173, 13, 116, 13, 116, 103, 34, 0.5]


def test_counts_are_those_of_the_paper() -> None:
    counted = complexity_of("facenet-nn1")
    assert counted.parameters == pytest.approx(1e3 * sum(TABLE_PARAMETERS_K), rel=0.01)
    assert counted.macs == pytest.approx(1e6 * sum(TABLE_MACS_M), rel=0.01)
    assert round(counted.parameters / 1e6) == 140
    assert round(counted.macs / 1e9, 1) == 1.6


def test_each_layer_has_the_weights_of_the_table() -> None:
    with torch.device("meta"):
        net = FaceNetNN1()
    weights = [p.numel() for name, p in net.named_parameters() if name.endswith("weight")]
    assert len(weights) == 14
    assert weights == pytest.approx([1e3 * k for k in TABLE_PARAMETERS_K], rel=0.06)


def test_maxout_is_the_larger_of_two_linear_maps() -> None:
    torch.manual_seed(0)
    layer = Maxout(5, 3, pieces=2)
    x = torch.randn(4, 5)
    weight, bias = layer.linear.weight.detach(), layer.linear.bias.detach()
    out_of = layer(x).detach()
    for row in range(4):
        for out in range(3):
            pieces = [float(weight[2 * out + p] @ x[row] + bias[2 * out + p]) for p in range(2)]
            assert float(out_of[row, out]) == pytest.approx(max(pieces), rel=1e-5)


def test_batch_norm_stands_behind_every_convolution() -> None:
    with torch.device("meta"):
        net = FaceNetNN1(batch_norm=True, input_hw=(64, 64))
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 11

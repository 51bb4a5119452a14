import math

import pytest
import torch

from vultus.backbones.complexity import complexity, complexity_of
from vultus.backbones.facenet import (
    MODULES,
    FaceNetNN1,
    FaceNetNN2,
    Inception,
    L2Pool,
    Maxout,
)

# Table 1 of the paper: parameters and multiply-adds of each layer, in thousands and millions.
TABLE_PARAMETERS_K = [9, 4, 111, 37, 664, 148, 885, 66, 590, 66, 590, 103_000, 34_000, 524]
TABLE_MACS_M = [115, 13, 335, 29, 521, 29, 173, 13, 116, 13, 116, 103, 34, 0.5]

# Table 2 of the paper: output side and channels, parameters (K) and multiply-adds (M) of modules.
TABLE = {
    "3a": (28, 256, 164, 128),
    "3b": (28, 320, 228, 179),
    "3c": (14, 640, 398, 108),
    "4a": (14, 640, 545, 107),
    "4b": (14, 640, 595, 117),
    "4c": (14, 640, 654, 128),
    "4d": (14, 640, 722, 142),
    "4e": (7, 1024, 717, 56),
    "5a": (7, 1024, 1600, 78),
    "5b": (7, 1024, 1600, 78),
}


def test_counts_of_nn1_are_those_of_the_paper() -> None:
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


def test_counts_of_nn2_are_those_of_the_paper() -> None:
    counted = complexity_of("facenet-nn2")
    assert round(counted.parameters / 1e6, 1) == 7.5
    assert round(counted.macs / 1e9, 1) == 1.6


def test_each_module_is_a_row_of_the_table() -> None:
    with torch.device("meta"):
        net = FaceNetNN2().eval()
        maps = torch.zeros(1, 3, 224, 224)
        modules = dict(
            zip(MODULES, (m for m in net.layers if isinstance(m, Inception)), strict=True)
        )
        names = {module: name for name, module in modules.items()}
        for layer in net.layers:
            maps = layer(maps)
            if layer in names:
                side, channels, parameters_k, _ = TABLE[names[layer]]
                assert maps.shape == (1, channels, side, side)
                counted = sum(p.numel() for p in layer.parameters() if p.ndim > 1)
                assert counted == pytest.approx(1e3 * parameters_k, rel=0.02)


def test_the_sum_of_the_rows_is_what_we_count() -> None:
    with torch.device("meta"):
        net = FaceNetNN2()
    stem_and_fc = 119 + 360 + 0.1
    rows = sum(row[3] for row in TABLE.values())
    macs = complexity(net, input_hw=(224, 224)).macs
    assert macs == pytest.approx(1e6 * (stem_and_fc + rows), rel=0.02)


def test_l2_pool_is_the_root_mean_square_of_each_window() -> None:
    maps = torch.randn(1, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    pooled = L2Pool()(maps)
    for row, column in ((0, 0), (2, 1), (4, 3)):
        window = maps[0, 1, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        wanted = math.sqrt(float(window.square().sum()) / 9 + 1e-6)
        assert float(pooled[0, 1, row, column]) == pytest.approx(wanted, rel=1e-5)


def test_l2_pool_has_a_gradient_where_all_is_zero() -> None:
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)
    L2Pool()(maps).sum().backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()

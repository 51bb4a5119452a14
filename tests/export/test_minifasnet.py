"""MiniFASNet's graph against the network computed by torch, in float64."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from vultus.core.errors import ModelError, ModelNotFoundError
from vultus.export.minifasnet import (
    convert_weights,
    import_weights,
    minifasnet_graph,
    read_weights,
)
from vultus.models.store import ModelStore
from vultus.runtime.session import open_session

Weights = dict[str, np.ndarray]


def tiny(rng: np.random.Generator, *, squeeze: bool) -> Weights:
    """Weights of a small network of the kind: a block a stage, 4 channels."""
    found: Weights = {}

    def norm(name: str, n: int) -> None:
        for part in ("weight", "bias", "running_mean"):
            found[f"{name}.{part}"] = rng.normal(size=n).astype(np.float32)
        found[f"{name}.running_var"] = rng.uniform(0.5, 2, n).astype(np.float32)
        found[f"{name}.num_batches_tracked"] = np.array(7)

    def unit(name: str, shape: tuple[int, ...], *, prelu: bool = True) -> None:
        found[f"{name}.conv.weight"] = rng.normal(size=shape).astype(np.float32) / 3
        norm(f"{name}.bn", shape[0])
        if prelu:
            found[f"{name}.prelu.weight"] = rng.uniform(0, 1, shape[0]).astype(np.float32)

    def bottleneck(name: str) -> None:
        unit(f"{name}.conv", (6, 4, 1, 1))
        unit(f"{name}.conv_dw", (6, 1, 3, 3))
        unit(f"{name}.project", (4, 6, 1, 1), prelu=False)

    unit("conv1", (4, 3, 3, 3))
    unit("conv2_dw", (4, 1, 3, 3))
    for name in ("conv_23", "conv_3.model.0", "conv_34", "conv_4.model.0", "conv_4.model.1"):
        bottleneck(name)
    bottleneck("conv_45")
    bottleneck("conv_5.model.0")
    if squeeze:
        for layer, bn, shape in (("fc1", "bn1", (2, 4, 1, 1)), ("fc2", "bn2", (4, 2, 1, 1))):
            found[f"conv_5.model.0.se_module.{layer}.weight"] = rng.normal(size=shape).astype("f4")
            norm(f"conv_5.model.0.se_module.{bn}", shape[0])
    unit("conv_6_sep", (8, 4, 1, 1))
    unit("conv_6_dw", (8, 1, 5, 5), prelu=False)
    found["linear.weight"] = rng.normal(size=(5, 8)).astype(np.float32) * 3
    norm("bn", 5)
    found["prob.weight"] = rng.normal(size=(3, 5)).astype(np.float32) / 10
    return found


def by_torch(weights: Mapping[str, Any], crops: np.ndarray) -> np.ndarray:
    """The network, layer by layer as its makers' code has them, in float64."""
    w = {name: torch.from_numpy(np.asarray(v)).double() for name, v in weights.items()}

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return functional.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"])

    def unit(x: torch.Tensor, name: str, stride: int = 1, padding: int | None = None) -> Any:
        kernel = w[f"{name}.conv.weight"]
        pad = kernel.shape[-1] // 2 if padding is None else padding
        groups = x.shape[1] if kernel.shape[1] == 1 else 1
        x = norm(functional.conv2d(x, kernel, None, stride, pad, 1, groups), f"{name}.bn")
        slope = w.get(f"{name}.prelu.weight")
        return x if slope is None else functional.prelu(x, slope)

    def bottleneck(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        y = unit(unit(unit(x, f"{name}.conv"), f"{name}.conv_dw", stride), f"{name}.project")
        se = f"{name}.se_module"
        if f"{se}.fc1.weight" in w:
            z = functional.adaptive_avg_pool2d(y, 1)
            z = torch.relu(norm(functional.conv2d(z, w[f"{se}.fc1.weight"]), f"{se}.bn1"))
            z = torch.sigmoid(norm(functional.conv2d(z, w[f"{se}.fc2.weight"]), f"{se}.bn2"))
            y = y * z
        out: torch.Tensor = y if stride == 2 else x + y
        return out

    x = unit(unit(torch.from_numpy(crops).double(), "conv1", 2), "conv2_dw")
    x = bottleneck(x, "conv_23", 2)
    for stage, then in (("conv_3", "conv_34"), ("conv_4", "conv_45"), ("conv_5", "")):
        count = len({n.split(".")[2] for n in w if n.startswith(f"{stage}.model.")})
        for number in range(count):
            x = bottleneck(x, f"{stage}.model.{number}")
        if then:
            x = bottleneck(x, then, 2)
    x = unit(unit(x, "conv_6_sep"), "conv_6_dw", 1, 0).flatten(1)
    x = norm(x @ w["linear.weight"].T, "bn")
    return torch.softmax(x @ w["prob.weight"].T, dim=1).numpy()


@pytest.mark.parametrize("squeeze", [False, True])
def test_the_graph_computes_what_torch_computes(squeeze: bool) -> None:
    rng = np.random.default_rng(3)
    weights = tiny(rng, squeeze=squeeze)
    crops = rng.uniform(0, 255, (3, 3, 80, 80)).astype(np.float32)
    crops *= np.array([0.1, 0.4, 1], np.float32)[:, None, None, None]
    graph = minifasnet_graph(weights)
    (ours,) = open_session(graph).run({"crops": crops})
    expected = by_torch(weights, crops)
    error = np.abs(ours - expected).max()
    assert error < 1e-4
    assert error < np.ptp(expected, axis=0).max() / 50  # the answer hangs on the crop
    assert minifasnet_graph(weights) == graph


@pytest.mark.models
@pytest.mark.parametrize("name", ["2.7_80x80_MiniFASNetV2", "4_0_0_80x80_MiniFASNetV1SE"])
def test_the_published_weights_give_the_cards_file_and_what_torch_gives(
    mirror: Path, tmp_path: Path, name: str
) -> None:
    file = mirror / f"antispoof_{name}.pth"
    store = ModelStore(tmp_path)
    model, place = import_weights(file, store=store)
    crops = np.random.default_rng(0).uniform(0, 255, (4, 3, 80, 80)).astype(np.float32)
    (ours,) = open_session(place).run({"crops": crops})
    np.testing.assert_allclose(ours, by_torch(read_weights(file), crops), atol=1e-5)
    assert store.path(model) == place


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("run-by-pickle"),))


def test_code_in_a_file_is_not_run_and_torch_does_not_propose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.conv.weight": Evil()}, "evil.pth")
    Path("plain.pth").write_bytes(pickle.dumps(Evil()))
    Path("text.pth").write_text("not weights")
    torch.save(["a list"], "list.pth")
    for name in ("evil.pth", "plain.pth", "text.pth", "list.pth"):
        with pytest.raises(ModelError, match=r"holds weights and nothing else") as caught:
            read_weights(name)
        assert "weights_only" not in str(caught.value)
    assert not Path("run-by-pickle").exists()


def test_another_network_is_refused(tmp_path: Path) -> None:
    weights = tiny(np.random.default_rng(0), squeeze=False)
    with pytest.raises(ModelError, match="no weights called extra"):
        minifasnet_graph({**weights, "extra": np.zeros(1)})
    with pytest.raises(ModelError, match=r"must have linear.weight of 2 axes, got none"):
        minifasnet_graph({k: v for k, v in weights.items() if k != "linear.weight"})
    with pytest.raises(ModelError, match="3 classes, tells 2"):
        minifasnet_graph({**weights, "prob.weight": weights["prob.weight"][:2]})
    path = tmp_path / "tiny.pth"
    torch.save({f"module.{k}": torch.from_numpy(np.asarray(v)) for k, v in weights.items()}, path)
    with pytest.raises(ModelError, match=r"no card is that of this file.*--output"):
        import_weights(path, store=ModelStore(tmp_path / "store"))
    assert convert_weights(path, tmp_path / "tiny.onnx").stat().st_size > 1000
    with pytest.raises(ModelNotFoundError, match="must be a file"):
        import_weights(tmp_path / "none.pth")

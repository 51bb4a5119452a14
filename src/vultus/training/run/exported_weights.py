"""Weights out of an ONNX file that a network was exported to, to train on from there.

An export folds every normalisation into the convolution before it. To train, both are needed apart,
and how the maps are spread there can be measured again: from crops.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from vultus.backbones.vultusnet import ResidualUnit, VultusNet
from vultus.core.errors import ConfigError
from vultus.embedding.source import find_model
from vultus.models.cards import ModelCard
from vultus.models.store import ModelStore
from vultus.runtime.session import open_session
from vultus.training.recipe.config import InputConfig

_KNOWN = frozenset({"Conv", "Relu", "Add", "Flatten", "Gemm"})
_BATCH = 64
_LEAST_VARIANCE = 1e-6
"""A map that is constant on all crops keeps a spread that later steps can divide by."""
_LEAST_COSINE = 0.999

Pair = tuple[nn.Conv2d | nn.Linear, nn.BatchNorm1d | nn.BatchNorm2d]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A convolution or matrix of the file: (out, in, ...) weights, (out,) bias, stride."""

    weight: Array
    bias: Array
    stride: int = 1


def is_exported(weights: str) -> bool:
    """Whether ``initial.weights`` names a model of the store or an ONNX file."""
    path = Path(weights).expanduser()
    return not path.is_dir() and (path.suffix.lower() == ".onnx" or weights in ModelStore().names())


def exported_state(
    backbone: nn.Module, weights: str, crops: Tensor, settings: InputConfig
) -> Mapping[str, Tensor]:
    """What a network's ``state_dict`` must be to give what the file gives.

    Units that the network has beyond the file's, at the end of a stage, are added with a last
    normalisation of zeros: they give nothing until they have learnt something. The mean and spread
    of each normalisation are those of the crops, and its factor and shift undo them.

    Args:
        backbone: A VultusNet; it is not changed.
        weights: Name of a model of the store, or an ONNX file with its card.
        crops: (n, 3, h, w) uint8 RGB, n at least 1; some hundreds will do.
        settings: How crops become its input.

    Raises:
        ConfigError: If the file is another network, or was made for other crops.
        VultusError: If there is no such model.
    """
    if not isinstance(backbone, VultusNet):
        raise ConfigError(
            f"initial.weights {weights!r} is an exported file, which only a vultusnet can go on "
            f"from, got {type(backbone).__name__}; name the run folder or its .safetensors"
        )
    path, card = find_model(weights, store=ModelStore())
    _check_card(card, settings, weights)
    net = copy.deepcopy(backbone).cpu().eval()
    images = (crops.float() - settings.mean) / settings.std
    with torch.inference_mode():
        _fill(net, _layers(path, weights), weights)
        _measure(net, images)
        _check_same(net, path, images[:8], weights)
    return {name: value.clone() for name, value in net.state_dict().items()}


def _check_card(card: ModelCard, settings: InputConfig, weights: str) -> None:
    made = (card.template, card.mean, card.std, card.colour)
    wanted = (settings.template, settings.mean, settings.std, "rgb")
    if made != wanted:
        raise ConfigError(
            f"initial.weights {weights!r} takes crops (template, mean, std, colours) {made}, and "
            f"the recipe's [input] gives {wanted}; they must be the same"
        )


def _layers(path: Path, weights: str) -> list[_Layer]:
    """The file's convolutions and matrices; one matrix behind another is one."""
    graph = onnx.load(path).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found: list[_Layer] = []
    after_matrix = False
    for node in graph.node:
        if all(name in values for name in node.input):  # weights that are stored in fewer bits
            feeds = {name: values[name] for name in node.input}
            outputs: Any = ReferenceEvaluator(node).run(None, feeds)
            values[node.output[0]] = outputs[0]
            continue
        if node.op_type not in _KNOWN:
            raise _other_network(weights, f"it has the operation {node.op_type}")
        if node.op_type in ("Conv", "Gemm"):
            layer = _layer(node, values)
            if after_matrix:
                before = found.pop()
                bias = layer.weight @ before.bias + layer.bias
                layer = _Layer(layer.weight @ before.weight, bias)
            found.append(layer)
            after_matrix = node.op_type == "Gemm"
    return found


def _layer(node: onnx.NodeProto, values: Mapping[str, npt.NDArray[Any]]) -> _Layer:
    settings: dict[str, Any] = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    weight = np.asarray(values[node.input[1]], np.float32)
    if node.op_type == "Gemm" and not settings.get("transB", 0):
        weight = weight.T
    bias = np.zeros(len(weight), np.float32)
    if len(node.input) > 2:
        bias = np.asarray(values[node.input[2]], np.float32)
    return _Layer(weight, bias, int(settings.get("strides", [1])[0]))


def _fill(net: VultusNet, layers: list[_Layer], weights: str) -> None:
    """Put the weights into their places; normalisations then only add what the file adds."""
    waiting = list(layers)
    for pairs, is_unit in _places(net):
        if is_unit and not (waiting and _fits(pairs[0], waiting[0])):
            nn.init.zeros_(pairs[-1][1].weight)
            nn.init.zeros_(pairs[-1][1].bias)
            continue
        for pair in pairs:
            if not waiting or not _fits(pair, waiting[0]):
                got = waiting[0].weight.shape if waiting else "nothing"
                wanted = tuple(pair[0].weight.shape)
                raise _other_network(weights, f"where {wanted} weights are needed it has {got}")
            layer, norm = waiting.pop(0), pair[1]
            pair[0].weight.copy_(torch.from_numpy(layer.weight.copy()))
            norm.bias.copy_(torch.from_numpy(layer.bias.copy()))
            nn.init.ones_(norm.weight)
            norm.running_mean = torch.zeros_like(norm.bias)
            norm.running_var = torch.full_like(norm.bias, 1 - norm.eps)
    if waiting:
        raise _other_network(weights, f"it has {len(waiting)} layers more")


def _fits(pair: Pair, layer: _Layer) -> bool:
    module = pair[0]
    stride = module.stride[0] if isinstance(module, nn.Conv2d) else 1
    return module.weight.shape == layer.weight.shape and stride == layer.stride


def _places(net: VultusNet) -> Iterator[tuple[list[Pair], bool]]:
    """Convolutions and matrices with their normalisations, in order; those of a unit together."""
    between: list[nn.Module] = []
    for part in [*net.stages, net.weigh, net.project]:
        if not isinstance(part, ResidualUnit):
            between.append(part)
            continue
        yield _pairs(between), False
        yield _pairs([part]), True
        between = []
    yield _pairs(between), False


def _pairs(parts: Sequence[nn.Module]) -> list[Pair]:
    """Each convolution or matrix with the normalisation behind it."""
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
    found = [module for part in parts for module in part.modules() if isinstance(module, kinds)]
    return list(zip(found[::2], found[1::2], strict=True))  # type: ignore[arg-type]


def _measure(net: VultusNet, images: Tensor) -> None:
    """Give every normalisation the mean and spread of its maps; what it gives stays as it is."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def count(norm: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        rows = inputs[0].double().transpose(0, 1).flatten(1)
        ones = torch.full((len(rows),), float(rows.shape[1]), dtype=torch.float64)
        sums[norm] += torch.stack([ones, rows.sum(dim=1), rows.square().sum(dim=1)])  # type: ignore[index]

    hooks = [norm.register_forward_hook(count) for norm in norms]
    for batch in torch.split(images, _BATCH):
        net(batch)
    for hook in hooks:
        hook.remove()
    for norm, (number, total, squares) in sums.items():
        mean = total / number
        spread = (squares / number - mean.square()).clamp_min(_LEAST_VARIANCE)
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()  # type: ignore[union-attr]
        shift = norm.bias.double() + (mean - norm.running_mean.double()) * gain  # type: ignore[union-attr]
        norm.weight.copy_(gain * (spread + norm.eps).sqrt())
        norm.bias.copy_(shift)
        norm.running_mean, norm.running_var = mean.float(), spread.float()


def _check_same(net: VultusNet, path: Path, images: Tensor, weights: str) -> None:
    session = open_session(path, threads=1)
    expected = session.run({session.inputs[0].name: images.numpy()})[0]
    cosines = nn.functional.cosine_similarity(net(images), torch.from_numpy(expected))
    if not cosines.min() >= _LEAST_COSINE:
        least = float(cosines.min())
        raise _other_network(weights, f"the cosine of what both give is {least:.4f} only")


def _other_network(weights: str, why: str) -> ConfigError:
    return ConfigError(
        f"initial.weights {weights!r} must be an export of the recipe's [backbone], and {why}; "
        "take the settings that it was trained with, or name a run folder"
    )

"""Means and spreads of a graph's inner maps, as one more output of a copy of it in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vultus.core.errors import InputError, ModelError

if TYPE_CHECKING:
    import onnx

POOLS = "vultus_pools"
"""Name of the output that is added."""


@dataclass(frozen=True, slots=True)
class Tap:
    """One inner map that is pooled.

    Attributes:
        tensor: Its name in the graph: (b, channels, h, w).
        bands: Into so many bands of rows it is divided, from top to bottom; each is pooled alone.

    Raises:
        InputError: If there is no name or no band.
    """

    tensor: str
    bands: int = 1

    def __post_init__(self) -> None:
        if not self.tensor or not 1 <= self.bands <= 16:
            raise InputError(
                f"a tap must have a tensor's name and 1 to 16 bands, got {self.tensor!r} and "
                f"{self.bands}"
            )


def with_pools(model: Path | bytes, taps: Sequence[Tap]) -> bytes:
    """A copy of an ONNX graph that gives the pools of inner maps, too.

    Nothing that the graph computed before is changed, and the file is not touched. The pools are
    computed where the maps are: what leaves the engine is one vector a row.

    Args:
        model: Path of an ONNX file, or its bytes.
        taps: What is pooled; at least one.

    Returns:
        ONNX bytes with one more output `POOLS`, (b, d) float32: for every tap and band the means
        of the channels, then their standard deviations.

    Raises:
        ModelError: If there is no such map, or it is none of (b, channels, h, w).
        InputError: If there is no tap.
    """
    import onnx

    if not taps:
        raise InputError("taps must be at least one, got none")
    graph_model = _loaded(model)
    graph = graph_model.graph
    heights = _heights(graph_model, [tap.tensor for tap in taps])
    pooled: list[str] = []
    for number, tap in enumerate(taps):
        edges = np.linspace(0, heights[tap.tensor], tap.bands + 1).round().astype(int)
        for band in range(tap.bands):
            rows = None if tap.bands == 1 else (int(edges[band]), int(edges[band + 1]))
            pooled += _pool(graph, tap.tensor, f"{POOLS}_{number}_{band}", rows=rows)
    node = onnx.helper.make_node
    graph.node.append(node("Concat", pooled, [f"{POOLS}_4d"], axis=1))
    graph.node.append(node("Flatten", [f"{POOLS}_4d"], [POOLS]))
    graph.output.append(
        onnx.helper.make_tensor_value_info(POOLS, onnx.TensorProto.FLOAT, ["b", "d"])
    )
    return bytes(graph_model.SerializeToString())


def usual_taps(model: Path | bytes) -> tuple[Tap, ...]:
    """Maps that tell much of a face's damage, chosen by the graph's shape alone.

    Of each height from 40 down to 5 pixels the last sum of two branches, else the last map; of the
    lowest height always the last map. Maps of 20 pixels and more are pooled in two bands of rows,
    lower ones in three: upper and lower half of a face differ where it was turned or covered.

    Raises:
        ModelError: If the graph has no such maps.
    """
    import onnx

    loaded = _loaded(model)
    inferred = onnx.shape_inference.infer_shapes(loaded).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inferred.value_info}
    fixed = {tensor.name for tensor in loaded.graph.initializer}
    last: dict[int, str] = {}
    sums: dict[int, str] = {}
    for node in loaded.graph.node:
        lengths = shapes.get(node.output[0], ())
        height = int(lengths[2].dim_value) if len(lengths) == 4 else 0
        if not 5 <= height <= 40 or not lengths[1].dim_value:
            continue
        last[height] = node.output[0]
        if node.op_type == "Add" and not fixed.intersection(node.input):
            sums[height] = node.output[0]
    if not last:
        raise ModelError("the graph must have inner maps of 5 to 40 pixels in height, and has none")
    chosen = {height: sums.get(height, name) for height, name in last.items()}
    chosen[min(last)] = last[min(last)]
    return tuple(Tap(chosen[h], 2 if h >= 20 else 3) for h in sorted(chosen, reverse=True))


def _loaded(model: Path | bytes) -> "onnx.ModelProto":
    import onnx

    if isinstance(model, bytes):
        return onnx.load_from_string(model)
    return onnx.load(model, load_external_data=False)


def _heights(model: "onnx.ModelProto", names: Sequence[str]) -> dict[str, int]:
    """Of the maps that are to be pooled, as shape inference finds them."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    found: dict[str, int] = {}
    for name in names:
        lengths = shapes.get(name, ())
        if len(lengths) != 4 or not (lengths[2].dim_value and lengths[3].dim_value):
            raise ModelError(
                f"the graph must have an inner map {name!r} of shape (b, channels, h, w) with a "
                "known height and width, and has none"
            )
        found[name] = int(lengths[2].dim_value)
    return found


def _pool(
    graph: "onnx.GraphProto", source: str, name: str, *, rows: tuple[int, int] | None
) -> list[str]:
    """Add the nodes of one band; gives the names of its means and its deviations."""
    from onnx import helper, numpy_helper

    def add(operator: str, inputs: list[str], suffix: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(operator, inputs, [f"{name}_{suffix}"], **attributes))
        return f"{name}_{suffix}"

    def constant(values: list[int], suffix: str) -> str:
        array = np.array(values, np.int64)
        graph.initializer.append(numpy_helper.from_array(array, f"{name}_{suffix}"))
        return f"{name}_{suffix}"

    if rows is not None:
        limits = [constant([rows[0]], "from"), constant([rows[1]], "to"), constant([2], "axis")]
        source = add("Slice", [source, *limits], "rows")
    mean = add("GlobalAveragePool", [source], "mean")
    # The mean of squares less the square of the mean would lose its digits in bf16.
    centred = add("Sub", [source, mean], "centred")
    squares = add("Mul", [centred, centred], "squares")
    variance = add("GlobalAveragePool", [squares], "variance")
    return [mean, add("Sqrt", [variance], "deviation")]

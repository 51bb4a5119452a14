"""What an ONNX file says about itself, read without an inference runtime."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vultus.core.errors import ModelError

if TYPE_CHECKING:
    import onnx


_FLOAT32 = 1  # onnx.TensorProto.FLOAT


@dataclass(frozen=True, slots=True)
class EmbedderShapes:
    """The shapes of an embedder's graph.

    Attributes:
        size_hw: Height and width of its input; None where the graph leaves it open.
        embedding_dim: Length of its output vector; None where the graph leaves it open.
        layout: Both tensors in words, for the card.
    """

    size_hw: tuple[int | None, int | None]
    embedding_dim: int | None
    layout: str


def check_graph(path: Path) -> None:
    """Refuse what is no self-contained ONNX file.

    Raises:
        ModelError: If it cannot be parsed or keeps its weights in other files.
    """
    _load(path)


def embedder_shapes(path: Path) -> EmbedderShapes:
    """Check that a graph can be an embedder: (b, 3, h, w) float32 in, (b, dim) float32 out.

    Args:
        path: The ONNX file. The batch axis may be free or 1; of several outputs the first counts.

    Raises:
        ModelError: If it cannot; the message says what it has instead.
    """
    graph = _load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1 or not graph.output:
        raise ModelError(
            f"{path.name} must have one input and an output, "
            f"has {len(inputs)} inputs and {len(graph.output)} outputs"
        )
    image, vector = _shape(inputs[0]), _shape(graph.output[0])
    layout = f"input {_text(inputs[0], image)}; output {_text(graph.output[0], vector)}"
    is_image = len(image) == 4 and image[0] in (None, 1) and image[1] == 3 and _is_float(inputs[0])
    if not is_image or len(vector) != 2 or not _is_float(graph.output[0]):
        raise ModelError(
            f"{path.name} must take float32 images of shape (b, 3, h, w) and give float32 vectors "
            f"of shape (b, dim), has {layout}"
        )
    return EmbedderShapes((image[2], image[3]), vector[1], layout)


def _load(path: Path) -> "onnx.ModelProto":
    import onnx  # slow to import, and needed for imports only
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise ModelError(f"{path.name} must be an ONNX file: {error}") from error
    if not model.graph.node:
        raise ModelError(f"{path.name} must be an ONNX file with a graph, has none")
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
        raise ModelError(
            f"{path.name} must hold its weights itself, keeps them in other files; "
            "save it again with onnx.save(model, path) after onnx.load"
        )
    return model


def _shape(value: "onnx.ValueInfoProto") -> tuple[int | None, ...]:
    lengths = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.dim_value > 0 else None for d in lengths)


def _is_float(value: "onnx.ValueInfoProto") -> bool:
    return bool(value.type.tensor_type.elem_type == _FLOAT32)


def _text(value: "onnx.ValueInfoProto", shape: tuple[int | None, ...]) -> str:
    lengths = ", ".join("?" if length is None else str(length) for length in shape)
    kind = "float32" if _is_float(value) else f"type {value.type.tensor_type.elem_type}"
    return f"{value.name} ({lengths}) {kind}"

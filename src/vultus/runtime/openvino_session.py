"""Graphs on OpenVINO."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.choices import Precision
from vultus.core.errors import InputError, ModelError, ProviderError
from vultus.runtime.providers import (
    OPEN_MODELS_STAY,
    PROVIDERS,
    check_same_process,
    import_openvino,
    openvino_core,
)
from vultus.runtime.tensors import TensorSpec, check_feeds, spec_by_name

_PINNING = "ENABLE_CPU_PINNING"
_ROUNDING = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
"""0 keeps OpenVINO from rounding what a matrix is multiplied with to 8 bits where the matrix is
stored in 8 bits, as it does on CPUs with instructions for it: there a file would mean something
else."""


class OpenVinoSession:
    """A graph on OpenVINO; see `vultus.runtime.session.Session`.

    One compiled model serves all threads; each call borrows an inference request, and there are
    never more requests than there were calls at the same time.

    Args:
        model: Path of an ONNX (or OpenVINO IR) file, or an ONNX file's bytes.
        provider: One of our provider names.
        precision: Arithmetic inside the graph.
        threads: Threads of the engine; None leaves it to the engine.
        streams: Runs that may go on at once, each on its share of the threads.

    Raises:
        ModelError: If the engine refuses the model.
        ProviderError: If the device cannot compute in that precision.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        provider: str = "cpu",
        precision: Precision = "f32",
        threads: int | None = None,
        streams: int = 1,
    ) -> None:
        ov = import_openvino()
        core = openvino_core()
        device = PROVIDERS["openvino"][provider]
        _check_precision(core, device, precision)
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision}
        supported = core.get_property(device, "SUPPORTED_PROPERTIES")
        if _ROUNDING in supported:
            settings[_ROUNDING] = 0
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
            # Else processes of few threads would all sit on the machine's first cores.
            if _PINNING in supported:
                settings[_PINNING] = False
        if streams > 1:
            settings["NUM_STREAMS"] = streams
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._compiled = core.compile_model(core.read_model(source), device, settings)
        except RuntimeError as error:
            name = "the model's bytes" if isinstance(model, bytes) else str(model)
            raise ModelError(f"OpenVINO cannot load {name}: {error}") from error
        self._opened_by = os.getpid()
        self._idle: deque[Any] = deque()
        self.inputs = tuple(_spec(port) for port in self._compiled.inputs)
        self.outputs = tuple(_spec(port) for port in self._compiled.outputs)
        self._specs = spec_by_name(self.inputs)
        self.description = _describe(ov, self._compiled, device)

    def __reduce__(self) -> str:
        raise InputError(OPEN_MODELS_STAY)

    def run(self, feeds: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Compute all outputs, in the graph's order; see `vultus.runtime.session.Session`."""
        check_same_process(self._opened_by)
        arrays = check_feeds(self._specs, feeds)
        with self._request() as request:
            try:
                # Inputs are only read; outputs are copied, because the request will be used again.
                results = request.infer(arrays, share_inputs=True, share_outputs=False)
            except RuntimeError as error:
                shapes = {name: array.shape for name, array in arrays.items()}
                raise ModelError(f"OpenVINO failed on inputs {shapes}: {error}") from error
            return [np.asarray(results[port]) for port in self._compiled.outputs]

    @contextmanager
    def _request(self) -> Iterator[Any]:
        try:
            request = self._idle.pop()  # atomic, as is append
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._idle.append(request)


def _check_precision(core: Any, device: str, precision: Precision) -> None:
    if precision == "bf16":
        able = list(core.get_property(device, "OPTIMIZATION_CAPABILITIES"))
        if "BF16" not in able:
            raise ProviderError(
                f"precision 'bf16' needs a processor with bfloat16 arithmetic; OpenVINO's {device} "
                f"offers {', '.join(able)} here: use precision 'f32'"
            )


def _spec(port: Any) -> TensorSpec:
    # A tensor may carry the names of nodes that were folded away; the graph's own comes first.
    name = str(port.node.friendly_name).split("/sink_port_")[0]
    if port.names and name not in port.names:
        name = min(port.names)
    shape = tuple(
        f"axis{axis}" if length.is_dynamic else length.get_length()
        for axis, length in enumerate(port.partial_shape)
    )
    return TensorSpec(name, shape, np.dtype(port.element_type.to_dtype()))


def _describe(ov: Any, compiled: Any, device: str) -> str:
    """Name the precision and threads that the engine reports to be in use."""
    version = ov.__version__.split("-")[0]
    precision = {"float32": "f32", "bfloat16": "bf16"}
    in_use = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    text = f"OpenVINO {version} {device} {precision.get(in_use, in_use)}"
    if device != "CPU":
        return text
    return f"{text}, {compiled.get_property('INFERENCE_NUM_THREADS')} threads"

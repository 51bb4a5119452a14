"""Graphs on ONNX Runtime."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError, ModelError, ProviderError
from vultus.runtime.providers import (
    OPEN_MODELS_STAY,
    PROVIDERS,
    check_same_process,
    import_onnxruntime,
)
from vultus.runtime.tensors import TensorSpec, check_feeds, spec_by_name

_ERRORS_ONLY = 3

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class OnnxRuntimeSession:
    """A graph on ONNX Runtime; see `vultus.runtime.session.Session`.

    Args:
        model: Path of an ONNX file, or its bytes.
        provider: One of our provider names.
        threads: Threads inside an operator; None leaves it to the engine.
        streams: Runs that are to go on at once, each on its share of the threads.

    Raises:
        ModelError: If the engine refuses the model.
        ProviderError: If the engine fell back to another provider than the one asked for.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        provider: str = "cpu",
        threads: int | None = None,
        streams: int = 1,
    ) -> None:
        ort = import_onnxruntime()
        own = PROVIDERS["onnxruntime"][provider]
        options = ort.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        if streams > 1:
            threads = max(1, (threads or os.cpu_count() or 1) // streams)
        options.intra_op_num_threads = 0 if threads is None else threads
        # Single operators that a provider lacks may run on the CPU; a provider that fails to
        # start may not be replaced by it, which is checked below.
        chain = [own] if provider == "cpu" else [own, PROVIDERS["onnxruntime"]["cpu"]]
        self._errors = _engine_errors()
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = ort.InferenceSession(source, options, providers=chain)
        except self._errors as error:
            name = "the model's bytes" if isinstance(model, bytes) else str(model)
            raise ModelError(f"ONNX Runtime cannot load {name}: {error}") from error
        self._opened_by = os.getpid()
        self._session.disable_fallback()
        _check_in_use(self._session.get_providers(), own, provider)
        self.inputs = tuple(_spec(node) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node) for node in self._session.get_outputs())
        self._specs = spec_by_name(self.inputs)
        count = "default threads" if threads is None else f"{threads} threads"
        self.description = f"ONNX Runtime {ort.__version__} {own} f32, {count}"

    def __reduce__(self) -> str:
        raise InputError(OPEN_MODELS_STAY)

    def run(self, feeds: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Compute all outputs, in the graph's order; see `vultus.runtime.session.Session`."""
        check_same_process(self._opened_by)
        arrays = check_feeds(self._specs, feeds)
        try:
            return list(self._session.run(None, arrays))
        except self._errors as error:
            shapes = {name: array.shape for name, array in arrays.items()}
            raise ModelError(f"ONNX Runtime failed on inputs {shapes}: {error}") from error


def _check_in_use(in_use: Sequence[str], own: str, provider: str) -> None:
    if in_use[0] != own:
        raise ProviderError(
            f"provider {provider!r} ({own}) could not be started and ONNX Runtime fell back to "
            f"{', '.join(in_use)}; check its driver and libraries, or ask for provider 'cpu'"
        )


def _spec(node: Any) -> TensorSpec:
    if node.type not in DTYPES:
        raise ModelError(f"{node.name} must be a plain tensor, got {node.type}")
    shape = tuple(
        length if isinstance(length, int) else length or f"axis{axis}"
        for axis, length in enumerate(node.shape)
    )
    return TensorSpec(node.name, shape, np.dtype(DTYPES[node.type]))


def _engine_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's exceptions have no common ancestor below `Exception`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [value for value in vars(state).values() if isinstance(value, type)]
    kinds = tuple(kind for kind in own if issubclass(kind, Exception))
    return (*kinds, RuntimeError, ValueError)

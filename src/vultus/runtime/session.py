"""Open an ONNX graph on whichever engine is here."""

import logging
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.choices import Precision, Runtime
from vultus.core.errors import InputError, ModelError, ModelNotFoundError
from vultus.runtime.onnxruntime_session import OnnxRuntimeSession
from vultus.runtime.openvino_session import OpenVinoSession
from vultus.runtime.providers import choose_engine
from vultus.runtime.tensors import TensorSpec

logger = logging.getLogger(__name__)


class Session(Protocol):
    """A graph that is ready to run; one session may be used from many threads at once.

    Attributes:
        inputs: The graph's inputs, in order.
        outputs: The graph's outputs, in order.
        description: Engine, version, provider, precision and threads that are in use, e.g.
            ``"OpenVINO 2026.4.1 CPU f32, 2 threads"``.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...  # noqa: D102
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102

    def run(self, feeds: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Compute all outputs.

        Args:
            feeds: One array per input by name; dtype, rank and fixed axes as in ``inputs``.
                A new batch size may cost the engine some preparation: repeat few sizes. Give free
                axes only lengths that the graph can take: OpenVINO 2026.4 does not check them
                everywhere, and then computes with whatever lies in memory.

        Returns:
            The outputs in order; the caller's own arrays.

        Raises:
            InputError: If the feeds do not match the inputs.
            ModelError: If the engine fails on them.
        """
        ...


def open_session(
    model: str | Path | bytes,
    *,
    runtime: Runtime = "auto",
    provider: str = "cpu",
    precision: Precision = "f32",
    threads: int | None = None,
    streams: int = 1,
) -> Session:
    """Open an ONNX graph.

    Args:
        model: Path of an ONNX file, or its bytes.
        runtime: The engine; ``"auto"`` takes the environment variable ``VULTUS_RUNTIME`` if set,
            else OpenVINO where it is installed and knows the provider, else ONNX Runtime.
        provider: What to run on: ``"cpu"``, ``"cuda"``, ``"coreml"`` ...; the names are in
            `vultus.runtime.providers.PROVIDERS`. One that is missing is an error.
        precision: ``"bf16"`` (OpenVINO, on processors that have it) is faster and rounds.
        threads: Threads inside an operator; None leaves it to the engine.
        streams: How many runs are to go on at once, from as many threads of the caller; they share
            the engine's threads. More than 1 serves throughput, 1 the time of a single run.

    Raises:
        InputError: If an argument is none of the values that there are.
        ConfigError: If ``VULTUS_RUNTIME`` holds no runtime's name.
        MissingDependencyError: If the runtime asked for is not installed.
        ProviderError: If provider or precision are not available here.
        ModelNotFoundError: If there is no such file.
        ModelError: If the engine refuses the model.
    """
    if threads is not None:
        threads = check_positive_int("threads", threads)
    check_positive_int("streams", streams)
    source = _model_source(model)
    engine = choose_engine(runtime, provider=provider, precision=precision)
    session: Session
    if engine == "openvino":
        session = OpenVinoSession(
            source, provider=provider, precision=precision, threads=threads, streams=streams
        )
    else:
        session = OnnxRuntimeSession(source, provider=provider, threads=threads, streams=streams)
    name = f"{len(source)} bytes" if isinstance(source, bytes) else source.name
    logger.info("%s on %s", name, session.description)
    return session


def _model_source(model: str | Path | bytes) -> Path | bytes:
    if isinstance(model, bytes):
        if not model:
            raise ModelError("the model's bytes must be an ONNX file, got 0 bytes")
        return model
    if not isinstance(model, (str, Path)):
        raise InputError(f"model must be a path or bytes, got {type(model).__name__}")
    path = Path(model)
    if not path.is_file():
        raise ModelNotFoundError(f"no model file at {path}")
    if not path.stat().st_size:
        raise ModelError(f"the model file {path} is empty; fetch it again")
    return path

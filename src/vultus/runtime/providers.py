"""Which engines and execution providers there are, and which are here."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from types import MappingProxyType
from typing import Any, Literal, cast

from vultus.core.choices import Precision, Runtime
from vultus.core.errors import ConfigError, InputError, MissingDependencyError, ProviderError
from vultus.core.text import install_hint

Engine = Literal["onnxruntime", "openvino"]
"""What can run a graph."""

RUNTIME_VARIABLE = "VULTUS_RUNTIME"

OPEN_MODELS_STAY = (
    "an open model cannot be pickled or copied: give the Recognizer the model's name, and each "
    "process opens it for itself"
)

_IMPORT_LOCK = Lock()

_core_processes: set[int] = set()
"""Ids of this process, or of those that it was forked from, where OpenVINO was started."""

PROVIDERS: Mapping[Engine, Mapping[str, str]] = MappingProxyType(
    {
        "openvino": MappingProxyType({"cpu": "CPU", "intel-gpu": "GPU", "intel-npu": "NPU"}),
        "onnxruntime": MappingProxyType(
            {
                "cpu": "CPUExecutionProvider",
                "cuda": "CUDAExecutionProvider",
                "tensorrt": "TensorrtExecutionProvider",
                "coreml": "CoreMLExecutionProvider",
                "directml": "DmlExecutionProvider",
                "migraphx": "MIGraphXExecutionProvider",
                "qnn": "QNNExecutionProvider",
            }
        ),
    }
)
"""Our names for execution providers, and each engine's own. In order of preference for "auto"."""


def installed_engines() -> tuple[Engine, ...]:
    """The engines installed here, preferred first; nothing is imported to find out."""
    return tuple(engine for engine in PROVIDERS if find_spec(engine) is not None)


def available_providers() -> dict[Engine, tuple[str, ...]]:
    """What each installed engine reports that it can run on, in our names (imports the engines)."""
    return {engine: _providers_of(engine) for engine in installed_engines()}


def choose_engine(runtime: Runtime, *, provider: str, precision: Precision) -> Engine:
    """Settle which engine runs a graph.

    Args:
        runtime: An engine, or ``"auto"``; the environment variable ``VULTUS_RUNTIME`` then decides
            if it is set, else the first installed engine that knows the provider and precision.
        provider: One of the names in `PROVIDERS`.
        precision: ``"bf16"`` is OpenVINO's alone.

    Raises:
        InputError: If an argument is none of the names that there are.
        ConfigError: If ``VULTUS_RUNTIME`` is none of them.
        MissingDependencyError: If the engine asked for is not installed.
        ProviderError: If no engine here offers what was asked for; nothing falls back in silence.
    """
    _check_names(runtime, provider, precision)
    wanted = _runtime_setting(runtime)
    installed = installed_engines()
    if wanted != "auto" and wanted not in installed:
        raise MissingDependencyError(f"runtime {wanted!r} is not installed; {_how_to_get(wanted)}")
    candidates = [engine for engine in installed if wanted in ("auto", engine)]
    if precision == "bf16" and "openvino" not in candidates:
        raise ProviderError(
            f"precision 'bf16' needs the OpenVINO runtime; {install_hint('openvino')} and use"
            f" runtime 'auto' or 'openvino' (candidates here: {candidates})"
        )
    if precision == "bf16":
        candidates = ["openvino"]
    left_behind = [engine for engine in candidates if _left_behind(engine)]
    candidates = [engine for engine in candidates if engine not in left_behind]
    if left_behind and not candidates:
        raise ProviderError(
            f"runtime {left_behind[0]!r} cannot start here: it ran in the process that this one "
            "was forked from, and would wait for threads that were left behind; start processes "
            "by 'spawn', or use runtime 'onnxruntime'"
        )
    for engine in candidates:
        if provider in PROVIDERS[engine] and provider in _providers_of(engine):
            return engine
    here = {engine: _providers_of(engine) for engine in candidates}
    raise ProviderError(
        f"provider {provider!r} is not available here; available: "
        + ("; ".join(f"{engine}: {', '.join(names)}" for engine, names in here.items()) or "none")
    )


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, with its Windows event tracing switched off.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    ort = _import("onnxruntime")
    ort.disable_telemetry_events()
    return ort


def import_openvino() -> Any:
    """Import OpenVINO without its usage reporting.

    ``import openvino`` alone reports the event to a web analytics service if the package
    ``openvino_telemetry`` can be imported, so that package is hidden meanwhile; OpenVINO
    then uses its own stub. Nothing can be done where the program imported OpenVINO before.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    with _IMPORT_LOCK, _hidden("openvino_telemetry"):
        return _import("openvino")


def openvino_core() -> Any:
    """OpenVINO's ``Core``, one for the whole process.

    A Core's CPU plugin gives the thread that loads it a signal stack of its own, and takes it away
    when the Core dies (seen with 2026.4 on Linux). With a Core for each session, and
    sessions that die in another order than they were born, a thread is left with a stack that no
    longer exists, and the next SIGTERM or Ctrl-C is a segmentation fault.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    openvino = import_openvino()
    with _IMPORT_LOCK:
        return _one_core(openvino)


@cache
def _one_core(openvino: Any) -> Any:
    _core_processes.add(os.getpid())
    return openvino.Core()


def check_same_process(opened_by: int) -> None:
    """Refuse to run a session in a forked copy of the process that opened it.

    The engines' threads do not come along when a process is forked, and a run may wait for them
    for ever.

    Args:
        opened_by: Id of the process that opened the session.

    Raises:
        ProviderError: If that is another process than this one.
    """
    if os.getpid() != opened_by:
        raise ProviderError(
            "models must be opened in the process that runs them: this one was forked from "
            f"process {opened_by}, which opened the model, and the engine's threads were left "
            "behind; make a Recognizer in each process, or start processes by 'spawn'"
        )


def _left_behind(engine: Engine) -> bool:
    """Whether the engine was started before this process was forked from another."""
    return engine == "openvino" and bool(_core_processes - {os.getpid()})


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Make ``import name`` fail inside, unless it was imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = cast("Any", None)
    try:
        yield
    finally:
        del sys.modules[name]


def _import(engine: Engine) -> Any:
    try:
        return import_module(engine)
    except ImportError as error:
        raise MissingDependencyError(
            f"runtime {engine!r} cannot be imported ({error}); {_how_to_get(engine)}"
        ) from error


def _how_to_get(engine: Engine) -> str:
    return install_hint("openvino") if engine == "openvino" else "run: pip install onnxruntime"


def _providers_of(engine: Engine) -> tuple[str, ...]:
    if engine == "openvino":
        # Several devices of a kind are called GPU.0, GPU.1 ...
        own = {device.split(".")[0] for device in openvino_core().available_devices}
    else:
        own = set(import_onnxruntime().get_available_providers())
    return tuple(name for name, value in PROVIDERS[engine].items() if value in own)


def _check_names(runtime: str, provider: str, precision: str) -> None:
    runtimes = ("auto", *PROVIDERS)
    if runtime not in runtimes:
        raise InputError(f"runtime must be one of {', '.join(runtimes)}, got {runtime!r}")
    known = sorted({name for names in PROVIDERS.values() for name in names})
    if provider not in known:
        raise InputError(f"provider must be one of {', '.join(known)}, got {provider!r}")
    if precision not in ("f32", "bf16"):
        raise InputError(f"precision must be f32 or bf16, got {precision!r}")


def _runtime_setting(runtime: Runtime) -> Runtime:
    if runtime != "auto":
        return runtime
    setting = os.environ.get(RUNTIME_VARIABLE, "auto")
    if setting not in ("auto", *PROVIDERS):
        raise ConfigError(
            f"environment variable {RUNTIME_VARIABLE} must be one of auto, "
            f"{', '.join(PROVIDERS)}, got {setting!r}"
        )
    return cast("Runtime", setting)

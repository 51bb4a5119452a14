import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest

from vultus.core.errors import (
    ConfigError,
    InputError,
    ModelError,
    ModelNotFoundError,
    ProviderError,
)
from vultus.runtime import onnxruntime_session, openvino_session, providers
from vultus.runtime.session import open_session

Engine = Literal["onnxruntime", "openvino"]

engines = pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])


@pytest.fixture(autouse=True)
def _engines_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    if "openvino" not in providers.installed_engines():
        pytest.skip("OpenVINO is not installed")
    monkeypatch.delenv(providers.RUNTIME_VARIABLE, raising=False)


@engines
def test_outputs_come_in_the_graphs_order(engine: Engine, two_by_two: bytes) -> None:
    session = open_session(two_by_two, runtime=engine, threads=1)
    a = np.array([[1.5, -2.0], [0.25, 4.0]], np.float32)
    b = np.array([[1, 2], [3, 4]], np.int64)
    total, twice = session.run({"b": b, "a": a})
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(twice, 2 * a)
    assert [spec.name for spec in session.outputs] == ["total", "twice"]


@engines
def test_inputs_are_described(engine: Engine, two_by_two: bytes) -> None:
    inputs = open_session(two_by_two, runtime=engine).inputs
    assert [f"{spec.name} {spec.dtype}" for spec in inputs] == ["a float32", "b int64"]
    assert [isinstance(axis, str) for axis in inputs[0].shape] == [True, False]
    assert inputs[0].shape[1] == 2


@engines
def test_outputs_have_the_graphs_own_names(engine: Engine, renamed: bytes) -> None:
    session = open_session(renamed, runtime=engine)
    assert [spec.name for spec in session.outputs] == ["y"]


@engines
def test_results_are_the_callers_own(engine: Engine, matrix: bytes) -> None:
    session = open_session(matrix, runtime=engine, threads=1)
    x = np.ones((2, 64), np.float32)
    (first,) = session.run({"x": x})
    kept = first.copy()
    session.run({"x": np.zeros((2, 64), np.float32)})
    np.testing.assert_array_equal(first, kept)
    first[:] = 0  # writable
    np.testing.assert_array_equal(session.run({"x": x})[0], kept)


@engines
def test_a_strided_view_is_read_right(engine: Engine, matrix: bytes) -> None:
    session = open_session(matrix, runtime=engine, threads=1)
    x = np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32)
    (plain,) = session.run({"x": np.ascontiguousarray(x.T)})
    np.testing.assert_array_equal(session.run({"x": x.T})[0], plain)


@engines
def test_eight_threads_share_one_session(engine: Engine, matrix: bytes) -> None:
    session = open_session(matrix, runtime=engine, threads=1)
    rng = np.random.default_rng(2)
    feeds = [rng.normal(size=(1 + i % 5, 64)).astype(np.float32) for i in range(200)]
    alone = [session.run({"x": x})[0] for x in feeds]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda x: session.run({"x": x})[0], feeds))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@engines
def test_streams_run_at_once_and_share_the_threads(engine: Engine, matrix: bytes) -> None:
    session = open_session(matrix, runtime=engine, threads=2, streams=2)
    alone = open_session(matrix, runtime=engine, threads=1)
    name, width = alone.inputs[0].name, alone.inputs[0].shape[1]
    assert isinstance(width, int)
    rows = np.random.default_rng(5).normal(size=(40, 1, width)).astype(np.float32)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: session.run({name: row})[0], rows))
    for row, result in zip(rows, found, strict=True):
        np.testing.assert_allclose(result, alone.run({name: row})[0], rtol=1e-6)


def test_both_engines_agree(matrix: bytes) -> None:
    x = np.random.default_rng(3).normal(size=(7, 64)).astype(np.float32)
    a, b = (open_session(matrix, runtime=e).run({"x": x})[0] for e in ("onnxruntime", "openvino"))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@engines
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": None}, r"exactly the inputs \['a', 'b'\], got \['a'\]"),
        ({"c": np.zeros(1)}, "got .*'c'"),
        ({"a": np.zeros((1, 2))}, r"a: float32 \(.*2\), got float64 \(1, 2\)"),
        ({"a": np.zeros(2, np.float32)}, r"got float32 \(2,\)"),
        ({"a": np.zeros((1, 3), np.float32)}, r"got float32 \(1, 3\)"),
        ({"a": [[0.0, 0.0]]}, "must be an array, got list"),
    ],
)
def test_wrong_feeds_are_refused(
    engine: Engine, change: dict[str, object], message: str, two_by_two: bytes
) -> None:
    right = {"a": np.zeros((1, 2), np.float32), "b": np.zeros((1, 2), np.int64)}
    feeds = {name: value for name, value in {**right, **change}.items() if value is not None}
    with pytest.raises(InputError, match=message):
        open_session(two_by_two, runtime=engine).run(feeds)  # type: ignore[arg-type]


@engines
def test_shapes_that_the_graph_cannot_take_are_a_model_error(
    engine: Engine, addition: bytes
) -> None:
    session = open_session(addition, runtime=engine)
    three, four = np.ones((1, 3), np.float32), np.ones((1, 4), np.float32)
    with pytest.raises(ModelError, match=r"failed on inputs \{'a': \(1, 3\), 'b': \(1, 4\)\}"):
        session.run({"a": three, "b": four})
    np.testing.assert_array_equal(session.run({"a": four, "b": four})[0], 2 * four)


@engines
def test_what_is_no_model_is_refused(engine: Engine, matrix: bytes, tmp_path: Path) -> None:
    for junk in (matrix[: len(matrix) // 2], b"no model at all" * 9, b""):
        with pytest.raises(ModelError):
            open_session(junk, runtime=engine)
        file = tmp_path / "junk.onnx"
        file.write_bytes(junk)
        with pytest.raises(ModelError, match=r"junk\.onnx"):
            open_session(file, runtime=engine)
    with pytest.raises(ModelNotFoundError, match="absent"):
        open_session(tmp_path / "absent.onnx", runtime=engine)
    with pytest.raises(InputError, match="path or bytes, got int"):
        open_session(3, runtime=engine)  # type: ignore[arg-type]


def test_an_input_that_is_no_tensor_is_refused() -> None:
    text = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (seq(float[N]) s) => (float[N] y) '
        "{ zero = Constant<value = int64 {0}>() y = SequenceAt(s, zero) }"
    )
    with pytest.raises(ModelError, match="plain tensor"):
        open_session(text.SerializeToString(), runtime="onnxruntime")


@engines
def test_a_file_gives_what_its_bytes_give(engine: Engine, matrix: bytes, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(matrix)
    x = np.ones((1, 64), np.float32)
    from_bytes, from_file = (open_session(m, runtime=engine, threads=1) for m in (matrix, file))
    np.testing.assert_array_equal(from_bytes.run({"x": x})[0], from_file.run({"x": x})[0])


def test_the_description_names_what_is_in_use(matrix: bytes) -> None:
    text = open_session(matrix, runtime="openvino", threads=1).description
    assert text.startswith("OpenVINO 20")
    assert text.endswith("CPU f32, 1 threads")
    text = open_session(matrix, runtime="onnxruntime", threads=2).description
    assert text.startswith("ONNX Runtime 1.")
    assert text.endswith("CPUExecutionProvider f32, 2 threads")


def test_auto_prefers_openvino_and_obeys_the_environment(
    matrix: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_session(matrix).description.startswith("OpenVINO")
    monkeypatch.setenv("VULTUS_RUNTIME", "onnxruntime")
    assert open_session(matrix).description.startswith("ONNX Runtime")
    assert open_session(matrix, runtime="openvino").description.startswith("OpenVINO")
    monkeypatch.setenv("VULTUS_RUNTIME", "tensorflow")
    with pytest.raises(ConfigError, match=r"VULTUS_RUNTIME must be one of auto, .*'tensorflow'"):
        open_session(matrix)


def test_a_missing_provider_is_an_error_that_names_those_here(matrix: bytes) -> None:
    missing = next(
        name
        for name in providers.PROVIDERS["onnxruntime"]
        if name not in providers.available_providers()["onnxruntime"]
    )
    with pytest.raises(ProviderError, match=f"{missing!r} is not available.*onnxruntime: .*cpu"):
        open_session(matrix, provider=missing)
    with pytest.raises(InputError, match=r"provider must be one of .*'gpu0'"):
        open_session(matrix, provider="gpu0")


def test_a_silent_fallback_to_the_cpu_is_an_error(
    matrix: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pretend that CUDA is listed; ONNX Runtime then warns at most, and takes the CPU.
    monkeypatch.setattr(providers, "_providers_of", lambda engine: ("cpu", "cuda"))
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(ProviderError, match="fell back to CPUExecutionProvider"),
    ):
        open_session(matrix, runtime="onnxruntime", provider="cuda")
    with pytest.raises(ProviderError, match="could not be started"):
        onnxruntime_session._check_in_use(["CPUExecutionProvider"], "CUDAExecutionProvider", "cuda")


class _OldProcessor:
    def get_property(self, device: str, name: str) -> list[str]:
        return ["FP32", "INT8"]


def test_bf16_where_it_is_not_is_an_error(matrix: bytes) -> None:
    with pytest.raises(ProviderError, match="openvino"):
        open_session(matrix, runtime="onnxruntime", precision="bf16")
    with pytest.raises(ProviderError, match="FP32, INT8 here: use precision 'f32'"):
        openvino_session._check_precision(_OldProcessor(), "CPU", "bf16")
    with pytest.raises(InputError, match="f32 or bf16, got 'f16'"):
        open_session(matrix, precision="f16")  # type: ignore[arg-type]


def test_bf16_is_in_use_when_asked_for_and_rounds(matrix: bytes) -> None:
    core = providers.openvino_core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16 arithmetic")
    session = open_session(matrix, precision="bf16")
    assert " bf16, " in session.description
    x = np.random.default_rng(4).normal(size=(8, 64)).astype(np.float32)
    exact = open_session(matrix, precision="f32").run({"x": x})[0]
    error = np.abs(session.run({"x": x})[0] - exact).max() / np.abs(exact).max()
    assert 1e-5 < error < 2e-2


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_and_streams_must_be_positive_integers(threads: int, matrix: bytes) -> None:
    with pytest.raises(InputError, match="threads must be an integer of at least 1"):
        open_session(matrix, threads=threads)
    with pytest.raises(InputError, match="streams must be an integer of at least 1"):
        open_session(matrix, streams=threads)


SIGNALLED = """
import faulthandler, gc, os, signal, sys
from pathlib import Path
from vultus.runtime.session import open_session

faulthandler.enable()  # it gives the main thread a signal stack, as pytest does
model = Path(sys.argv[1])
for _ in range(3):
    first, second = (open_session(model, runtime="openvino", threads=1) for _ in range(2))
    del first
    gc.collect()
    del second
    gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_handled_after_sessions_died_in_any_order(
    tmp_path: Path, matrix: bytes
) -> None:
    model = tmp_path / "matrix.onnx"
    model.write_bytes(matrix)
    command = [sys.executable, "-c", SIGNALLED, str(model)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "handled\n"), run.stderr


FORKED = """
import multiprocessing
import sys

import numpy as np

from vultus.core.errors import ProviderError
from vultus.runtime.session import open_session

model, engine = open(sys.argv[1], "rb").read(), sys.argv[2]
session = open_session(model, runtime=engine)
feeds = {"x": np.ones((1, 64), np.float32)}
expected = session.run(feeds)[0]


def child():
    try:
        session.run(feeds)
    except ProviderError as error:
        print("used:", error)
    try:
        open_session(model, runtime=engine)
        print("explicit: opened")
    except ProviderError as error:
        print("explicit:", error)
    anew = open_session(model)
    np.testing.assert_allclose(anew.run(feeds)[0], expected, rtol=1e-5)
    print("auto:", anew.description.split()[0], flush=True)


process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(40)
process.kill()
sys.exit(process.exitcode)
"""


@engines
def test_a_forked_process_is_told_to_open_its_own_models(
    engine: Engine, matrix: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "matrix.onnx"
    path.write_bytes(matrix)
    command = [sys.executable, "-c", FORKED, str(path), engine]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    used, explicit, auto = ended.stdout.splitlines()
    assert used.startswith("used: models must be opened in the process that runs them")
    if engine == "openvino":
        assert explicit.startswith("explicit: runtime 'openvino' cannot start here")
        assert auto == "auto: ONNX"
    else:
        assert explicit == "explicit: opened"
        assert auto == "auto: OpenVINO"
    assert ended.returncode == 0

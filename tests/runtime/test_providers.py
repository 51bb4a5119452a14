import subprocess
import sys
from pathlib import Path

import pytest

from vultus.core.errors import (
    ConfigError,
    InputError,
    MissingDependencyError,
    ProviderError,
)
from vultus.runtime import providers
from vultus.runtime.providers import (
    PROVIDERS,
    available_providers,
    choose_engine,
    installed_engines,
)


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(providers.RUNTIME_VARIABLE, raising=False)


def _pretend(
    monkeypatch: pytest.MonkeyPatch, here: dict[providers.Engine, tuple[str, ...]]
) -> None:
    monkeypatch.setattr(providers, "installed_engines", lambda: tuple(here))
    monkeypatch.setattr(providers, "_providers_of", lambda engine: here[engine])


def test_the_processor_is_always_available() -> None:
    found = available_providers()
    assert tuple(found) == installed_engines()
    assert all("cpu" in names for names in found.values())
    assert all(set(names) <= set(PROVIDERS[engine]) for engine, names in found.items())


def test_auto_takes_the_engine_that_has_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, {"openvino": ("cpu",), "onnxruntime": ("cpu", "cuda")})
    assert choose_engine("auto", provider="cpu", precision="f32") == "openvino"
    assert choose_engine("auto", provider="cuda", precision="f32") == "onnxruntime"
    with pytest.raises(ProviderError, match="'cuda' is not available here; available: openvino"):
        choose_engine("openvino", provider="cuda", precision="f32")
    with pytest.raises(ProviderError, match="'cuda' is not available"):
        choose_engine("auto", provider="cuda", precision="bf16")


def test_the_environment_changes_auto_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, {"openvino": ("cpu",), "onnxruntime": ("cpu",)})
    monkeypatch.setenv("VULTUS_RUNTIME", "onnxruntime")
    assert choose_engine("auto", provider="cpu", precision="f32") == "onnxruntime"
    assert choose_engine("openvino", provider="cpu", precision="f32") == "openvino"
    monkeypatch.setenv("VULTUS_RUNTIME", "torch")
    with pytest.raises(ConfigError, match=r"VULTUS_RUNTIME must be one of auto, .*'torch'"):
        choose_engine("auto", provider="cpu", precision="f32")


def test_without_openvino_auto_takes_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda name: name == "onnxruntime" or None)
    assert choose_engine("auto", provider="cpu", precision="f32") == "onnxruntime"
    with pytest.raises(MissingDependencyError, match=r"pip install 'openvino>="):
        choose_engine("openvino", provider="cpu", precision="f32")
    with pytest.raises(ProviderError, match=r"pip install 'openvino>="):
        choose_engine("auto", provider="cpu", precision="bf16")


def test_with_no_engine_at_all_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, {})
    with pytest.raises(ProviderError, match="available: none"):
        choose_engine("auto", provider="cpu", precision="f32")


@pytest.mark.parametrize(
    ("runtime", "provider", "precision", "message"),
    [
        ("onnx", "cpu", "f32", "runtime must be one of auto, openvino, onnxruntime, got 'onnx'"),
        ("auto", "gpu0", "f32", r"provider must be one of .*, got 'gpu0'"),
        ("auto", "cpu", "f16", "precision must be f32 or bf16, got 'f16'"),
    ],
)
def test_unknown_names_are_refused(
    runtime: str, provider: str, precision: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        choose_engine(runtime, provider=provider, precision=precision)  # type: ignore[arg-type]


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match="pip install onnxruntime"):
        providers.import_onnxruntime()


def _python(code: str, home: Path) -> str:
    # CI=1 keeps a broken guard from reporting anything while this test catches it.
    env = {"HOME": str(home), "PATH": "", "CI": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_importing_the_seam_imports_no_engine(tmp_path: Path) -> None:
    code = "import sys, vultus.runtime.session; print({'onnxruntime', 'openvino'} & {*sys.modules})"
    assert _python(code, tmp_path) == "set()"


def test_openvino_is_imported_without_its_usage_reporting(tmp_path: Path) -> None:
    code = (
        "import sys; from vultus.runtime.providers import import_openvino; import_openvino();"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])"
    )
    assert _python(code, tmp_path) == "[]"
    assert list(tmp_path.iterdir()) == []

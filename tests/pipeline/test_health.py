from pathlib import Path

import pytest

from vultus.pipeline.health import Check, check_installation


def test_what_is_missing_fails_only_what_needs_it(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    checks = {check.what: check for check in check_installation(str(tiny_model))}
    assert all(check.passed for check in checks.values())
    assert "alone = batched" in checks[f"self test: embedder {tiny_model}"].detail
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    checks = {check.what: check for check in check_installation("mobilefacenet-y1")}
    assert checks["self test: embedder mobilefacenet-y1"].status == "missing"
    assert not checks["self test: embedder mobilefacenet-y1"].passed


def test_an_optional_package_may_be_missing() -> None:
    assert Check("openvino", "missing", "optional").passed
    assert not Check("model x", "failed", "changed").passed

"""`vultus liveness`: photos looked at, folders measured, weights converted."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.liveness.fakes import by_brightness

from vultus.liveness.passive import PassiveLiveness

Run = Callable[..., Any]


@pytest.fixture
def dim_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*, threshold: float | None = None) -> PassiveLiveness:
        return by_brightness(0.25 if threshold is None else threshold)

    monkeypatch.setattr("vultus.liveness.passive.open_passive_liveness", opened)


@pytest.mark.usefixtures("dim_is_dead")
def test_photos_are_looked_at(run: Run, original: Path, photos: Path) -> None:
    clean = run("liveness", original)
    assert clean.code == 0
    assert "no attack seen is not alive" in clean.err
    found = run("liveness", original, "--threshold", "0.99", "--json")
    assert found.code == 1
    assert found.json["photos"][0]["faces"][0]["verdict"] == "attack suspected"
    table = run("liveness", photos, "--csv")
    assert table.out.startswith("photo,face,x1,y1,x2,y2,score,threshold,verdict")
    assert "broken.jpg" in table.err
    assert run("liveness", photos / "broken.jpg").code == 2


@pytest.mark.usefixtures("dim_is_dead")
def test_a_folder_is_measured(
    run: Run, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    for place in ("live", "attack/print"):
        (tmp_path / "door" / place).mkdir(parents=True)
        shutil.copy(original, tmp_path / "door" / place)
    outcome = run("liveness", "evaluate", tmp_path / "door")
    assert outcome.code == 0
    assert "APCER print" in outcome.out
    told = run("liveness", "evaluate", tmp_path / "door", "--save", "--json").json
    assert told["rates"]["species"][0]["apcer"]["rate"] == 1.0
    assert json.loads(Path(told["saved"]).read_text())["threshold"]["species"] == "print"
    assert run("liveness", "evaluate", tmp_path).code == 2


def test_what_is_missing_is_said(run: Run, original: Path, tmp_path: Path) -> None:
    outcome = run("liveness", original)
    assert outcome.code == 3
    assert "vultus liveness convert" in outcome.err
    (tmp_path / "x.pth").write_bytes(b"nothing")
    assert "no card is that of this file" in run("liveness", "convert", tmp_path / "x.pth").err


@pytest.mark.models
def test_published_weights_are_converted_and_used(
    run: Run, original: Path, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    for name in ("2.7_80x80_MiniFASNetV2", "4_0_0_80x80_MiniFASNetV1SE"):
        told = run("liveness", "convert", mirror / f"antispoof_{name}.pth", "--json").json
        assert Path(told["file"]).is_file()
    assert run("liveness", original).code == 0
    assert run("verify", original, original).code == 0

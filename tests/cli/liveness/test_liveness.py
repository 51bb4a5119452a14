"""`vultus liveness`: photos looked at, folders measured, weights converted."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.liveness.fakes import by_brightness, write_network

from vultus.core.faces import Image
from vultus.core.liveness_threshold import LivenessThreshold
from vultus.image.io import read_image, write_image
from vultus.liveness.passive import PassiveLiveness

Run = Callable[..., Any]


@pytest.fixture
def dim_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(
        models: Sequence[str], *, threshold: LivenessThreshold | float | None = None
    ) -> PassiveLiveness:
        known = 0.25 if threshold is None else threshold
        return by_brightness(known.score if isinstance(known, LivenessThreshold) else known)

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


def test_a_network_of_ones_own_looks_and_gets_its_threshold(
    run: Run, original: Path, tmp_path: Path
) -> None:
    file = write_network(tmp_path / "mine.onnx")
    told = run("liveness", original, "--model", file, "--json").json["photos"][0]["faces"][0]
    assert set(told["networks"]) == {"mine"}
    photo = read_image(original)
    for place, count, light in (("live", 3, 1.0), ("attack/print", 4, 0.1)):
        (tmp_path / "door" / place).mkdir(parents=True)
        for number in range(count):
            image = np.asarray(photo * light, np.uint8)
            write_image(tmp_path / "door" / place / f"{number}.png", image)
    arguments = ("liveness", "evaluate", tmp_path / "door", "--model", file, "--apcer", "0.05")
    outcome = run(*arguments, "--save")
    assert outcome.code == 0
    assert "may pass (95 %), more than the 5.0% asked for" in outcome.out
    kept = json.loads((tmp_path / "mine.liveness.json").read_text())
    assert kept["threshold"]["by_species"][0]["n"] == 2
    assert "set on 2 other attacks" in kept["threshold"]["origin"]
    used = run("liveness", original, "--model", file, "--json").json["photos"][0]["faces"][0]
    assert used["threshold"] == kept["threshold"]
    assert "60 would do" in run(*arguments, "--upper-bound").err


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


def test_a_video_is_driven_as_a_session(run: Run, hopper: Image, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(8):
        noisy = np.clip(hopper[::2, ::2] + rng.normal(0, 2, (300, 256, 3)), 0, 255)
        write_image(tmp_path / f"{k:03}.png", noisy.astype(np.uint8))
    told = run("liveness", "session", tmp_path, "--challenge", "nod,turn_left", "--json")
    assert told.code == 1
    assert told.json["movements"] == ["nod", "turn_left"]
    assert (told.json["state"], told.json["reasons"][0]["code"]) == ("rejected", "ended")
    text = run("liveness", "session", tmp_path)
    assert text.code == 1
    assert "rejected, 0 of 4 movements in 8 frames" in text.out
    assert "a signal, no proof" in text.err
    for wrong in (("--challenge", "wink"), ("--region", "1,2"), ("--movement-s", "0")):
        assert run("liveness", "session", tmp_path, *wrong).code == 2

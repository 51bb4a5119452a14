"""`vultus liveness train`: a folder in, a model file out that `vultus liveness` takes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.liveness.world import write_site

Run = Callable[..., Any]

SMALL = (
    *("crop.context=1", "crop.size_px=40", "data.min_photos=4", "fit.epochs=1"),
    *("fit.batch_size=8", "run.device=cpu", "apcer=0.9"),
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_folder_becomes_a_model(run: Run, tmp_path: Path) -> None:
    root = write_site(tmp_path / "door", people=6, photos=2)
    words = (f"data.root={root}", f"run.output={tmp_path / 'mine'}", *SMALL)
    told = run("liveness", "train", "pad-tiny", *words, "--json").json
    assert Path(told["file"]) == tmp_path / "mine" / "mine.onnx"
    assert {one["name"] for one in told["rates"]["species"]} == {"print", "screen"}
    assert json.loads((tmp_path / "mine" / "summary.json").read_text())["groups"]["train"] >= 1
    photo = next((root / "live").rglob("*.png"))
    seen = run("liveness", photo, "--model", told["file"], "--json").json["photos"][0]["faces"][0]
    assert seen["threshold"] == told["threshold"]
    assert "go on with it by --resume" in run("liveness", "train", "pad-tiny", *words).err
    again = run("liveness", "train", "pad-tiny", *words, "--resume", "--licence", "ours")
    assert again.code == 0
    assert "APCER print" in again.out
    assert 'name = "ours"' in (tmp_path / "mine" / "mine.toml").read_text()


def test_recipes_are_listed_and_what_is_missing_is_said(run: Run, tmp_path: Path) -> None:
    assert "pad-small" in run("liveness", "train", "--list").out
    assert {one["name"] for one in run("liveness", "train", "--list", "--json").json} == {
        "pad-small",
        "pad-tiny",
    }
    assert "a recipe must be given" in run("liveness", "train").err
    outcome = run("liveness", "train", "pad-tiny", f"run.output={tmp_path / 'run'}")
    assert (outcome.code, "names no photos" in outcome.err) == (2, True)
    refused = run("liveness", "train", "pad-tiny", "data.root=x", "--commercial-use")
    assert "takes --licence" in refused.err

"""From a training run to a model that every other command takes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.image.io import write_image

Run = Callable[..., Any]

RECIPE = """
steps = 4

[about]
title = "a test"

[data]
kind = "synthetic"
identities = 8
images = 3

[backbone]
name = "vultusnet-s"
dim = 16
widths = [8, 8, 8, 8]
units = [1, 1, 1, 1]

[sampler]
name = "shuffled"
batch_size = 8

[loss]
name = "cosface"
scale = 16.0
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder."""
    from vultus.training.recipe.recipe_file import load_recipe
    from vultus.training.trainer import Trainer

    root = tmp_path_factory.mktemp("trained")
    (root / "mine.toml").write_text(RECIPE, encoding="utf-8")
    settings = [f"run.output={root / 'mine'}", "run.device=cpu"]
    return Trainer(load_recipe(str(root / "mine.toml"), overrides=settings)).run().folder


@pytest.fixture(autouse=True)
def small_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("vultus.export.parity.SAMPLE", 8)
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned "crops" of 120 people: a coarse pattern each, and noise."""
    root = tmp_path_factory.mktemp("crops")
    for person in range(120):
        (root / f"p{person}").mkdir()
        for photo in range(2):
            write_image(root / f"p{person}" / f"{photo}.png", _crop(person, photo))
    return root


def _crop(person: int, photo: int) -> Image:
    coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
    noise = np.random.default_rng(1000 * person + photo).integers(0, 55, (112, 112, 3))
    return (np.kron(coarse, np.ones((14, 14, 1))) + noise).astype(np.uint8)


def test_an_installed_export_is_a_model_like_any_other(
    run: Run, trained: Path, people: Path, photos: Path, original: Path, tmp_path: Path
) -> None:
    file = tmp_path / "net.onnx"
    done = run("export", trained, "-o", file, "--name", "mine", "--licence", "MIT", "--install")
    assert done.code == 0, done.err
    assert "same nearest neighbour 100.0%" in done.out
    assert "use it with: --model mine" in done.out
    card = run("models", "show", "mine", "--json").json
    assert (card["licence"]["name"], card["licence"]["commercial_use"]) == ("MIT", False)
    for model in ("mine", file):
        npz = tmp_path / f"{Path(model).stem}.npz"
        assert run("embed", original, "--model", model, "-o", npz).code == 0
    same = run("verify", original, original, "--model", "mine", "--threshold", "0.9", "--json")
    assert (same.code, same.json["same_person"]) == (0, True)
    measured = run("evaluate", "folder", "--root", people, "--aligned", "--model", "mine", "--json")
    assert measured.code == 0, measured.err
    # Nobody has measured its thresholds: it does not guess.
    assert run("verify", original, original, "--model", "mine").code == 2
    calibrated = run("calibrate", people, "--aligned", "--model", "mine", "--fmr", "0.01")
    assert calibrated.code == 0, calibrated.err
    verified = run("verify", original, original, "--model", "mine", "--fmr", "0.01", "--json")
    assert "60 people" in verified.json["threshold"]["origin"]


def test_json_and_files_that_are_there(run: Run, trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    done = run("export", trained, "-o", file, "--storage", "f16", "--json").json
    assert (done["file"], done["installed"]) == (str(file), False)
    assert done["card"]["embedding_dim"] == 16
    assert {report["crops"] for report in done["parity"]} == {8}
    again = run("export", trained, "-o", file)
    assert (again.code, again.out) == (2, "")
    assert "--force" in again.err
    assert run("export", trained, "-o", file, "--force").code == 0
    assert run("export", tmp_path).code == 2


def test_without_torch_the_way_out_is_named(
    run: Run, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = run("export", trained)
    assert done.code == 3
    assert "run: pip install " in done.err
    assert "'torch>=" in done.err

"""`vultus identify`: 1:N on real photos, with a tiny embedder."""

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.image.io import read_image

Run = Callable[..., Any]
HOPPER, COLLINS = "Grace Hopper", "Eileen Collins"


def test_identify_among_a_folder_of_people(
    run: Run, photos: Path, tiny_model: Path, original: Path, tmp_path: Path
) -> None:
    for person in (HOPPER, COLLINS):
        (tmp_path / person).mkdir()
        shutil.copy(photos / person / "0-original.jpg", tmp_path / person)
    arguments = ["--gallery", tmp_path, "--model", tiny_model, "--fpir", "0.05", "--json"]
    outcome = run("identify", original, *arguments)
    assert outcome.json["faces"][0]["identity"] == HOPPER
    assert outcome.code == 0
    missing = run("identify", original, "--gallery", photos / "none", "--model", tiny_model)
    assert missing.code == 2
    assert "--gallery must be" in missing.err


def test_a_folder_of_too_many_people_is_refused_before_any_photo_is_read(
    run: Run, original: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(102):
        (tmp_path / f"{number}").mkdir()
        if number:  # nobody is enrolled of a folder without a photo
            (tmp_path / f"{number}" / "1.jpg").touch()
    monkeypatch.delattr("vultus.pipeline.analyser.load_chunks")
    refused = run("identify", original, "--gallery", tmp_path, "--model", tiny_model)
    assert refused.code == 2
    assert "among 101 people" in refused.err
    assert "--fpir 0.011" in refused.err


def test_caution_without_evidence_is_refused_before_any_photo_is_read(
    run: Run, original: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Ada").mkdir()
    (tmp_path / "Ada" / "1.jpg").touch()
    monkeypatch.delattr("vultus.pipeline.analyser.load_chunks")
    chosen = ("--gallery", tmp_path, "--model", tiny_model, "--cautious")
    refused = run("identify", original, *chosen)
    assert refused.code == 2
    assert "nobody measured groups of people" in refused.err
    both = run("identify", original, *chosen, "--threshold", 0.5)
    assert both.code == 2
    assert "two ways to decide" in both.err


def test_select_says_whom_the_folders_photos_show(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / HOPPER).mkdir()
    shutil.copy(photos / "both-together.jpg", tmp_path / HOPPER)
    arguments = (original, "--gallery", tmp_path, "--model", tiny_model, "--threshold", -1)
    without = run("identify", *arguments)
    assert "--select largest" in without.err
    assert "0 photos enrolled, 1 left out (1 with several faces)" in without.err
    chosen = run("identify", *arguments, "--select", "largest", "--json")
    assert chosen.json["faces"][0]["gallery_size"] == 1


def test_the_answers_are_drawn_and_come_as_csv(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    name = "=Grace, [x]"
    (tmp_path / "people" / name).mkdir(parents=True)
    shutil.copy(original, tmp_path / "people" / name)
    drawn = tmp_path / "drawn"
    arguments = (original, "--gallery", tmp_path / "people", "--model", tiny_model)
    rule = ("--threshold", "0.9")
    told = run("identify", *arguments, *rule, "--csv", "--draw", drawn)
    assert told.code == 0
    head, row = csv.reader(io.StringIO(told.out, newline=""), strict=True)
    cells = dict(zip(head, row, strict=True))
    # What a spreadsheet would take for a formula is text.
    assert (cells["photo"], cells["identity"]) == (str(original), f"'{name}")
    assert float(cells["similarity"]) == pytest.approx(1, abs=1e-3)
    assert float(cells["x1"]) < float(cells["x2"])
    (copy,) = drawn.iterdir()
    assert read_image(copy).shape == read_image(original).shape
    assert np.abs(read_image(copy).astype(int) - read_image(original)).max() > 100
    faces = run("identify", *arguments, *rule, "--json", "--draw", drawn).json["faces"]
    assert faces[0]["drawn"] == str(copy)
    both = run("identify", *arguments, "--csv", "--json")
    assert (both.code, "give one" in both.err) == (2, True)

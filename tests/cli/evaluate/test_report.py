"""`vultus evaluate --output` and `vultus report`, with the tiny embedder of the tests."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.image.io import write_image

PEOPLE, PHOTOS = 8, 3


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned "crops": each person is a coarse pattern, each photo of it has its own noise."""
    root = tmp_path_factory.mktemp("people")
    for person in range(PEOPLE):
        coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
        (root / f"person{person}").mkdir()
        for photo in range(PHOTOS):
            noise = np.random.default_rng(100 * person + photo).integers(0, 55, (112, 112, 3))
            crop = (np.kron(coarse, np.ones((14, 14, 1))) + noise).astype(np.uint8)
            write_image(root / f"person{person}" / f"{photo}.png", crop)
    return root


@pytest.fixture
def result_file(people: Path, tiny_model: Path, run: Any, tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    arguments = ("--root", people, "--aligned", "--model", tiny_model, "--output", path)
    done = run("evaluate", "folder", *arguments)
    assert done.code == 0, done.err
    return path


def test_a_result_becomes_a_page(result_file: Path, run: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("report", result_file, f"other={result_file}", "--output", page, "--speed", "--json")
    assert done.code == 0, done.err
    models = done.json["protocols"][0]["models"]
    assert [model["label"] for model in models] == ["tiny", "other"]
    stored = json.loads(result_file.read_text())
    assert models[0]["result"] == stored["result"]
    assert models[0]["result"]["n_genuine"] == PEOPLE * 3
    assert models[0]["cost"]["seconds"] > 0
    assert set(models[0]["software"]) >= {"vultus", "Python", "NumPy"}
    assert "worst_genuine" not in models[0]
    assert "person0" not in page.read_text()
    assert page.read_text().count("<svg role") == 7


def test_a_record_is_for_its_owner_only(result_file: Path) -> None:
    assert result_file.stat().st_mode & 0o777 == 0o600


def test_csv_has_a_line_per_model_and_protocol(result_file: Path, run: Any, tmp_path: Path) -> None:
    page = ("--output", tmp_path / "report.html")
    done = run("report", result_file, f"other={result_file}", *page, "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out, newline="")))
    assert [(row["protocol"], row["model"]) for row in rows] == [
        ("folder", "tiny"),
        ("folder", "other"),
    ]
    stored = json.loads(result_file.read_text())["result"]
    assert float(rows[0]["equal_error_rate"]) == stored["equal_error_rate"]
    assert int(rows[0]["n_genuine"]) == PEOPLE * 3
    assert run("report", result_file, *page, "--csv", "--json").code == 2


def test_evaluate_names_as_many_pairs_as_asked(
    people: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    arguments = ("--root", people, "--aligned", "--model", tiny_model, "--output", path)
    assert run("evaluate", "folder", *arguments, "--worst", 0).code == 0
    assert "person0" not in path.read_text()


def test_report_runs_evaluations_itself(
    people: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    listed = tmp_path / "pairs.tsv"
    rows = [f"person{k}/0.png person{k}/1.png 1" for k in range(PEOPLE)]
    rows += [f"person{k}/0.png person{(k + 1) % PEOPLE}/1.png 0" for k in range(PEOPLE)]
    listed.write_text("\n".join(rows))
    page = tmp_path / "report.html"
    runs = ("--run", f"folder:{people}", "--run", f"pairs:{people}:{listed}", "--aligned")
    shown = ("--worst", 2, "--photos", f"folder:{people}")
    done = run("report", *runs, "--model", tiny_model, "--output", page, *shown, "--json")
    assert done.code == 0, done.err
    assert [group["protocol"] for group in done.json["protocols"]] == ["folder", "pairs"]
    assert done.json["protocols"][1]["models"][0]["result"]["n_genuine"] == PEOPLE
    assert len(done.json["protocols"][1]["models"][0]["worst_genuine"]) == 2
    # Photos of the one protocol whose root was given, names of both.
    assert page.read_text().count("<img") == 8
    assert page.read_text().count('class="pair"') == 8


def test_a_colon_in_a_path_is_no_separator(
    people: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    root = tmp_path / "a:b"
    root.symlink_to(people)
    page = tmp_path / "report.html"
    arguments = ("--run", f"folder:{root}", "--aligned", "--model", tiny_model, "--output", page)
    assert run("report", *arguments).code == 0
    assert page.exists()


def test_mistakes_are_found_before_anything_is_evaluated(
    people: Path, result_file: Path, run: Any, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    for arguments, words in (
        ((), "at least one result"),
        ((tmp_path / "none.json",), "cannot be read"),
        ((people / "person0" / "0.png",), "must be text in UTF-8"),
        ((result_file, "--model", "tiny"), "--model is for --run"),
        (("--run", "folder"), "PROTOCOL:ROOT"),
        (("--run", f"lwf:{people}"), "did you mean 'lfw'"),
        ((result_file, "--photos", f"folder:{people}"), "--worst N"),
        ((result_file, "--worst", "1", "--photos", "folder:/none"), "folder or a zip"),
        ((f"a={result_file}", f"a={result_file}"), "must differ"),
    ):
        done = run("report", *arguments, "--output", page)
        assert done.code == 2
        assert words in done.err.replace("\n", " ")
    assert run("report", result_file, "--output", tmp_path / "no" / "r.html").code == 2
    assert not page.exists()


def test_matplotlib_is_asked_for(
    result_file: Path, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run("report", result_file, "--output", tmp_path / "r.html")
    assert done.code == 3
    assert "run: pip install 'matplotlib>=" in done.err

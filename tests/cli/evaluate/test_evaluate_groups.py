"""`vultus evaluate groups` from the shell, and beside `vultus evaluate PROTOCOL`."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.crops import AlignedCrops
from vultus.embedding.embedder import open_embedder
from vultus.embedding.embedding_file import FaceSource, save_embeddings
from vultus.evaluation.report.group_record import load_group_record
from vultus.image.io import read_image, write_image


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coarse patterns of eight people, three noisy crops each, and a table of labels."""
    root = tmp_path_factory.mktemp("groups")
    lines = ["file,person,kind,age"]
    for person in range(8):
        coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
        for photo in range(3):
            noise = np.random.default_rng(100 * person + photo).integers(0, 55, (112, 112, 3))
            crop = np.kron(coarse, np.ones((14, 14, 1))) + noise
            name = f"{person}-{photo}.png"
            write_image(root / name, crop.astype(np.uint8))
            lines.append(f"{name},{person},{'ab'[person % 2]},{10 * person + photo}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def base(crops: Path, tiny_model: Path) -> tuple[Any, ...]:
    return (
        *("evaluate", "groups", "--labels", crops / "labels.csv", "--root", crops),
        *("--aligned", "--model", tiny_model, "--threshold", 0.9, "--draws", 20),
    )


def test_a_table(base: tuple[Any, ...], run: Any) -> None:
    done = run(*base, "--by", "kind")
    assert done.code == 0, done.err
    for words in ("24 photos, 8 people, 2 groups", "groups by kind", "everybody against everybody"):
        assert words in done.out


def test_json_csv_record_and_page_tell_the_same(
    base: tuple[Any, ...], run: Any, tmp_path: Path
) -> None:
    grouped = (*base, "--by", "kind", "--by", "age", "--bands", "age=30,60")
    record, page = tmp_path / "groups.json", tmp_path / "groups.html"
    done = run(*grouped, "--json", "-o", record, "--html", page)
    assert done.code == 0, done.err
    told = done.json
    assert [cell["name"] for cell in told["cells"]] == [
        *("a, below 30", "a, 30 to 59", "a, 60 and over"),
        *("b, below 30", "b, 30 to 59", "b, 60 and over"),
    ]
    assert [matrix["title"] for matrix in told["matrices"]] == [
        *("kind x age", "kind, all else equal", "age, all else equal"),
    ]
    kept = load_group_record(record)
    assert [cell.name for cell in kept.cells] == [cell["name"] for cell in told["cells"]]
    assert kept.crowd.n == told["crowd"]["n"] == 24 * 23 // 2 - 24
    assert "a, 30 to 59" in page.read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(run(*grouped, "--csv").out)))
    assert [row["group"] for row in rows] == [cell.name for cell in kept.cells]
    assert [int(row["n_impostor"]) for row in rows] == [cell.fmr.n for cell in kept.cells]
    assert [int(row["n_genuine"]) for row in rows] == [
        cell.fnmr.n for cell in kept.cells if cell.fnmr is not None
    ]


def test_the_most_alike_strangers_are_named_when_asked_for(
    base: tuple[Any, ...], crops: Path, run: Any
) -> None:
    told = run(*base, "--by", "kind", "--json", "--worst", 3).json
    assert [pair["group"] for pair in told["worst"]] == ["a"] * 3 + ["b"] * 3
    for pair in told["worst"]:
        people = {name.partition("-")[0] for name in (pair["first"], pair["second"])}
        assert len(people) == 2
        assert {int(person) % 2 for person in people} == {"ab".index(pair["group"])}
        assert (crops / pair["first"]).is_file()
    likeness = [pair["similarity"] for pair in told["worst"]]
    assert likeness[:3] == sorted(likeness[:3], reverse=True)
    assert run(*base, "--by", "kind", "--json").json["worst"] == []


def test_filters_and_false_matches_only(base: tuple[Any, ...], run: Any) -> None:
    chosen = ("--by", "kind", "--only", "age=20..", "--only", "kind=a,b", "--fmr-only", "--no-gate")
    done = run(*base, *chosen, "--json")
    assert done.code == 0, done.err
    assert done.json["n_photos"] == 18
    assert done.json["filtered"] == 6
    assert all("fnmr" not in cell or cell["fnmr"] is None for cell in done.json["cells"])
    assert done.json["settings"]["gate"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--by", "kin"), "no column 'kin'; did you mean 'kind'"),
        (("--by", "age", "--bands", "age=x"), "--bands must be COLUMN=A,B,... with numbers"),
        (("--by", "kind", "--bands", "age"), "--bands must be COLUMN=VALUE"),
        (("--by", "kind", "--only", "kind=a", "--only", "kind=b"), "names 'kind' twice"),
        (("--by", "kind", "--only", "kind=c"), "no value 'c'"),
        (("--by", "kind", "--csv", "--json"), "give one"),
        (("--by", "kind", "-o", "nowhere/groups.json"), "nowhere"),
        (("--by", "kind", "--file-column", "photo"), "no column 'photo'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    base: tuple[Any, ...], run: Any, words: tuple[str, ...], message: str
) -> None:
    done = run(*base, *words)
    assert done.code == 2
    assert message in done.err
    assert done.err.startswith("error:")
    assert done.out == ""


def test_stored_embeddings_of_an_unknown_model_need_a_threshold(
    base: tuple[Any, ...], crops: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    names = sorted(path.name for path in crops.glob("*.png"))
    pixels = np.stack([read_image(crops / name) for name in names])
    identity = np.eye(2, 3, dtype=np.float32)[None].repeat(len(names), axis=0)
    rows = open_embedder(tiny_model).embed(AlignedCrops(pixels, identity, "arcface-112"))
    stored = tmp_path / "kept.npz"
    save_embeddings(stored, rows, sources=[FaceSource(n, 0, (np.nan,) * 4) for n in names])
    chosen = ("evaluate", "groups", "--labels", crops / "labels.csv", "--by", "kind")
    refused = run(*chosen, "--root", stored)
    assert refused.code == 2
    assert "decide by --threshold" in refused.err
    again = run(*chosen, "--root", stored, "--threshold", 0.9, "--json", "--draws", 20)
    assert again.code == 0, again.err
    first = run(*base, "--by", "kind", "--json", "--no-gate").json
    assert [cell["fmr"] for cell in again.json["cells"]] == [cell["fmr"] for cell in first["cells"]]


def test_the_word_after_evaluate_decides(run: Any) -> None:
    assert "PROTOCOL" in run("evaluate", "--help").out
    assert "--labels" in run("evaluate", "groups", "--help").out
    assert "see `vultus evaluate groups --help`" in run("evaluate", "groups").err
    assert "see `vultus evaluate --help`" in run("evaluate", "lfw").err
    assert "no 'grops'" in run("evaluate", "grops", "--root", "x").err
    assert "evaluate" in run("--help").out

"""`vultus data`: what it prints, its exit codes, and the files that it makes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vultus.data import open_dataset

Run = Callable[..., Any]


def test_info_counts(run: Run, faces: Path) -> None:
    shown = run("data", "info", faces)
    assert shown.code == 0
    for text in ("5 images of 2 identities", "2-4: 2 identities", "16x16: 5", "decoded: 0"):
        assert text in shown.out
    (faces / "web/bo/0.png").write_bytes(b"no image")
    (faces / "nobody").mkdir()
    read = run("data", "info", faces, "--json", "--all")
    assert read.code == 0
    assert "unreadable: " in read.err
    assert run("data", "info", faces, "--all", "--strict").code == 2
    assert (read.json["empty"], list(read.json["unreadable"])) == (["nobody"], ["3"])
    assert run("data", "info", faces, "--depth", "1", "--json").json["identities"] == 1


def test_convert_and_back(run: Run, faces: Path, tmp_path: Path) -> None:
    packed, listed, again = tmp_path / "records", tmp_path / "faces.tsv", tmp_path / "again"
    assert "5 images of 2" in run("data", "convert", faces, packed, "--to", "recordio").out
    assert (packed / "train.idx").exists()
    assert run("data", "convert", packed, again, "--json").json["images"] == 5
    assert run("data", "convert", again, listed).code == 0
    dataset = open_dataset(listed)
    assert dataset.identities == ("web/anna", "web/bo")
    assert dataset.encoded(4) == (faces / "web/bo/1.png").read_bytes()
    assert run("data", "info", listed, "--folder", tmp_path / "none").code == 2


def test_convert_says_what_it_left_out(run: Run, faces: Path, tmp_path: Path) -> None:
    (faces / "web/bo/0.png").write_bytes(b"no image")
    refused = run("data", "convert", faces, tmp_path / "faces.zip")
    assert refused.code == 2
    assert "0.01 of 5" in refused.err
    done = run("data", "convert", faces, tmp_path / "faces.zip", "--max-unreadable", "0.2")
    assert done.code == 0
    assert "4 images" in done.out
    assert "web/bo/0.png" in done.err

"""`vultus data`: what it prints, its exit codes, and the files that it makes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.data import open_dataset
from vultus.data.formats.pair_set import read_pair_set
from vultus.image.io import write_image

Run = Callable[..., Any]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for identity, count in {"web/anna": 3, "web/bo": 2}.items():
        (tmp_path / "faces" / identity).mkdir(parents=True)
        for number in range(count):
            image = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            write_image(tmp_path / "faces" / identity / f"{number}.png", image)
    return tmp_path / "faces"


def test_info_counts(run: Run, faces: Path) -> None:
    shown = run("data", "info", faces)
    assert shown.code == 0
    for text in ("5 images of 2 identities", "2-4: 2 identities", "16x16: 5", "decoded: 0"):
        assert text in shown.out
    (faces / "web/bo/0.png").write_bytes(b"no image")
    (faces / "nobody").mkdir()
    read = run("data", "info", faces, "--json", "--all")
    assert read.code == 2
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
    assert done.code == 2
    assert "4 images" in done.out
    assert "web/bo/0.png" in done.err


def test_pairs_are_packed_and_unpacked(run: Run, faces: Path, tmp_path: Path) -> None:
    listed = tmp_path / "pairs.tsv"
    listed.write_text("web/anna/0.png\tweb/anna/1.png\t1\nweb/anna/0.png\tweb/bo/0.png\t0\n")
    packed = tmp_path / "own.bin"
    assert "2 pairs of 3" in run("data", "pairs", listed, packed, "--photos", faces).out
    images, flags = read_pair_set(packed)
    names = ["web/anna/0", "web/anna/1", "web/anna/0", "web/bo/0"]
    assert images == [(faces / f"{name}.png").read_bytes() for name in names]
    assert flags.tolist() == [True, False]
    done = run("data", "pairs", packed, tmp_path / "out", "--json").json
    assert (done["images"], done["pairs"]) == (3, 2)
    assert run("data", "pairs", packed, tmp_path / "other.bin").code == 2
    assert "vultus data pairs" in run("data", "info", packed).err

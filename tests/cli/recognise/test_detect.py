"""`vultus detect`: find faces, on real photos."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vultus.image.io import read_image, write_image

Run = Callable[..., Any]


def test_detect_reports_faces_draws_them_and_goes_on_past_a_broken_file(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    outcome = run("detect", photos, "--draw", tmp_path / "drawn", "--json")
    assert outcome.code == 0
    assert "broken.jpg" in outcome.err
    assert run("detect", photos, "--strict").code == 2
    assert run("detect", photos / "broken.jpg").code == 2
    found = {Path(photo["photo"]).name: len(photo["faces"]) for photo in outcome.json["photos"]}
    assert found["both-together.jpg"] == 2
    assert found["nobody.jpg"] == 0
    assert [Path(item["photo"]).name for item in outcome.json["skipped"]] == ["broken.jpg"]
    drawn = read_image(outcome.json["photos"][0]["drawn"])
    source = read_image(outcome.json["photos"][0]["photo"])
    assert drawn.shape == source.shape
    assert np.abs(drawn.astype(int) - source).max() > 100


def test_detect_prints_a_table(run: Run, original: Path) -> None:
    outcome = run("detect", original)
    assert outcome.code == 0
    assert "512x600" in outcome.out


def test_csv_has_a_line_per_face_and_one_for_nobody(run: Run, photos: Path) -> None:
    names = [photos / "both-together.jpg", photos / "nobody.jpg"]
    lines = list(csv.DictReader(io.StringIO(run("detect", *names, "--csv").out, newline="")))
    assert [line["photo"] for line in lines] == [str(names[i]) for i in (0, 0, 1)]
    assert [line["face"] for line in lines] == ["0", "1", ""]


def test_the_smallest_face_that_is_looked_for_is_said_where_the_photo_decides_it(
    run: Run, tmp_path: Path
) -> None:
    for name, size_hw in (("large.png", (1440, 1440)), ("small.png", (90, 90))):
        write_image(tmp_path / name, np.full((*size_hw, 3), 90, np.uint8))
    outcome = run("detect", tmp_path / "large.png", tmp_path / "small.png", "--json")
    assert [photo["smallest_face_px"] for photo in outcome.json["photos"]] == [30, 20]
    told = "faces under 30 pixels were not looked for in 1 large photo"
    assert told in outcome.err
    assert "--detector mtcnn:min_face_px=20" in outcome.err
    assert "looked for" not in run("detect", tmp_path / "small.png").err
    chosen = run("detect", tmp_path / "large.png", "--detector", "mtcnn:min_face_px=60", "--json")
    assert chosen.json["photos"][0]["smallest_face_px"] == 60
    assert "looked for" not in chosen.err
    alone = run("verify", tmp_path / "large.png", tmp_path / "large.png")
    assert "under 30 pixels" in alone.err

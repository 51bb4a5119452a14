"""`vultus data align`: from photos to crops."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vultus.data import open_dataset

Run = Callable[..., Any]


def test_align_real_portraits(run: Run, photos: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    for folder in photos.iterdir():
        if folder.is_dir():
            (people / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:2]:
                shutil.copy(path, people / folder.name)
    shutil.copy(photos / "broken.jpg", people)
    done = run("data", "align", people, tmp_path / "crops", "--format", "webp", "--json")
    assert done.code == 0
    assert "no crop of broken.jpg" in done.err
    assert done.json["crops"] == 4
    assert list(done.json["failures"]) == ["broken.jpg"]
    assert 0 < done.json["residual_px"][0] < 6
    dataset = open_dataset(tmp_path / "crops")
    assert set(dataset.identities) == {"Eileen Collins", "Grace Hopper"}
    assert {dataset.image(i).shape for i in range(4)} == {(112, 112, 3)}
    again = run("data", "align", people, tmp_path / "crops", "--format", "webp")
    assert "5 photos were done before" in again.out
    assert "no crop of broken.jpg" in again.err
    strict = run("data", "align", people, tmp_path / "crops", "--format", "webp", "--strict")
    assert (again.code, strict.code) == (0, 2)
    wrong = run("data", "align", people, tmp_path / "crops", "--select", "central")
    assert "other settings" in wrong.err

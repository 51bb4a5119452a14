import json
import os
import signal
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from scripts import train_in_parts as script
from vultus.data.synthetic import SyntheticFaces
from vultus.image.io import write_image
from vultus.training.run.result import read_weights
from vultus.training.run.run_folder import RunFolder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Of 2,500 bytes, of 1,000, and empty."""
    draws = np.random.default_rng(0)
    made = {"long.bin": 2500, "models/even.bin": 1000, "empty": 0}
    for name, size in made.items():
        path = tmp_path / Path(name).name
        path.write_bytes(draws.bytes(size))
    return {name: tmp_path / Path(name).name for name in made}


def test_what_is_joined_is_what_was_cut(files: dict[str, Path], tmp_path: Path) -> None:
    parts = script.pack(files, tmp_path / "parts", part_mb=0.001)
    assert [part.stat().st_size for part in parts] == [1000, 1000, 500, 1000, 0]
    joined = script.unpack(tmp_path / "parts", tmp_path / "there")
    for name, path in files.items():
        assert (tmp_path / "there" / name).read_bytes() == path.read_bytes()
    assert joined == [tmp_path / "there" / name for name in files]
    # A second time needs no parts: all is there.
    for part in parts:
        part.unlink()
    assert script.unpack(tmp_path / "parts", tmp_path / "there") == joined
    (tmp_path / "there" / "empty").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"parts of empty are missing: 002\.000"):
        script.unpack(tmp_path / "parts", tmp_path / "there")


def test_damaged_parts_and_names_that_lead_out_are_refused(
    files: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "parts"
    parts = script.pack(files, folder, part_mb=0.001)
    parts[1].write_bytes(parts[1].read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match=r"long\.bin is damaged"):
        script.unpack(folder, tmp_path / "there")
    listed = json.loads((folder / script.LIST).read_text("utf-8"))
    listed[0]["name"] = "../outside"
    (folder / script.LIST).write_text(json.dumps(listed), "utf-8")
    with pytest.raises(ValueError, match="outside of its folder"):
        script.unpack(folder, tmp_path / "there")
    assert not (tmp_path / "outside").exists()


def test_packing_anew_leaves_nothing_of_before(files: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    script.pack(files, folder, part_mb=0.001)
    script.pack({"empty": files["empty"]}, folder)
    assert {path.name for path in folder.iterdir()} == {script.LIST, "000.000"}


def test_who_works_too_long_is_asked_to_stop() -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(100)"]
    assert script.run_for(sleeper, seconds=0.1, environment=os.environ) == -signal.SIGTERM
    ended = [sys.executable, "-c", "raise SystemExit(7)"]
    assert script.run_for(ended, seconds=50, environment=os.environ) == 7


def test_of_a_run_the_newest_checkpoint_travels_and_the_teachers_answers_do_not(
    tmp_path: Path,
) -> None:
    run = tmp_path / "work" / "run"
    names = ["config.toml", "checkpoints/step-00000009.safetensors", "teacher/a/part-00000.npy",
             "checkpoints/step-00000012.safetensors", "log.jsonl"]  # fmt: skip
    for name in names:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(b"")
    expected = ["checkpoints/step-00000012.safetensors", "config.toml", "log.jsonl"]
    assert list(script.run_files(run)) == [f"run/{name}" for name in expected]


def test_settings_stand_before_or_behind_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[list[str]] = []

    def stopped(command: list[str], **_: object) -> int:
        seen.append(command)
        return 143

    monkeypatch.setattr(script, "run_for", stopped)
    options = ["--folder", str(tmp_path), "--minutes", "1", "-o", str(tmp_path / "out")]
    assert script.main(["train", "mine.toml", "a=1", *options, "b=2"]) == 143
    (command,) = seen
    assert command[3:5] == ["train", "mine.toml"]
    assert command[-3:] == ["a=1", "b=2", "--resume"]
    with pytest.raises(SystemExit):
        script.main(["train", "mine.toml", *options, "--colour", "red"])


@pytest.mark.slow
def test_the_next_embedders_recipe_trains_in_two_times_on_a_cpu(tmp_path: Path) -> None:
    """Its tiny twin: the recipe itself for three steps of eight faces made by code."""
    people = SyntheticFaces(identities=4, images=4)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as faces:
        for index in range(len(people)):
            write_image(tmp_path / "face.png", people.image(index))
            faces.write(tmp_path / "face.png", f"{people.labels[index]}/{index}.png")
    parts, work = tmp_path / "parts", tmp_path / "work"
    script.main(["pack", str(tmp_path / "faces.zip"), "-o", str(parts), "--part-mb", "0.1"])
    assert len(list(parts.iterdir())) > 3
    settings = [
        "distillation.teacher=vultus-s2", "sampler.batch_size=8", "data.workers=0",
        "training.precision=f32", "run.device=cpu", "stage.0.schedule.warmup_steps=1",
        "checkpoint.every_steps=2",
    ]  # fmt: skip
    common = ["--folder", str(work), "--data", "faces.zip", "--minutes", "9"]
    first = ["train", "vultus-s3", *settings, "stage.0.steps=3", "--parts", str(parts)]
    assert script.main([*first, *common, "-o", str(tmp_path / "out")]) == 0
    script.unpack(tmp_path / "out", tmp_path / "back")
    run = tmp_path / "back" / "run"
    weights = read_weights(RunFolder(run))
    assert (weights.step, weights.mean) == (None, True)
    assert "stages.20.layers.4.weight" in weights.state
    # As if it had been stopped after the second step, on a machine that is gone.
    for path in [*run.glob("backbone*"), run / "checkpoints" / "step-00000003.safetensors"]:
        path.unlink()
    (run / "checkpoints" / "step-00000002.safetensors").write_bytes(
        (work / "run" / "checkpoints" / "step-00000002.safetensors").read_bytes()
    )
    script.pack(script.run_files(run), tmp_path / "left", part_mb=5)
    for path in (work / "run").rglob("*.safetensors"):
        path.unlink()
    again = [*first, "--from", str(tmp_path / "left"), *common, "-o", str(tmp_path / "out2")]
    assert script.main(again) == 0
    script.unpack(tmp_path / "out2", tmp_path / "back2")
    assert "step-00000003.safetensors" in {
        path.name for path in (tmp_path / "back2" / "run" / "checkpoints").iterdir()
    }
    assert read_weights(RunFolder(tmp_path / "back2" / "run")).step is None

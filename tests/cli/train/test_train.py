import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vultus.cli.main import main
from vultus.cli.output import ExitCode
from vultus.cli.train.train_progress import step_text
from vultus.training.recipe.recipe_file import recipe_names
from vultus.training.run.observers import StepRecord

RECIPE = """
steps = {steps}

[about]
title = "a test"

[input]
size_hw = [32, 32]

[data]
root = "{faces}"
workers = {workers}

[backbone]
name = "vultusnet-s"
dim = 16
widths = [8, 8, 8, 8]
units = [1, 1, 1, 1]

[sampler]
name = "shuffled"
batch_size = 16

[loss]
name = "cosface"
scale = 16.0

[evaluation]
sets = ["{faces}"]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path, steps=6, workers=0)


def write_recipe(folder: Path, *, steps: int, workers: int) -> Path:
    generator = np.random.default_rng(0)
    for identity in range(8):
        (folder / "faces" / f"{identity}").mkdir(parents=True)
        for number in range(4):
            image = generator.integers(0, 256, (32, 32, 3), np.uint8)
            cv2.imwrite(str(folder / "faces" / f"{identity}" / f"{number}.png"), image)
    path = folder / "small.toml"
    path.write_text(RECIPE.format(faces=folder / "faces", steps=steps, workers=workers))
    return path


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list", "--json"]) == ExitCode.OK
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == recipe_names()
    assert {"name": "arcface-r18", "tiny": "arcface-tiny"}.items() <= next(
        row for row in rows if row["name"] == "arcface-r18"
    ).items()
    assert main(["train", "--list"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    # A line each, with the small twin beside it; every name is there.
    twins = {row["tiny"] for row in rows}
    assert [line.split()[0] for line in lines[1:]] == [n for n in recipe_names() if n not in twins]
    assert set(recipe_names()) <= {word for line in lines[1:] for word in line.split()[:2]}


def test_a_run_from_the_command_line(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    call = ["train", str(recipe), f"run.output={output}", "--json"]
    assert main([*call, "run.device=cpu"]) == ExitCode.OK
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert (answer["complete"], answer["step"], answer["folder"]) == (True, 6, str(output))
    assert answer["evaluation"][0]["set"] == "faces"
    assert "step 6: faces: accuracy" in captured.err
    assert main(call) == ExitCode.BAD_INPUT
    assert "add --resume" in capsys.readouterr().err
    assert main([*call, "steps=7", "--resume"]) == ExitCode.BAD_INPUT
    assert "stage.0.steps = 6, now it is 7" in capsys.readouterr().err
    assert main([*call, "--resume"]) == ExitCode.OK


def test_a_dry_run_checks_and_writes_nothing(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    call = ["train", str(recipe), f"run.output={output}", "--dry-run"]
    assert main([*call, "optimizer.lr=0.25"]) == ExitCode.OK
    shown = capsys.readouterr()
    assert "lr = 0.25" in shown.out
    assert "# identities: 8" in shown.out
    assert "warning: no face is found in 32 of 32 training crops" in shown.err
    assert main([*call, "loss.scael=3"]) == ExitCode.BAD_INPUT
    assert "did you mean 'scale'?" in capsys.readouterr().err
    assert main([*call, "--json"]) == ExitCode.OK
    answer = json.loads(capsys.readouterr().out)
    assert answer["steps"] == [6]
    assert [text.split(";")[0] for text in answer["notes"]] == [
        "warning: no face is found in 32 of 32 training crops"
    ]
    assert not output.exists()


def test_a_recipe_must_be_given_and_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == ExitCode.BAD_INPUT
    assert "vultus train --list" in capsys.readouterr().err
    assert main(["train", "arcface-tny"]) == ExitCode.BAD_INPUT
    assert "did you mean 'arcface-tiny'?" in capsys.readouterr().err


def test_without_torch_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["train", "--list"]) == ExitCode.UNAVAILABLE
    assert "'torch>=" in capsys.readouterr().err


def test_a_line_says_where_the_run_stands() -> None:
    record = StepRecord(
        step=5, total_steps=10, stage="main", epoch=0.5, loss=1.25, lr=0.1, gradient_norm=2.0,
        images_per_s=120.4, eta_s=3723.0, statistics={"target_angle_deg": 81.26, "other": 3.0},
    )  # fmt: skip
    assert step_text(record) == (
        "main, epoch 0.50, loss 1.250, angle 81.3 deg, lr 0.1, 120 images/s, 1:02:03 left"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_whole_group_saves_and_the_run_goes_on(
    tmp_path: Path, number: int, code: int
) -> None:
    recipe = write_recipe(tmp_path, steps=100_000, workers=1)
    settings = [f"run.output={tmp_path / 'out'}", "run.device=cpu", "run.log_every_steps=1"]
    command = [sys.executable, "-m", "vultus", "train", str(recipe), *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    ) as process:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            if line.startswith("step 3/") and not any("step 3/" in before for before in lines):
                os.killpg(process.pid, number)
            lines.append(line)
    assert process.returncode == code, "".join(lines)
    saved = [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()]
    assert len(saved) == 1
    assert sum(line.startswith("step 3/") for line in lines) == 1
    assert f"stopped and saved at step {int(saved[0][5:13])}; go on" in lines[-1]

import logging
from pathlib import Path

import pytest
import torch

from vultus.core.errors import CheckpointError, InputError
from vultus.training.run.checkpoint import CheckpointFolder


def save(folder: CheckpointFolder, *steps: int) -> None:
    for step in steps:
        folder.save({"step": step, "w": torch.full((3,), float(step))}, step=step)


def damage(path: Path) -> bytes:
    broken = path.read_bytes()[:-1]
    path.write_bytes(broken)
    return broken


def test_the_last_few_are_kept_and_the_newest_loads(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "run" / "checkpoints", keep=2)
    assert folder.latest() is None
    save(folder, 5, 10, 15)
    assert folder.steps() == [10, 15]
    newest = folder.latest()
    assert newest is not None
    assert (newest.step, newest.state["step"]) == (15, 15)
    assert newest.path == folder.file(15)
    assert folder.load(10).state["step"] == 10


def test_steps_sort_as_numbers_beyond_eight_digits(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, keep=2)
    save(folder, 99_999_999, 100_000_000, 100_000_001)
    assert folder.steps() == [100_000_000, 100_000_001]


def test_a_step_saved_again_replaces_itself(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    save(folder, 5)
    folder.save({"again": True}, step=5)
    assert folder.load(5).state == {"again": True}


def test_a_checkpoint_older_than_all_is_not_deleted_at_once(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, keep=1)
    save(folder, 10, 5)
    assert folder.steps() == [5, 10]


def test_a_damaged_newest_is_skipped_and_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = CheckpointFolder(tmp_path)
    save(folder, 1, 2, 3)
    broken = damage(folder.file(3))
    with caplog.at_level(logging.WARNING):
        newest = folder.latest()
    assert newest is not None
    assert newest.step == 2
    assert "is set aside" in caplog.text
    assert (tmp_path / "step-00000003.safetensors.damaged").read_bytes() == broken
    save(folder, 3)
    damage(folder.file(3))
    newest = folder.latest()
    assert newest is not None
    assert newest.step == 2
    assert (tmp_path / "step-00000003.safetensors.damaged-2").exists()


def test_all_damaged_is_an_error_now_and_at_the_next_start(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    save(folder, 1, 2)
    damage(folder.file(1))
    damage(folder.file(2))
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"all are damaged, step-00000002.*is the newest"):
            folder.latest()


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    foreign = ["step-1.safetensors", "notes.txt", "step-00000001.safetensors.bak"]
    for name in foreign:
        (tmp_path / name).write_text("mine")
    folder = CheckpointFolder(tmp_path, keep=1)
    save(folder, 1, 2)
    assert folder.steps() == [2]
    assert all((tmp_path / name).read_text() == "mine" for name in foreign)


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="keep must be an integer of at least 1"):
        CheckpointFolder(tmp_path, keep=0)
    with pytest.raises(InputError, match="step must be an integer of at least 0"):
        CheckpointFolder(tmp_path).save({}, step=-1)
    with pytest.raises(CheckpointError, match="must hold a checkpoint of step 4, has none"):
        CheckpointFolder(tmp_path).load(4)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="must be a folder to write to"):
        CheckpointFolder(tmp_path / "file" / "checkpoints").save({}, step=1)

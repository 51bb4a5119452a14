"""What cannot be done is refused before any photo is looked at, not after hours."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.pipeline.analyser import Analyser

Run = Callable[..., Any]

COMMANDS = {
    "embed": ("embed", "{photos}", "-o", "{target}"),
    "cluster": ("cluster", "{photos}", "--html", "{target}"),
    "find": ("find", "{photo}", "{photos}", "--html", "{target}"),
    "evaluate": ("evaluate", "folder", "--root", "{photos}", "-o", "{target}"),
    "embeddings": ("evaluate", "folder", "--root", "{photos}", "--save-embeddings", "{target}"),
    "calibrate": ("calibrate", "{photos}", "-o", "{target}"),
    "baseline": ("baseline", "fit", "{photos}", "-o", "{target}"),
}
FOLDERS = {
    "evaluate": ("evaluate", "folder", "--root", "{photos}", "--plots", "{target}"),
    "calibrate": ("calibrate", "{photos}", "--plots", "{target}"),
    "align": ("align", "{photos}", "-o", "{target}"),
    "detect": ("detect", "{photos}", "--draw", "{target}"),
    "identify": ("identify", "{photo}", "--gallery", "{photos}", "--draw", "{target}"),
    "find": ("find", "{photo}", "{photos}", "--copy", "{target}"),
    "cluster": ("cluster", "{photos}", "-o", "{target}"),
}


@pytest.fixture
def command(
    run: Run, photos: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[tuple[str, ...], Path], Any]:
    def looked(*given: object, **more: object) -> None:
        raise AssertionError("a photo was looked at")

    for name in ("analyse", "detect", "detect_many", "embed_face", "known_photos"):
        monkeypatch.setattr(Analyser, name, looked)

    def run_words(words: tuple[str, ...], target: Path) -> Any:
        return run(*(w.format(photos=photos, photo=original, target=target) for w in words))

    return run_words


@pytest.mark.parametrize("name", COMMANDS)
def test_files(command: Any, name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for target in ("pipe", "link", ".", "pipe/in"):
        done = command(COMMANDS[name], tmp_path / target)
        assert done.code == 2, target
        assert "folder" in done.err or "never replaced" in done.err or "exists" in done.err
    assert command(COMMANDS[name], Path("/dev/stdout")).code == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "user cache") == [
        "link",
        "pipe",
    ]


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(command: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for target in ("file", "file/in", "link"):
        done = command(FOLDERS[name], tmp_path / target)
        assert done.code == 2
        assert "must be a folder or a new name" in done.err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("far", ["0", "nan", "2", "-1"])
def test_rates(command: Any, far: str, tmp_path: Path) -> None:
    words = ("evaluate", "folder", "--root", "{photos}", "--far", far)
    done = command(words, tmp_path)
    assert done.code == 2
    assert "far must be a number in (0, 1]" in done.err

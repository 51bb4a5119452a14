"""A folder of people to run commands on, and a way to run them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.cli.main import main
from vultus.image.demo_photos import write_demo_photos


@dataclass(frozen=True)
class Outcome:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache of the test's own."""
    folder = tmp_path / "user cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("VULTUS_HOME", raising=False)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*argv: str | Path) -> Outcome:
        arguments: Sequence[str] = [str(argument) for argument in argv]
        code = main(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run_command


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's photos: two people, a folder each, and three special photos."""
    folder = tmp_path_factory.mktemp("photos")
    write_demo_photos(folder)
    (folder / "broken.jpg").write_bytes(np.arange(100, dtype=np.uint8).tobytes())
    return folder


@pytest.fixture
def original(photos: Path) -> Path:
    """Grace Hopper's portrait, unaltered."""
    return photos / "Grace Hopper" / "0-original.jpg"

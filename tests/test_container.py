"""What can be said of the container without building it; the guide says how it was run."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.server.conftest import *  # noqa: F403
from tests.server.conftest import running

from vultus.cli.main import main
from vultus.server.context import Context
from vultus.server.settings import ServerSettings

ROOT = Path(__file__).parent.parent
FILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")


def _joined() -> str:
    return FILE.replace("\\\n", " ")


def test_what_is_copied_is_there_and_what_it_installs_is_an_extra() -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", FILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    (extras,) = re.findall(r'"\.\[(.+?)\]"', FILE)
    known = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[", known, re.MULTILINE), extra


def test_it_runs_as_nobody_in_particular_with_nothing_to_write_but_its_data() -> None:
    last = FILE.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert last.index("USER ") < last.index("ENTRYPOINT")
    assert "read_only: true" in COMPOSE
    assert "cap_drop: [ALL]" in COMPOSE
    assert '"127.0.0.1:8000:8000"' in COMPOSE
    assert "- data:/data" in COMPOSE


def test_the_command_and_its_settings_are_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (words,) = re.findall(r"^ENTRYPOINT (\[.+\])$", _joined(), re.MULTILINE)
    program, command, *options = json.loads(words)
    assert (program, command) == ("vultus", "serve")
    for name, value in re.findall(r"VULTUS_SERVER_(\w+)=(\w+)", FILE):
        monkeypatch.setenv(f"VULTUS_SERVER_{name}", value)
        assert name.lower() in ServerSettings.model_fields
    assert main(["serve", *options]) == 2  # there is no /data here
    assert "must be a folder that is there" in capsys.readouterr().err


def test_the_check_of_health_says_whether_it_answers(context: Context) -> None:
    (words,) = re.findall(r"HEALTHCHECK .+? CMD (\[.+?\])\n", _joined())
    _, flag, code = json.loads(words)
    (composed,) = re.findall(r"test: (\[.+\])$", COMPOSE, re.MULTILINE)
    assert json.loads(composed) == ["CMD", *json.loads(words)]
    with running(context) as address:
        assert urllib.request.urlopen(f"{address}/health/ready").status == 200
        there = [sys.executable, flag, code.replace("http://127.0.0.1:8000", address)]
        assert subprocess.run(there, check=False).returncode == 0
    gone = subprocess.run(there, check=False, capture_output=True)
    assert gone.returncode != 0

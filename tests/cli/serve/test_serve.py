import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import jpeg

from vultus.cli.main import main
from vultus.core.faces import Image


def test_served_until_it_is_stopped(tmp_path: Path, tiny_model: Path, hopper: Image) -> None:
    arguments = [
        "--gallery",
        str(tmp_path / "people.db"),
        "--port",
        "0",
        "--model",
        str(tiny_model),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "vultus", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        key = process.stdout.readline().split()[-1]
        address = process.stderr.readline().split()[1].rstrip(";")
        assert httpx.get(f"{address}/health/ready").json()["galleries"] == 1
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{address}/v1/galleries/people", headers=headers).is_success
        files = {name: jpeg(hopper) for name in ("a", "b")}
        refused = httpx.post(
            f"{address}/v1/verify?fmr=1e-9", files=files, headers=headers, timeout=60
        )
        # Who asks over HTTP did not type the command's options.
        assert "threshold=" in refused.json()["detail"]
        assert "--" not in refused.json()["detail"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    finally:
        process.kill()
        process.communicate()
    assert key not in (tmp_path / "people.db-keys.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a gallery's file"),
        (["--gallery", "a.db", "--port", "70000"], "65535"),
        (["--gallery", "a.db", "--tls-key", "k"], "go together"),
        (["--data", "nowhere"], "must be a folder"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_without_its_packages_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "vultus.server.settings", raising=False)
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    assert main(["serve", "--gallery", "a.db"]) == 3
    assert "run: pip install" in (error := capsys.readouterr().err)
    assert "pydantic_settings" in error

"""The TypeScript of the guide, made and run as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vultus.server.access import Role
from vultus.server.context import Context

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "client.md"
BLOCKS = re.findall(
    r"```(?:sh|ts)\n(.*?)```", GUIDE.read_text("utf-8").split("## TypeScript")[1], re.DOTALL
)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=240
    )
    assert not done.returncode, done.stdout + done.stderr
    return done


@pytest.mark.network
@pytest.mark.skipif(shutil.which("npx") is None, reason="needs Node's npm and npx")
def test_the_guides_client_is_checked_and_names_who_was_enrolled(
    context: Context, address: str, hopper_jpeg: bytes, tmp_path: Path
) -> None:
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    fetch, program, check_and_run = BLOCKS[:3]
    check, start = check_and_run.splitlines()
    (tmp_path / "attendance.ts").write_text(program, "utf-8")
    (tmp_path / "ada.jpg").write_bytes(hopper_jpeg)
    run(fetch.replace("http://127.0.0.1:8000", address), tmp_path)
    run(check, tmp_path)
    (tmp_path / "admin.key").write_text(context.keys.add(Role.admin)[1])
    started = start.replace("http://127.0.0.1:8000", address).replace("party.jpg", "ada.jpg")
    answered = run(started, tmp_path).stdout
    enrolled, seen = answered.splitlines()
    assert enrolled == "Ada"
    assert re.fullmatch(r"Ada 1(\.0\d*)? 0\.\d+|Ada 0\.99\d* 0\.\d+", seen)
    # A field that is none is found before anything is sent.
    (tmp_path / "attendance.ts").write_text(program.replace("face.identity", "face.name"), "utf-8")
    with pytest.raises(AssertionError, match="Property 'name' does not exist"):
        run(check, tmp_path)

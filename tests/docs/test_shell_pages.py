"""The commands of the quick start and of the guide to a model of one's own, run in their order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from tests.docs.blocks import ROOT, blocks
from tests.docs.world import drawn_people, make_world

from vultus.core.faces import Image
from vultus.image.demo_photos import COLLINS, HOPPER
from vultus.image.io import read_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_PEOPLE = 170  # enough to carry FMR 1e-3, and with every third laid aside FMR 1e-2
_KEEP_ALL = """sed -i 's/"action": "[a-z_]*"/"action": "keep"/' audit/manifest.jsonl"""
# A service runs until it is told to stop.
_SHIM = """#!/bin/sh
test "$1" = serve && until="timeout --foreground --signal INT --preserve-status 40"
$until {python} -m vultus "$@" >> out.log 2>&1
code=$?
echo "$code vultus $*" >> codes.log
exit $code
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    folder = tmp_path / "world"
    folder.mkdir()
    make_world(folder)
    return folder


def _run(page: Path, folder: Path) -> list[str]:
    """Run the shell blocks of a page; gives each command with its exit code in front.

    What installs is left out, and where the page has one look at an audit, all is kept: drawn faces
    are all one person to a network that knows real ones.
    """
    command = folder.parent / "bin" / "vultus"
    command.parent.mkdir()
    command.write_text(_SHIM.format(python=sys.executable), encoding="utf-8")
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "VULTUS_HOME": str(folder.parent / "home"),
        "OMP_NUM_THREADS": "1",
    }
    for block in blocks(page, "sh"):
        if "make " not in block.code:
            code = re.sub(r"^pip .*$", "", block.code, flags=re.MULTILINE)
            code = re.sub(r"^# look at .*$", _KEEP_ALL, code, flags=re.MULTILINE)
            subprocess.run(["bash", "-c", code], cwd=folder, env=environment, check=False)
    return (folder / "codes.log").read_text(encoding="utf-8").splitlines()


def _write_clip(path: Path, image: Image) -> None:
    """Two seconds of one photo; its sides are made even."""
    height, width = (side // 2 * 2 for side in image.shape[:2])
    with av.open(str(path), "w") as file:
        stream = file.add_stream("h264", rate=12)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(24):
            frame = av.VideoFrame.from_ndarray(image[:height, :width].copy(), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def test_the_commands_of_the_quick_start_run(world: Path) -> None:
    shutil.rmtree(world / "crops")
    shutil.rmtree(world / "runs")
    drawn_people(world / "my_people", people=_PEOPLE)
    _write_clip(world / "door.mp4", read_image(world / "ada-1.jpg"))
    codes = _run(ROOT / "README.md", world)
    assert len(codes) == 18
    assert "serving http" in (world / "out.log").read_text("utf-8")
    assert "recognised" in (world / "events.jsonl").read_text("utf-8")
    # One of the two at the party is not enrolled, and a service ends by being stopped.
    ends = {"vultus gallery identify": "1", "vultus serve": "130"}
    wrong = [
        line
        for line in codes
        if line.split()[0] != next((ends[one] for one in ends if f" {one}" in line), "0")
    ]
    assert wrong == [], (world / "out.log").read_text("utf-8")


@pytest.mark.models
def test_the_guide_to_a_model_of_ones_own_runs(world: Path, mirror: Path) -> None:
    for name in ("photos", "runs"):
        shutil.rmtree(world / name)
    drawn_people(world / "photos", people=_PEOPLE)
    shutil.copytree(world / "party", world / "new-photos")
    page = ROOT / "docs" / "guide" / "train_your_own.md"
    (recipe,) = blocks(page, "toml")
    (world / "mine.toml").write_text(recipe.code, encoding="utf-8")
    codes = _run(page, world)
    assert len(codes) == 14
    # Whether faces match is up to the network that comes out.
    wrong = [line for line in codes if line[0] not in "01"]
    assert wrong == [], (world / "out.log").read_text("utf-8")
    assert {HOPPER, COLLINS} <= set(os.listdir(world / "staff"))

"""The commands of the quick start and of the guide to a model of one's own, run in their order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.blocks import ROOT, blocks
from tests.docs.world import drawn_people, make_world

from vultus.image.demo_photos import COLLINS, HOPPER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_PEOPLE = 170  # enough to carry FMR 1e-3, and with every third laid aside FMR 1e-2
_KEEP_ALL = """sed -i 's/"action": "[a-z_]*"/"action": "keep"/' audit/manifest.jsonl"""
_SHIM = """#!/bin/sh
{python} -m vultus "$@" >> out.log 2>&1
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


def test_the_commands_of_the_quick_start_run(world: Path) -> None:
    shutil.rmtree(world / "crops")
    shutil.rmtree(world / "runs")
    drawn_people(world / "my_people", people=_PEOPLE)
    codes = _run(ROOT / "README.md", world)
    assert len(codes) == 14
    # One of the two at the party is not enrolled.
    wrong = [line for line in codes if line[0] != ("1" if "gallery identify" in line else "0")]
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

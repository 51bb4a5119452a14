"""Every Python block of the documentation runs as it is written.

The blocks of a page run in order, in one namespace, in a folder that holds what the page speaks of
(`tests/docs/world.py`). What cannot run in a test has ``<!-- not run: why -->`` above it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.docs.blocks import PAGES, ROOT, Block, blocks

_LIMIT_S = 280
_MOST_NOT_RUN = 3

_PYTHON = [(page, block) for page in PAGES for block in blocks(page, "python")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """What went wrong, by page and block. One process, so that models are opened once."""
    folder = tmp_path_factory.mktemp("pages")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",  # threads that wait for each other cost most on a busy machine
        "VULTUS_HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    environment.pop("VULTUS_MODELS_MIRROR", None)  # a reader has the package alone
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_pages", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    return {(one["page"], one["block"]): one["error"] for one in told}


@pytest.mark.parametrize(("page", "block"), _PYTHON, ids=[f"{p.stem}-{b.name}" for p, b in _PYTHON])
def test_a_block_runs_as_it_is_written(
    outcomes: dict[tuple[str, str], str], page: Path, block: Block
) -> None:
    if block.reason:
        pytest.skip(f"{block.name}: {block.reason}")
    assert outcomes[page.relative_to(ROOT).as_posix(), block.name] == ""


def test_few_blocks_are_not_run() -> None:
    left_out = {block.name: block.reason for _, block in _PYTHON if block.reason}
    assert len(left_out) <= _MOST_NOT_RUN, left_out

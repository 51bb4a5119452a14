"""Write requirements/lock.txt: the exact versions of everything that `pip install .[dev]` brings.

Builds a fresh virtual environment in a temporary folder, so the result does not depend on what is
installed here. Local version labels (``+cpu``) are dropped, so that pip may take any build.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
HEADER = """\
# Exact versions for every verb of the Makefile. Renew with `make lock`.
# No hashes, on purpose: pip checks those of all packages or of none, and torch has several files
# of this very version (PyPI's with CUDA, the CPU builds of download.pytorch.org), of which it takes
# the one that it sees; nor can the package itself, installed editable beside them, have one.
# For checked files make your own list of hashes: CONTRIBUTING.md, "The lock".
"""
# Pinned on purpose, not to the newest: a CPU build of this version is the one kept at hand.
TORCH = "torch==2.13.0"


def main() -> None:
    """Resolve, freeze, write."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--upgrade", "pip", "hatchling", "editables"], check=True)
        subprocess.run([*install, "--no-build-isolation", TORCH, f"{ROOT}[dev]"], check=True)
        frozen = subprocess.run(
            [python, "-m", "pip", "freeze", "--all", "--exclude", "vultus"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    pins = [line.split(" @ ")[0].split("+")[0] for line in frozen.splitlines()]
    LOCK.write_text(HEADER + "\n".join(pins) + "\n")


if __name__ == "__main__":
    main()

"""Mutated files through `read_image`: no crash, no hang, one error type, bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vultus.image.io import MAX_PIXELS

WORKER = Path(__file__).with_name("fuzz_worker.py")
DECODED_BYTES_PER_PIXEL = 4  # what Pillow takes for a decoded colour pixel


def fuzz(seed: int, count: int, folder: Path, *, timeout_s: float) -> dict[str, Any]:
    progress = folder / "progress"
    done = subprocess.run(
        [sys.executable, str(WORKER), str(seed), str(count), str(progress)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    at = progress.read_text() if progress.exists() else "start"
    assert done.returncode == 0, (
        f"seed {seed}, mutation {at}: exit {done.returncode}\n{done.stderr[-2000:]}"
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def check(report: dict[str, Any], count: int) -> None:
    assert report["n"] == count
    assert set(report["outcomes"]) == {"read", "refused"}, report
    assert min(report["outcomes"].values()) > count / 20, "mutations are all harmless or all fatal"
    assert report["peak_growth_bytes"] < 2 * MAX_PIXELS * DECODED_BYTES_PER_PIXEL


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    check(fuzz(1, 300, tmp_path, timeout_s=120), 300)


@pytest.mark.slow
def test_ten_thousand_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    report = fuzz(2, 10_000, tmp_path, timeout_s=280)
    check(report, 10_000)

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def killed(folder: Path, rounds: int) -> dict[str, object]:
    command = [sys.executable, "-m", "tests.video.killed_watches", str(folder), str(rounds)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_watch_that_is_killed_tells_what_a_whole_one_tells(tmp_path: Path) -> None:
    told = killed(tmp_path, 4)
    assert told["different"] == []
    assert int(str(told["kills"])) >= 4
    assert int(str(told["events"])) >= 15


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_so_do_two_hundred(tmp_path: Path) -> None:
    rounds = int(os.environ.get("VULTUS_ROUNDS", "200"))
    told = killed(tmp_path, rounds)
    assert told["different"] == []
    assert int(str(told["kills"])) >= rounds

"""Nothing acknowledged is lost, and nothing is half done, when a process is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vultus.gallery.gallery import Gallery

ENROLLER = """
import sys
import numpy as np
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery

space = EmbeddingSpace("toy", "0" * 64, "none", 128)
with Gallery.open(sys.argv[1], space=space) as gallery:
    for i in range(int(sys.argv[2]), 10**6):
        raw = np.random.default_rng([i, 7]).standard_normal((2, 128)) * 0.3
        raw += np.random.default_rng([i]).standard_normal(128)
        gallery.enroll(f"person {i}", Embeddings.from_raw(raw, space))
        print(i, flush=True)
"""


def kill_rounds(path: Path, rounds: int) -> None:
    acknowledged = -1
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        child = subprocess.Popen(
            [sys.executable, "-c", ENROLLER, str(path), str(acknowledged + 1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        with child.stdout as out:
            for _ in range(int(rng.integers(2, 20))):
                acknowledged = int(out.readline())
            child.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, out.read().split())])
        child.wait()
        with Gallery.open(path) as gallery:
            people = [(person.identity, person.n_photos) for person in gallery.identities()]
            gallery.template_set()
        # Each is there whole; the one being enrolled when the kill came may be there as well.
        complete = [(f"person {i}", 2) for i in range(len(people))]
        assert people == complete
        assert acknowledged < len(people) <= acknowledged + 2
        acknowledged = len(people) - 1


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "g.db", 3)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_in_many_rounds(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "g.db", 40)

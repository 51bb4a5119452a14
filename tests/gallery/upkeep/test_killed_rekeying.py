"""A change of key that is killed is done or not done, never in between."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryKeyError
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey

ONE, TWO = MasterKey(bytes(range(32))), MasterKey(bytes(range(32, 64)))
ENDLESS = """
import sys
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.rekeying import rekey
keys = [MasterKey(bytes(range(32))), MasterKey(bytes(range(32, 64)))]
if sys.argv[2] == "1":
    keys.reverse()
while True:
    rekey(sys.argv[1], keys[1], key=keys[0], deep=True)
    keys.reverse()
    print("done once", flush=True)  # the next will be killed
"""


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_change_of_key_is_whole_or_none(
    tmp_path: Path, space: EmbeddingSpace, photos_of: Callable[..., Embeddings], times: int
) -> None:
    path, rng = tmp_path / "people.db", random.Random(0)
    with Gallery.open(path, space=space, key=ONE) as gallery:
        for person in range(30):
            gallery.enroll(f"person {person}", photos_of(person))
    found = set()
    for _ in range(times):
        now = opened_by(path)
        found.add(now)
        command = [sys.executable, "-c", ENDLESS, str(path), str(now)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
    found.add(opened_by(path))
    assert times < 20 or found == {0, 1}


def opened_by(path: Path) -> int:
    """Which of the two keys opens the gallery, in which nothing is wrong."""
    for number, key in enumerate((ONE, TWO)):
        try:
            with Gallery.open(path, key=key) as gallery:
                assert gallery.check() == []
                assert len(gallery) == 30
                assert gallery.person("person 7").n_photos == 1
                return number
        except GalleryKeyError:
            continue
    raise AssertionError("neither key opens it")

"""Nothing acknowledged is lost, and nothing is half done, when a process is killed."""

import os
import shutil
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.killing import killed_at
from tests.gallery.rounds import rounds

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 128)
KEY = MasterKey(bytes(range(32)))
Work = Callable[[str, int, MasterKey | None, Connection], None]
AFRESH = 25
"""Rounds after which a gallery is begun anew, so that checking all of it stays quick."""


def photos(person: int) -> Embeddings:
    raw = np.random.default_rng([person, 7]).standard_normal((2, 128)) * 0.3
    return Embeddings.from_raw(raw + np.random.default_rng([person]).standard_normal(128), SPACE)


def enrol(path: str, first: int, key: MasterKey | None, told: Connection) -> None:
    with Gallery.open(path, space=SPACE, key=key) as gallery:
        for person in range(first, 10**6):
            gallery.enroll(f"person {person}", photos(person))
            told.send(person)


def erase(path: str, first: int, key: MasterKey | None, told: Connection) -> None:
    with Gallery.open(path, key=key) as gallery:
        for person in range(first, first + len(gallery)):
            gallery.remove(f"person {person}")
            told.send(person)


def kill(
    work: Work, path: Path, first: int, key: MasterKey | None, rng: np.random.Generator
) -> int:
    """Let a process work from a person on, and kill it; gives the last person acknowledged."""
    preload = "vultus.gallery.gallery"
    given = (str(path), first, key)
    return killed_at(work, *given, start=first - 1, most=7, preload=preload, rng=rng)


def people_of(path: Path, key: MasterKey | None) -> list[tuple[str, int]]:
    with Gallery.open(path, key=key) as gallery:
        assert gallery.check() == []
        assert len(gallery.template_set()) == len(gallery)
        return [(person.identity, person.n_photos) for person in gallery.identities()]


def kill_enrolments(folder: Path, times: int, key: MasterKey | None) -> None:
    rng = np.random.default_rng(0)
    first = 0
    for number in range(times):
        path = folder / f"{number // AFRESH}.db"
        first = 0 if number % AFRESH == 0 else first
        acknowledged = kill(enrol, path, first, key=key, rng=rng)
        people = people_of(path, key)
        # Each is there whole; the one being enrolled when the kill came may be there as well.
        assert people == [(f"person {i}", 2) for i in range(len(people))]
        assert acknowledged + 1 <= len(people) <= acknowledged + 2
        first = len(people)


def kill_erasures(folder: Path, times: int, key: MasterKey | None) -> None:
    rng = np.random.default_rng(0)
    full, path = folder / "full.db", folder / "g.db"
    n = 15 * min(times, AFRESH)
    with (
        Gallery.open(full, space=SPACE, key=key) as gallery,
        gallery.opened.store.transaction(write=True),
    ):
        for person in range(n):
            gallery.enroll(f"person {person}", photos(person))
    first = 0
    for number in range(times):
        if number % AFRESH == 0:
            Path(f"{path}-erased").unlink(missing_ok=True)
            shutil.copyfile(full, path)
            first = 0
        acknowledged = kill(erase, path, first, key=key, rng=rng)
        people = people_of(path, key)
        gone = n - len(people)
        assert people == [(f"person {i}", 2) for i in range(gone, n)]
        assert acknowledged + 1 <= gone <= acknowledged + 2
        first = gone
        if number % AFRESH in (0, AFRESH - 1) or number == times - 1:
            shutil.copyfile(full, path)  # a backup in its place brings nobody back
            assert people_of(path, key) == people


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    kill_enrolments(tmp_path, 3, None)


def test_nobody_erased_comes_back_when_the_process_is_killed(tmp_path: Path) -> None:
    kill_erasures(tmp_path, 3, None)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.name != "posix", reason="kills")
@pytest.mark.parametrize("key", [None, KEY], ids=["without key", "with key"])
@pytest.mark.parametrize("times", [kill_enrolments, kill_erasures])
def test_many_kills(
    tmp_path: Path, times: Callable[[Path, int, MasterKey | None], None], key: MasterKey | None
) -> None:
    times(tmp_path, rounds(25), key)

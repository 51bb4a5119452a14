"""Exactly one event per id, and each with its checkpoint, however often the writer is killed."""

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.killing import killed_at
from tests.gallery.rounds import rounds

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 64)
KEY = MasterKey(bytes(range(32)))
WINDOW = 3
"""Frames in which a person is told once."""
AFRESH = 50
N_PROCESSES = 8


def make(path: Path, key: MasterKey | None) -> None:
    with Gallery.open(path, space=SPACE, key=key) as gallery:
        for name, row in zip(("Ann", "Bob"), np.eye(64)[:2], strict=True):
            gallery.enroll(name, Embeddings.from_raw(row[None], SPACE))


def events_of(frame: int, people: list[str]) -> list[NewEvent]:
    """What a camera tells of a frame: one of two people once a window, now and then nobody."""
    who = people[frame // 7 % 2]
    found = [
        NewEvent(
            type="recognised",
            id=f"door/{who}/{frame // WINDOW}",
            at=f"2026-11-30T10:{frame // 60 % 60:02}:{frame % 60:02}",
            source="door",
            person=who,
        )
    ]
    if frame % 5 == 0:
        found.append(NewEvent(type="unknown", id=f"door/unknown/{frame}", source="door"))
    return found


def watch(path: Path, key: MasterKey | None, told: Connection) -> None:
    """Go on where the last one was killed, a transaction for each frame."""
    with Gallery.open(path, key=key) as gallery:
        log = EventLog(gallery)
        people = [person.uid for person in gallery.people()]
        done = log.checkpoint("door")
        frame = 0 if done is None else int(done["frame"]) + 1
        while True:
            with log.transaction():
                log.extend(events_of(frame, people))
                log.set_checkpoint("door", {"frame": frame})
            told.send(frame)
            frame += 1


def kill(path: Path, key: MasterKey | None, rng: np.random.Generator) -> int:
    """Let a process watch, and kill it; gives the last frame acknowledged."""
    preload = "vultus.gallery.events.log"
    return killed_at(watch, path, key, start=-1, most=9, preload=preload, rng=rng)


def due(frames: int, people: list[str]) -> list[tuple[str, str | None]]:
    """Ids and people of an unkilled run over so many frames, in order."""
    told: dict[str, str | None] = {}
    for frame in range(frames):
        for event in events_of(frame, people):
            told.setdefault(event.id, event.person)
    return list(told.items())


def kill_writers(folder: Path, times: int, key: MasterKey | None) -> None:
    rng = np.random.default_rng(0)
    for number in range(times):
        path = folder / f"{number // AFRESH}.db"
        if number % AFRESH == 0:
            make(path, key)
        acknowledged = kill(path, key, rng)
        with Gallery.open(path, key=key) as gallery:
            log = EventLog(gallery)
            frames = log.checkpoint("door")["frame"] + 1
            # The frame that was being committed when the kill came may be there as well.
            assert acknowledged + 1 <= frames <= acknowledged + 2
            people = [person.uid for person in gallery.people()]
            events = log.read(limit=10**6)
            assert [(event.id, event.person) for event in events] == due(frames, people)
            assert [event.position for event in events] == list(range(1, len(events) + 1))
            assert gallery.check() == []


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_a_killed_writer_leaves_the_log_of_an_unkilled_one(tmp_path: Path) -> None:
    kill_writers(tmp_path, 4, None)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.name != "posix", reason="kills")
@pytest.mark.parametrize("key", [None, KEY], ids=["without key", "with key"])
def test_many_kills_leave_the_log_of_an_unkilled_run(tmp_path: Path, key: MasterKey | None) -> None:
    kill_writers(tmp_path, rounds(20), key)


def write_the_same(path: Path, key: MasterKey | None, who: int, frames: int) -> None:
    with Gallery.open(path, key=key) as gallery:
        log = EventLog(gallery)
        people = [person.uid for person in gallery.people()]
        for frame in range(frames):
            log.extend(events_of(frame, people))
            log.append(NewEvent(type="left", id=f"{who}/{frame}"))


def follow(path: Path, key: MasterKey | None, n: int, told: Connection) -> None:
    with Gallery.open(path, key=key) as gallery:
        told.send("ready")
        found = []
        for event in EventLog(gallery).follow(after=0, poll_s=0.005):
            found.append((event.position, event.id))
            if len(found) == n:
                break
        told.send(found)


@pytest.mark.parametrize("key", [None, KEY], ids=["without key", "with key"])
def test_eight_processes_write_the_same_ids_once(tmp_path: Path, key: MasterKey | None) -> None:
    path, frames = tmp_path / "g.db", min(rounds(6), 40)
    make(path, key)
    with Gallery.open(path, key=key) as gallery:
        people = [person.uid for person in gallery.people()]
    ids = dict(due(frames, people))
    n = len(ids) + N_PROCESSES * frames
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe(duplex=False)
    reader = context.Process(target=follow, args=(path, key, n, there))
    reader.start()
    assert here.recv() == "ready"
    writers = [
        context.Process(target=write_the_same, args=(path, key, who, frames))
        for who in range(N_PROCESSES)
    ]
    for child in writers:
        child.start()
    for child in (*writers, reader):
        child.join()
    assert [child.exitcode for child in (*writers, reader)] == [0] * (N_PROCESSES + 1)
    with Gallery.open(path, key=key) as gallery:
        events = EventLog(gallery).read(limit=10**6)
        assert len(events) == n
        found = {event.id: event.person for event in events}
        own = {f"{who}/{frame}": None for who in range(N_PROCESSES) for frame in range(frames)}
        assert found == {**ids, **own}
        assert here.recv() == [(event.position, event.id) for event in events]
        assert gallery.check() == []

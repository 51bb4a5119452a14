"""Watches a film again and again, killed at random points; prints what came of it as JSON.

A process of its own that forks: starting Python for each kill would take most of the time.
"""

import json
import mmap
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.video.world import SPACE, Script, Walk, enrolled

from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.video.event_lines import EventLines
from vultus.video.frame import Frame
from vultus.video.passages.judge import JudgeSettings
from vultus.video.shown import Shown, WatchCounts
from vultus.video.watcher import Watcher, WatchSettings

SETTINGS = WatchSettings(judge=JudgeSettings(threshold=0.6), window_s=2.5, commit_s=0.5)
SCRIPT = Script(
    [
        Walk(1, 5, 40),
        Walk(9, 20, 60, (400, 300), (500, 300)),
        Walk(2, 75, 120, (100, 100), (200, 100), becomes=1),
        Walk(1, 165, 185),
        Walk(8, 175, 200, (400, 300), (500, 300), poor=True),
        Walk(2, 205, 230),
    ],
    n_frames=250,
)


AT = mmap.mmap(-1, 4)
"""At which frame the child is; shared with it."""


def watch(folder: Path) -> None:
    """Watch to the end, writing lines as a command does."""
    with Gallery.open(folder / "people.db") as gallery:

        def look(frame: Frame, shown: list[Shown], counts: WatchCounts) -> None:
            lines.catch_up()
            AT[:4] = frame.number.to_bytes(4, "little")
            time.sleep(0.001)

        watcher = Watcher(SCRIPT.recogniser(), gallery, SCRIPT, settings=SETTINGS, on_frame=look)
        lines = EventLines(folder / "events.jsonl", watcher.journal.log, source=SCRIPT.name)
        lines.catch_up()
        watcher.run()
        lines.catch_up()
        lines.close()


def told(folder: Path) -> tuple[list[Any], list[Any]]:
    """The events of the log, and of the lines."""
    with Gallery.open(folder / "people.db") as gallery:
        log = [
            (e.id, e.type, e.at, e.person, dict(e.data)) for e in EventLog(gallery).read(limit=999)
        ]
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return log, [(line["id"], line["type"], line["at"], line["uid"]) for line in lines]


def killed(folder: Path, rng: random.Random) -> int:
    """Watch, kill, watch on, until it comes to its end; how often it was killed."""
    for kills in range(1000):
        AT[:4] = bytes(4)
        child = os.fork()
        if child == 0:
            watch(folder)
            os._exit(0)
        # The first runs are killed, each somewhere in the film: this machine may be slow or quick.
        target, done = rng.randrange(SCRIPT.n_frames), 0
        while kills < 3 and not done and int.from_bytes(AT[:4], "little") < target:
            done, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.0005)
        if kills < 3 and not done:
            time.sleep(rng.uniform(0, 0.005))
            os.kill(child, signal.SIGKILL)
        if not done:
            _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return kills
    raise AssertionError("it never ended")


def main(folder: Path, rounds: int) -> None:
    base, whole = folder / "base", folder / "whole"
    base.mkdir()
    with Gallery.open(base / "people.db", space=SPACE, outlier_similarity=0.5) as gallery:
        enrolled(gallery, 1, 2)
    shutil.copytree(base, whole)
    watch(whole)
    wanted, different, kills = told(whole), [], 0
    assert wanted[1] == [one[:4] for one in wanted[0]]
    for number in range(rounds):
        once = folder / f"round{number}"
        shutil.copytree(base, once)
        kills += killed(once, random.Random(number))
        if told(once) != wanted:
            different.append(number)
        shutil.rmtree(once)
    print(json.dumps({"events": len(wanted[0]), "kills": kills, "different": different}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

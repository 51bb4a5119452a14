"""Watches a film again and again, killed at random points; prints what came of it as JSON.

A process of its own that forks: starting Python for each kill would take most of the time.
"""

import json
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

SETTINGS = WatchSettings(judge=JudgeSettings(threshold=0.6), window_s=0.8, commit_s=0.5)
SCRIPT = Script(
    [
        Walk(1, 5, 40),
        Walk(9, 20, 60, (400, 300), (500, 300)),
        Walk(2, 75, 120, (100, 100), (200, 100), becomes=1),
        Walk(1, 150, 170),
        Walk(8, 160, 190, (400, 300), (500, 300), poor=True),
        Walk(2, 200, 230),
    ],
    n_frames=250,
)


def watch(folder: Path, *, pause_s: float) -> None:
    """Watch to the end, writing lines as a command does."""
    with Gallery.open(folder / "people.db") as gallery:

        def look(frame: Frame, shown: list[Shown], counts: WatchCounts) -> None:
            lines.catch_up()
            time.sleep(pause_s)

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


def killed(folder: Path, rng: random.Random, longest_s: float) -> int:
    """Watch, kill, watch on, until it comes to its end; how often it was killed."""
    for kills in range(1000):
        child = os.fork()
        if child == 0:
            watch(folder, pause_s=0.001)
            os._exit(0)
        # The first runs are killed; from some time on one may come through.
        if kills < 3:
            time.sleep(rng.uniform(0, longest_s))
            os.kill(child, signal.SIGKILL)
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
    started = time.monotonic()
    watch(whole, pause_s=0.001)
    longest_s = 1.1 * (time.monotonic() - started)
    wanted, different, kills = told(whole), [], 0
    assert wanted[1] == [one[:4] for one in wanted[0]]
    for number in range(rounds):
        once, rng, died = folder / f"round{number}", random.Random(number), 0
        while not died:  # else it came through: this machine had more time for it
            shutil.rmtree(once, ignore_errors=True)
            shutil.copytree(base, once)
            died = killed(once, rng, longest_s)
            longest_s *= 1.0 if died else 0.9
        kills += died
        if told(once) != wanted:
            different.append(number)
        shutil.rmtree(once)
    print(json.dumps({"events": len(wanted[0]), "kills": kills, "different": different}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""What an event costs to write and to read, in a gallery of many: CPU times, medians.

``python -m benchmarks.event_log --events 1000000 --out table.md``
"""

import argparse
import itertools
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 64)
N_PEOPLE = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)
DATA = {"similarity": 0.7123, "threshold": 0.5231, "fpir": 0.001, "track": 7, "start_s": 1.25}


def event(number: int, people: list[str]) -> NewEvent:
    """Each third of nobody, one of a thousand of a rare type, half a minute apart."""
    unknown = number % 3 == 0
    return NewEvent(
        type="refused" if number % 1000 == 999 else "unknown" if unknown else "recognised",
        id=f"camera/{number}",
        at=(START + timedelta(seconds=30 * number)).isoformat(),
        source="camera",
        person=None if unknown else people[number * 7919 % len(people)],
        data=DATA,
    )


def cpu_ms(task: Callable[[], object], times: int) -> float:
    """Median CPU time of this process, in milliseconds."""
    took = []
    for _ in range(times):
        start = time.process_time()
        task()
        took.append(time.process_time() - start)
    return 1000 * float(np.median(took))


def fill(gallery: Gallery, first: int, last: int) -> None:
    log, people = EventLog(gallery), [person.uid for person in gallery.people()]
    for start in range(first, last, 1000):
        log.extend([event(n, people) for n in range(start, min(start + 1000, last))])


def measured(gallery: Gallery) -> dict[str, float]:
    """What was done -> CPU time in milliseconds."""
    log, people = EventLog(gallery), [person.uid for person in gallery.people()]
    n = log.position()
    numbers = itertools.count(10**9 + n)
    late = (START + timedelta(seconds=30 * (n - 50_000))).isoformat()

    def frame() -> None:
        with log.transaction():
            log.append(event(next(numbers), people))
            log.set_checkpoint("camera", {"frame": n})

    return {
        "write one, durable": cpu_ms(lambda: log.append(event(next(numbers), people)), 200),
        "write one and a checkpoint, durable": cpu_ms(frame, 200),
        "write one that is there": cpu_ms(lambda: log.append(event(5, people)), 200),
        "read 100 from the middle": cpu_ms(lambda: log.read(after=n // 2), 50),
        "read 100 of a type of 1 in 1000": cpu_ms(lambda: log.read(types=["refused"]), 20),
        "read 100 of one person": cpu_ms(lambda: log.read(person=people[5]), 20),
        "read 100 since a time": cpu_ms(lambda: log.read(since=late), 20),
        "look for news": cpu_ms(lambda: [log.wait(n + 10**6, timeout_s=0) for _ in range(100)], 10)
        / 100,
        "count by type": cpu_ms(log.counts, 20),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    sizes, rows = (asked.events // 100, asked.events), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.db"
        with Gallery.open(path, space=SPACE, key=MasterKey(bytes(range(32)))) as gallery:
            raw = np.random.default_rng(0).standard_normal((N_PEOPLE, SPACE.dim))
            with gallery.opened.store.transaction(write=True):
                for number in range(N_PEOPLE):
                    gallery.enroll(
                        f"p {number}", Embeddings.from_raw(raw[number : number + 1], SPACE)
                    )
            first = 0
            for size in sizes:
                fill(gallery, first, size)
                first = size
                rows.append(measured(gallery))
            megabytes = path.stat().st_size / 1e6
    text = table(sizes, rows, megabytes)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


def table(sizes: tuple[int, ...], rows: list[dict[str, float]], megabytes: float) -> str:
    head = " | ".join(f"{size:,} events" for size in sizes)
    lines = [
        f"CPU time in ms, medians, of one process; sealed gallery of {N_PEOPLE:,} people; "
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}. The file had {megabytes:,.0f} MB at the end.",
        "",
        f"| | {head} |",
        "|---|" + "---:|" * len(sizes),
    ]
    for name in rows[0]:
        figures = " | ".join(f"{row[name]:.3f}" for row in rows)
        lines += [f"| {name} | {figures} |"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

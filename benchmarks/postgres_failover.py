"""kill -9 of a PostgreSQL primary under load, its standby promoted: what is lost, and for how long.

Processes enrol people, one after the other, into one gallery by a URL with both servers. The
primary's processes are killed, all of them; the standby, which is synchronous, is promoted at once;
the old primary becomes its standby, from a new copy; and again. Who decides that a primary is dead
takes its own time, which is not in these figures.

What must hold is checked at the end: everybody whose enrolment was acknowledged is there, the
gallery is sound, its audit log is one chain.

    python benchmarks/postgres_failover.py [--rounds 20] [--writers 4] [--folder DIR]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.postgres_cluster import STANDBY, Node, free_port, programs_for

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    GalleryBusyError,
    GalleryError,
    GalleryUncertainError,
    GalleryUnreachableError,
    NameTakenError,
)
from vultus.gallery.gallery import Gallery

DIM, PATIENCE_S = 128, 120.0
SPACE = EmbeddingSpace("benchmark", "0" * 64, "none", DIM)


class Writers:
    """Processes that enrol people, and what they were told.

    Args:
        url: Of the gallery.
        n: How many processes.
    """

    def __init__(self, url: str, n: int) -> None:
        self.told: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        command = [sys.executable, "-m", "benchmarks.postgres_failover", "--write", url]
        self._processes = [
            subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, text=True)
            for i in range(n)
        ]
        for process in self._processes:
            threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def __len__(self) -> int:
        return len(self._processes)

    def acknowledged(self, *, since: float = 0.0) -> list[dict[str, Any]]:
        """Enrolments that were begun since then, and kept."""
        with self._lock:
            return [told for told in self.told if told["kept"] and told["begun"] >= since]

    def failures(self, *, since: float = 0.0) -> list[dict[str, Any]]:
        """Tries that failed since then."""
        with self._lock:
            return [told for told in self.told if not told["kept"] and told["ended"] >= since]

    def wait_for(self, n: int, *, since: float) -> dict[str, Any]:
        """The first enrolment of those that were begun since then, once there are ``n``."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := self.acknowledged(since=since)) < n:
            if time.monotonic() > deadline:
                raise AssertionError(f"no write in {PATIENCE_S:g} s: {self.told[-3:]}")
            time.sleep(0.02)
        return min(found, key=lambda told: float(told["ended"]))

    def stop(self) -> None:
        """End them, between two enrolments or in the middle of one."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            told = json.loads(line)
            with self._lock:
                self.told.append(told)


def main() -> None:
    """Kill primaries and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    parser.add_argument("--write", nargs=2, metavar=("URL", "NUMBER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write is not None:
        _write(options.write[0], int(options.write[1]))
        return
    packages = ", ".join(f"{name} {version(name)}" for name in ("psycopg", "psycopg-pool"))
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {packages}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; ", end="")
    print(f"{options.rounds} kills, {options.writers} writing processes\n", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        Path(folder).chmod(0o755)
        _measure(Path(folder), options.rounds, options.writers)


def _measure(folder: Path, rounds: int, n_writers: int) -> None:
    programs = programs_for(folder)
    first, second = (
        Node(folder=folder / name, programs=programs, port=free_port()) for name in ("a", "b")
    )
    writers: Writers | None = None
    try:
        first.initialise()
        first.start()
        print(first.sql("SELECT version()"), end="\n\n")
        base = first.make_database("faces")
        attach(second, first)
        hosts = f"{first.address},{second.address}"
        url = f"{base.replace(first.address, hosts)}/staff?connect_timeout=2"
        Gallery.open(url, space=SPACE).close()
        writers = Writers(url, n_writers)
        primary, standby, rows = first, second, []
        print("| kill | first write after s | tries that failed | enrolled before |")
        print("|---:|---:|---:|---:|", flush=True)
        for number in range(rounds):
            writers.wait_for(5 * n_writers, since=time.time())
            rows.append(_kill(primary, standby, writers))
            print(f"| {number + 1} | {rows[-1]:.2f} | ", end="")
            print(f"{len(writers.failures(since=time.time() - rows[-1]))} | ", end="")
            print(f"{len(writers.acknowledged())} |", flush=True)
            attach(primary, standby)
            primary, standby = standby, primary
        writers.stop()
        _check(url, writers, rows)
    finally:
        if writers is not None:
            writers.stop()
        for node in (first, second):
            node.stop()


def attach(standby: Node, primary: Node) -> None:
    """Make a server the synchronous standby of another one, and wait until it is."""
    standby.clone(primary)
    standby.start()
    primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
    primary.sql("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 60
    while primary.sql("SELECT sync_state FROM pg_stat_replication") != "sync":
        if time.monotonic() > deadline:
            raise RuntimeError("the standby is not synchronous")
        time.sleep(0.05)


def promote(standby: Node) -> None:
    """Make a standby the primary, which waits for no other one."""
    standby.promote()
    standby.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    standby.sql("SELECT pg_reload_conf()")


def _kill(primary: Node, standby: Node, writers: Writers) -> float:
    """Seconds from the kill to the end of the first write that was begun after it."""
    start = time.time()
    primary.kill()
    promote(standby)
    first = writers.wait_for(1, since=start)
    return float(first["ended"]) - start


def _check(url: str, writers: Writers, rows: list[float]) -> None:
    told = {row["name"] for row in writers.acknowledged()}
    with Gallery.open(url) as gallery:
        names = {person.identity for person in gallery.people()}
        problems, audit = gallery.check(), gallery.audit.verify()
    lost, more = told - names, names - told
    print(f"\n- first write after a kill: median {statistics.median(rows):.2f} s, ", end="")
    print(f"longest {max(rows):.2f} s")
    print(f"- {len(told)} enrolments were acknowledged, {len(writers.failures())} tries failed")
    print(f"- lost: {len(lost)}; kept and not acknowledged: {len(more)}", end=" ")
    print(f"(of the {len(writers)} in flight at the end)")
    print(f"- the gallery is {problems or 'sound'}; its audit log ", end="")
    print("is one chain" if audit.sound else "is broken", flush=True)
    if lost or problems or not audit.sound:
        raise SystemExit("what must hold does not")


def _write(url: str, number: int) -> None:
    """Enrol one after the other, and tell of each try; what was not kept is tried again."""
    gallery = _opened(url, number)
    for i in range(10**9):
        name, kept = f"{number} {i}", False
        while not kept:
            begun, error = time.time(), ""
            try:
                gallery.enroll(name, _photo(number, i))
                kept = True
            except NameTakenError:
                kept = True  # of an earlier try, whose answer did not come
            except (GalleryBusyError, GalleryUnreachableError, GalleryUncertainError) as caught:
                error = type(caught).__name__
                time.sleep(0.1)
            row = {"name": name, "kept": kept, "begun": begun, "ended": time.time()}
            print(json.dumps({**row, "error": error}), flush=True)


def _opened(url: str, number: int) -> Gallery:
    while True:
        try:
            return Gallery.open(url, actor=f"writer {number}")
        except GalleryError:
            time.sleep(0.2)


def _photo(number: int, i: int) -> Embeddings:
    return Embeddings.from_raw(np.random.default_rng([number, i]).standard_normal((1, DIM)), SPACE)


if __name__ == "__main__":
    main()

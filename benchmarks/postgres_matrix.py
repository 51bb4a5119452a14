"""The failure matrix: primary, standby, two services and a client, each killed, each link cut.

Each has a network namespace of its own (Linux, root). The client enrols somebody at one service,
looks for them at the other one by the position that it was told, now and then erases somebody and
looks again; what fails it asks again, of the other service. Meanwhile each host is killed (SIGKILL
to all of its processes) and brought back, and each link is cut for 5 s: what is sent then is lost
without a word. A primary that is killed is replaced by its standby, a standby that is killed is
dropped by the primary after 2 s.

Lost: somebody whose enrolment was acknowledged and who is not there. Wrong: an answer that names
somebody else, that misses who was enrolled before, or names who was erased before. Time to recover:
the longest time in which no enrolment was acknowledged.

    python -m benchmarks.postgres_matrix [--folder DIR]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.network_hosts import Hosts, can_make_hosts
from benchmarks.postgres_cluster import Node, programs_for
from benchmarks.postgres_failover import attach, promote
from benchmarks.service_process import photo

from vultus.client import Client, ConflictError, NotFoundError, Retries, ServiceError
from vultus.client.operations import galleries, identify
from vultus.gallery.gallery import Gallery

NAMES = ("primary", "standby", "service-1", "service-2", "client")
PORT, CUT_S, DROPPED_S = 8000, 5.0, 2.0
_SETTLED, _AFTER_S, _PATIENCE_S = 3, 3.0, 120.0


class Matrix:
    """All that runs.

    Args:
        folder: For the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.hosts = folder, Hosts(NAMES)
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.told: list[dict[str, Any]] = []
        programs = programs_for(folder)
        self._nodes = [
            Node(folder=folder / name, programs=programs, port=5432, network="10.77.0.0/24",
                 host=self.hosts.address(name), within=self.hosts.within(name))
            for name in NAMES[:2]
        ]  # fmt: skip
        self._started = 0

    def begin(self) -> None:
        """Start everything."""
        primary, standby = self._nodes
        primary.initialise()
        primary.start()
        base = primary.make_database("faces")
        attach(standby, primary)
        both = f"{primary.address},{standby.address}"
        self.url = base.replace(primary.address, both) + "?connect_timeout=2&sslmode=disable"
        for name in NAMES[2:4]:
            self._serve(name)
        key = (self._folder / "key").read_text().strip()
        with Client(self._address("service-1"), key) as client:
            client.send(galleries.make_gallery(id="staff"))
        self._ask()

    def cut(self, name: str, other: str | None = None) -> None:
        """Cut a host off for a while, from all or from another one."""
        # The servers change their roles.
        roles = dict(zip(NAMES[:2], (node.within[-1][3:] for node in self._nodes), strict=True))
        here = roles.get(name, name)
        links = self.hosts.cut_off(here)
        if other is not None:
            links = self.hosts.cut(here, roles.get(other, other))
        with links:
            time.sleep(CUT_S)

    def kill(self, name: str) -> None:
        """Kill what runs on a host, and bring it back."""
        primary, standby = self._nodes
        if name == "primary":
            primary.kill()
            promote(standby)
            attach(primary, standby)
            self._nodes = [standby, primary]
        elif name == "standby":
            standby.kill()
            time.sleep(DROPPED_S)
            primary.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
            primary.sql("SELECT pg_reload_conf()")
            attach(standby, primary)
        else:
            self._end(name)
            self._ask() if name == "client" else self._serve(name)

    def kept(self) -> list[dict[str, Any]]:
        """Enrolments that were acknowledged."""
        return [row for row in list(self.told) if row["what"] == "enrolled"]

    def settle(self, *, since: float) -> None:
        """Wait until enrolments that were begun since then are acknowledged."""
        deadline = time.monotonic() + _PATIENCE_S
        while len([row for row in self.kept() if row["begun"] >= since]) < _SETTLED:
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing is enrolled any more: {self.told[-5:]}")
            time.sleep(0.05)

    def missing(self) -> tuple[int, list[str]]:
        """How many acknowledged people are not there, or erased ones are; what is wrong."""
        told = list(self.told)
        url = self.url.replace("/faces?", "/faces/staff?")
        with Gallery.open(url) as gallery:
            names = {person.identity for person in gallery.people()}
            problems = gallery.check()
            problems += [] if gallery.audit.verify().sound else ["the audit log"]
        gone = {row["name"] for row in told if row["what"] in ("erasing", "erased")}
        lost = {row["name"] for row in told if row["what"] == "enrolled"} - gone - names
        back = {row["name"] for row in told if row["what"] == "erased"} & names
        return len(lost) + len(back), problems

    def close(self) -> None:
        """End all, and take the hosts away."""
        for name in list(self._processes):
            self._end(name)
        for node in self._nodes:
            node.stop()
        self.hosts.close()

    def _address(self, name: str) -> str:
        return f"http://{self.hosts.address(name)}:{PORT}"

    def _serve(self, name: str) -> None:
        command = ["benchmarks.service_process", self.url, "--data", str(self._folder / name)]
        command += ["--host", self.hosts.address(name), "--port", str(PORT)]
        command += ["--admin-key-file", str(self._folder / "key")]
        process = self._run(name, command)
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError(f"{name} did not start")

    def _ask(self) -> None:
        self._started += 1
        services = [self._address(name) for name in NAMES[2:4]]
        process = self._run(
            "client",
            ["benchmarks.postgres_matrix", "--ask", str(self._started), *services,
             "--key", str(self._folder / "key")],
        )  # fmt: skip
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _run(self, name: str, command: list[str]) -> "subprocess.Popen[str]":
        with (self._folder / f"{name}.log").open("a") as log:
            self._processes[name] = process = subprocess.Popen(
                [*self.hosts.within(name), sys.executable, "-m", *command],
                stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        return process

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            if line.endswith("\n"):
                self.told.append(json.loads(line))


def main() -> None:
    """Break everything once, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    parser.add_argument("--ask", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--key", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask is not None:
        _ask(int(options.ask[0]), options.ask[1:], options.key.read_text().strip())
        return
    if not can_make_hosts():
        raise SystemExit("this takes network namespaces: Linux, root, iproute2")
    print(f"{datetime.now(UTC).date().isoformat()}; {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        Path(folder).chmod(0o755)
        matrix = Matrix(Path(folder))
        try:
            matrix.begin()
            matrix.settle(since=time.time())
            _measure(matrix)
        finally:
            matrix.close()


def _measure(matrix: Matrix) -> None:
    pairs = [("primary", "standby"), ("primary", "service-1"), ("primary", "service-2")]
    pairs += [("service-1", "client"), ("service-2", "client")]
    rows = [(f"{name} killed", partial(matrix.kill, name)) for name in NAMES]
    rows += [(f"{name} cut off from all, {CUT_S:g} s", partial(matrix.cut, name)) for name in NAMES]
    rows += [
        (f"{one} and {other} cut off, {CUT_S:g} s", partial(matrix.cut, one, other))
        for one, other in pairs
    ]
    print("| what | no enrolment for s | asked again | lost | wrong |\n|---|---:|---:|---:|---:|")
    bad = 0
    for what, harm in rows:
        bad += _row(matrix, what, harm)
    n_searched = sum(row["what"] == "searched" for row in matrix.told)
    n_erased = sum(row["what"] == "erased" for row in matrix.told)
    print(f"\n{len(matrix.kept())} enrolments and {n_erased} erasures were acknowledged, ", end="")
    print(f"{n_searched} searches answered")
    if bad:
        raise SystemExit("what must hold does not")


def _row(matrix: Matrix, what: str, harm: Callable[[], None]) -> int:
    first, start = len(matrix.told), time.time()
    harm()
    matrix.settle(since=time.time())
    time.sleep(_AFTER_S)
    rows, end = matrix.told[first:], time.time()
    times = [start, *(row["ended"] for row in rows if row["what"] == "enrolled"), end]
    pause = max(after - before for before, after in pairwise(times))
    failed = sum(row["what"] == "failed" for row in rows)
    wrong = sum(1 for row in rows if row["what"] == "searched" and not row["right"])
    lost, problems = matrix.missing()
    print(f"| {what} | {pause:.1f} | {failed} | {lost} | {wrong} |", flush=True)
    if problems:
        print(f"\n{what}: {problems}\n", flush=True)
    return lost + wrong + len(problems)


class _Asker:
    """Asks two services, of what fails the other one again, and tells of it."""

    def __init__(self, services: list[str], key: str) -> None:
        once = Retries(most=0)
        self.clients = [Client(one, key, retries=once, timeout_s=8.0) for one in services]
        self.turn = 0

    def ask(self, work: Callable[[Client], Any]) -> tuple[Any, float]:
        """The answer, and when the request that was answered was begun."""
        while True:
            client, begun = self.clients[self.turn % 2], time.time()
            other = self.clients[(self.turn + 1) % 2]
            client.see("staff", other.position("staff"))
            try:
                return work(client), begun
            except (ConflictError, NotFoundError) as error:
                if error.code in ("person-exists", "person-not-found"):
                    return None, begun  # done before, and not told
                raise
            except ServiceError as error:
                tell("failed", begun, code=error.code)
                self.turn += 1
                time.sleep(0.05)


def tell(what: str, begun: float, **more: Any) -> None:
    """A line for who reads."""
    print(json.dumps({"what": what, "begun": begun, "ended": time.time(), **more}), flush=True)


def _ask(number: int, services: list[str], key: str) -> None:
    asker = _Asker(services, key)
    for i in range(10**6):
        person = 10_000 * number + i
        name = f"person {person}"
        made, begun = asker.ask(lambda client: client.enroll("staff", name, [photo(person)]))  # noqa: B023
        tell("enrolled", begun, name=name)
        asker.turn += 1
        found, begun = _best(asker, person)
        tell("searched", begun, right=found == name)
        if i % 5 == 4 and made is not None:
            tell("erasing", begun, name=name)
            _, begun = asker.ask(lambda client: client.erase("staff", made.person.id))  # noqa: B023
            tell("erased", begun, name=name)
            asker.turn += 1
            found, begun = _best(asker, person)
            tell("searched", begun, right=found != name)


def _best(asker: _Asker, person: int) -> tuple[str | None, float]:
    call = identify.search("staff", photo=photo(person, 1), top_k=1)
    found, begun = asker.ask(lambda client: client.send(call))
    candidates = found.faces[0].candidates
    return candidates[0].identity if candidates else None, begun


if __name__ == "__main__":
    main()

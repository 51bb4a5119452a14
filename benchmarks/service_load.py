"""A service under load, killed in the middle: what it answers, remembers, needs.

``python -m benchmarks.service_load --minutes 15 --clients 32 --kills 5 --out table.md``

Four of five requests identify, one of ten verifies, one of ten enrols or erases. Answers are
compared with the library's, and after each `kill -9` all that was acknowledged is looked for.
"""

import argparse
import itertools
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np

from vultus import Recognizer
from vultus.core.errors import VultusError
from vultus.data.synthetic import SyntheticFaces
from vultus.image.io import write_image

FIXED, MOVING = "fixed", "moving"
EXPECTED = {429, 503}
TOLERANCE = 1e-4


class Served:
    """`vultus serve` in a process of its own, which may be killed and started anew.

    Args:
        data: Folder of its galleries.
        options: Of the command.
        environment: Settings beside them.
    """

    def __init__(self, data: Path, *options: str, **environment: str) -> None:
        self._data, self._options = data, options
        self._environment = os.environ | environment | {
            "VULTUS_SERVER_REQUESTS_PER_MINUTE": "100000000"
        }  # fmt: skip
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()
        self.key = (data / "admin.key").read_text().strip()

    def start(self) -> None:
        command = [sys.executable, "-m", "vultus", "serve", "--data", str(self._data)]
        command += ["--admin-key-file", str(self._data / "admin.key"), "--port", str(self.port)]
        with open(self._data / "log.txt", "ab") as log:
            self.process = subprocess.Popen(
                [*command, *self._options], env=self._environment, stdout=log, stderr=log
            )
        for _ in range(1200):
            if self.process.poll() is not None:
                raise RuntimeError((self._data / "log.txt").read_text()[-2000:])
            try:
                if httpx.get(f"{self.address}/health/ready", timeout=5).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise RuntimeError("the service does not answer")

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=120)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def photos_of(folder: Path, people: int) -> list[tuple[Path, Path]]:
    """Two usable drawn photos of each of so many people."""
    faces = SyntheticFaces(identities=2 * people, images=2, difficulty=0.3)
    recognizer, found = Recognizer(threads=1), []
    for person in range(2 * people):
        pair = []
        for index in np.flatnonzero(np.asarray(faces.labels) == person).tolist():
            path = folder / f"{index}.png"
            write_image(path, faces.image(index))
            pair.append(path)
        try:
            for path in pair:
                recognizer.embed_face(path)
        except VultusError:
            continue
        found.append((pair[0], pair[1]))
        if len(found) == people:
            break
    return found


@dataclass
class Tally:
    """What all clients saw.

    Attributes:
        answers: (operation, status) -> how often.
        seconds: Of answers that are no errors, by operation.
        wrong: Answers unlike the library's, lost people, errors.
        rss: (seconds since the beginning, MiB).
    """

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    rss: list[tuple[float, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, operation: str, status: int, seconds: float) -> None:
        with self.lock:
            self.answers[operation, status] += 1
            if 200 <= status < 300:
                self.seconds.setdefault(operation, []).append(seconds)
            elif status not in EXPECTED and status != 0:
                self.wrong.append(f"{operation} answered {status}")


class Load:
    """Clients and what they expect.

    Args:
        served: The service.
        pairs: Photos by person; the first of each is enrolled in the fixed gallery.
    """

    def __init__(self, served: Served, pairs: list[tuple[Path, Path]]) -> None:
        self.served, self.tally, self.stop = served, Tally(), threading.Event()
        self.photos = [photo.read_bytes() for _, photo in pairs]
        self.alive: dict[str, str] = {}  # id -> name, acknowledged and not erased
        self.gone: set[str] = set()
        self.doubtful: set[str] = set()  # erasing was asked for, nobody knows what came of it
        self._numbers = itertools.count()
        recognizer = Recognizer(threads=1)
        with served.client() as client:
            for name in (FIXED, MOVING):
                client.post("/v1/galleries", json={"id": name}).raise_for_status()
            for number, (photo, _) in enumerate(pairs):
                self._enrol(client, FIXED, f"p{number}", photo.read_bytes())
        path = served._data / f"{FIXED}.db"
        with recognizer.open_gallery(path) as gallery:
            self.expected = [recognizer.identify(photo, gallery) for photo in self.photos]
        self.verified = [
            recognizer.verify(a, b, fmr=1e-3).similarity for a, b in itertools.pairwise(self.photos)
        ]

    def _enrol(self, client: httpx.Client, gallery: str, name: str, photo: bytes) -> httpx.Response:
        return client.post(
            f"/v1/galleries/{gallery}/people",
            data={"name": name, "force": "true"},
            files={"photos": ("x", photo)},
        )

    def client(self, seed: int) -> None:
        chance = random.Random(seed)
        mine: list[str] = []
        with self.served.client() as client:
            while not self.stop.is_set():
                draw, which = chance.random(), chance.randrange(len(self.photos) - 1)
                start = time.perf_counter()
                operation = "identify" if draw < 0.8 else "verify" if draw < 0.9 else "change"
                person = ""
                if operation == "change":
                    operation = "erase" if mine and chance.random() < 0.5 else "enrol"
                    person = mine.pop(chance.randrange(len(mine))) if operation == "erase" else ""
                self.doubtful |= {person} - {""}
                try:
                    answer = self._ask(client, operation, which, person)
                except httpx.TransportError:
                    self.tally.note(operation, 0, 0)
                    time.sleep(0.5)
                    continue
                self.tally.note(operation, answer.status_code, time.perf_counter() - start)
                if answer.is_success:
                    self._checked(operation, which, person, answer.json(), mine)
                else:
                    mine += [person] if person else []
                    self.doubtful.discard(person)
                    time.sleep(float(answer.headers.get("retry-after", 1)) * chance.random())

    def _ask(self, client: httpx.Client, operation: str, which: int, person: str) -> httpx.Response:
        if operation == "identify":
            files = {"photo": ("x", self.photos[which])}
            return client.post(f"/v1/galleries/{FIXED}/identify", files=files)
        if operation == "verify":
            files = {"a": ("x", self.photos[which]), "b": ("x", self.photos[which + 1])}
            return client.post("/v1/verify", files=files)
        if operation == "erase":
            return client.delete(f"/v1/galleries/{MOVING}/people/{person}")
        name = f"q{next(self._numbers)}"
        return self._enrol(client, MOVING, name, self.photos[which])

    def _checked(
        self, operation: str, which: int, person: str, told: dict[str, Any], mine: list[str]
    ) -> None:
        if operation == "identify":
            for face, expected in zip(told["faces"], self.expected[which], strict=True):
                off = abs(face["candidates"][0]["similarity"] - expected.candidates[0].similarity)
                if face["identity"] != expected.identity or off > TOLERANCE:
                    self.tally.wrong.append(f"identify {which}: {off:.2e} off")
        elif operation == "verify":
            if (off := abs(told["similarity"] - self.verified[which])) > TOLERANCE:
                self.tally.wrong.append(f"verify {which}: {off:.2e} off")
        elif operation == "erase":
            self.alive.pop(person)
            self.gone.add(person)
        else:
            self.alive[told["person"]["id"]] = told["person"]["name"]
            mine.append(told["person"]["id"])

    def look_for_all(self) -> None:
        """Everybody acknowledged is there, nobody erased is."""
        with self.served.client() as client:
            found: set[str] = set()
            cursor: str | None = ""
            while cursor is not None:
                address = f"/v1/galleries/{MOVING}/people?limit=1000&cursor={cursor}"
                page = client.get(address)
                if page.status_code == 503:
                    time.sleep(0.2)
                    continue
                found |= {person["id"] for person in page.json()["people"]}
                cursor = page.json()["next"]
        # What other clients did meanwhile is not judged: only who was there before, or gone.
        lost = self.seen_alive - found - self.doubtful - self.gone
        back = self.seen_gone & found
        self.tally.wrong += [f"lost {one}" for one in lost] + [f"came back {one}" for one in back]

    def mark(self) -> None:
        """Note who must be there, and who must not."""
        self.seen_alive, self.seen_gone = set(self.alive), set(self.gone)


def run(load: Load, *, clients: int, minutes: float, kills: int) -> float:
    threads = [threading.Thread(target=load.client, args=(seed,)) for seed in range(clients)]
    start = time.monotonic()
    end = start + 60 * minutes
    for thread in threads:
        thread.start()
    whens = [start + 60 * minutes * (n + 1) / (kills + 1) for n in range(kills)]
    while (now := time.monotonic()) < end:
        load.tally.rss.append((now - start, load.served.rss_mib()))
        if whens and now >= whens[0]:
            whens.pop(0)
            load.served.kill()
            load.mark()
            load.served.start()
            load.look_for_all()
        time.sleep(2)
    load.stop.set()
    for thread in threads:
        thread.join()
    load.mark()
    load.look_for_all()
    return time.monotonic() - start


def table(load: Load, seconds: float, asked: argparse.Namespace) -> str:
    tally = load.tally
    lines = [
        "# A service under load",
        "",
        f"`python -m benchmarks.service_load --minutes {asked.minutes:g} --clients {asked.clients} "
        f"--kills {asked.kills}`: {seconds:.0f} s, {os.cpu_count()} cores that the clients share, "
        f"1-minute load {os.getloadavg()[0]:.0f} at the end; Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}.",
        "",
        "| operation | done | a second | p50 s | p99 s | told to come again "
        "(429, 503) | not answered (killed) | other |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for operation in ("identify", "verify", "enrol", "erase"):
        took = tally.seconds.get(operation, [float("nan")])
        by = {s: n for (o, s), n in tally.answers.items() if o == operation}
        busy, down = sum(by.get(s, 0) for s in EXPECTED), by.get(0, 0)
        done = sum(n for s, n in by.items() if 200 <= s < 300)
        p50, p99 = np.percentile(took, [50, 99])
        rest = sum(by.values()) - busy - down - done
        lines.append(
            f"| {operation} | {done} | {done / seconds:.1f} | {p50:.2f} | {p99:.2f} | {busy} | "
            f"{down} | {rest} |"
        )
    lines += ["", "| part of the time | resident memory, MiB |", "|---|---:|"]
    for part in range(5):
        rss = [m for s, m in tally.rss if part / 5 <= s / seconds < (part + 1) / 5]
        lines.append(f"| {part + 1} of 5 | {np.median(rss) if rss else float('nan'):.0f} |")
    lines += [
        "",
        f"Unlike the library's answer, lost, come back, or an error: {len(tally.wrong)}. "
        f"Acknowledged at the end: {len(load.alive)} enrolled and {len(load.gone)} erased.",
    ]
    return "\n".join([*lines, *tally.wrong[:20]]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="A service under load.")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        pairs = photos_of(Path(folder), asked.people)
        with Served(data) as served:
            load = Load(served, pairs)
            took = run(load, clients=asked.clients, minutes=asked.minutes, kills=asked.kills)
            text = table(load, took, asked)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text, encoding="utf-8")
    sys.exit(bool(load.tally.wrong))


if __name__ == "__main__":
    main()

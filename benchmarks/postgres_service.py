"""Identifying over HTTP: `vultus serve` on a gallery in PostgreSQL, in a file, and on a small one.

The galleries are those of `benchmarks.postgres_gallery`, in the same folder. Each service is
started as a process of its own, from which on the first answer is timed; then 1, 8 and 32 clients
send the same few photos to it. A photo costs finding and embedding its faces, whatever the
gallery: the service of a file with a hundred people shows how much that is.

    python -m benchmarks.postgres_service --folder DIR --photos FOLDER [--requests 96]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from benchmarks.clients import Ask, asked_at_once
from benchmarks.postgres_cluster import free_port
from benchmarks.postgres_gallery import CLIENTS, running, url
from benchmarks.postgres_people import fill

FPIR, PHOTOS, START_WITHIN_S = 0.5, 8, 900
Told = dict[str, Any]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of `postgres_gallery`", required=True)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs", required=True)
    parser.add_argument("--requests", type=int, default=96, help="for each number of clients")
    parser.add_argument("--only", help="a part of the name of the service")
    options = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(options.photos.glob("*.jpg"))[:PHOTOS]]
    os.environ["XDG_CACHE_HOME"] = str(options.folder / "cache")
    small = options.folder / "small.db"
    if not small.exists():
        fill(small, 100)
    print(
        f"load {os.getloadavg()[0]:.1f}; {len(photos)} photos\n\n| service | first answer s | ",
        end="",
    )
    print("memory MB | CPU ms a request |" + "".join(f" {n} clients |" for n in CLIENTS))
    print("|---|---:|---:|---:|" + "---:|" * len(CLIENTS), flush=True)
    with running(options.folder) as node:
        store = url(node).rpartition("/")[0]
        data = options.folder / "service"
        data.mkdir(exist_ok=True)
        for name, where, gallery in (
            ("a file, 100 people", ["--gallery", str(small)], "small"),
            ("SQLite", ["--gallery", str(options.folder / "staff.db")], "staff"),
            ("PostgreSQL", ["--store", store, "--data", str(data)], "staff"),
        ):
            if options.only is None or options.only in name:
                told = _served(where, gallery, photos, options)
                print(_row(name, told), flush=True)
                (options.folder / f"service-{name}.json").write_text(json.dumps(told))


def _row(name: str, told: Told) -> str:
    cells = [name, f"{told['first']:.1f}", f"{told['memory']:.0f}", f"{told['cpu']:.0f}"]
    cells += [f"{p50:.0f} / {p99:.0f}, {qps:.1f}" for p50, p99, qps in told["clients"]]
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class _Service:
    """A service that runs, and its key."""

    process: "subprocess.Popen[bytes]"
    address: str
    key: str

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=120)

    def cpu_s(self) -> float:
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def _served(
    where: list[str], gallery: str, photos: list[bytes], options: argparse.Namespace
) -> Told:
    start = time.perf_counter()
    with _service(where, options.folder) as service:
        with service.client() as client:
            while True:
                try:
                    _ask(client, gallery, photos[0])
                    break
                except httpx.TransportError:
                    if time.perf_counter() - start > START_WITHIN_S or service.process.poll():
                        raise
                    time.sleep(0.05)
            first = time.perf_counter() - start
            for photo in photos:
                _ask(client, gallery, photo)
        cpu = service.cpu_s()

        @contextmanager
        def opened() -> Iterator[Ask]:
            with service.client() as client:
                yield lambda number: _ask(client, gallery, photos[number % len(photos)])

        told = [asked_at_once(opened, range(options.requests), n) for n in CLIENTS]
        spent = 1e3 * (service.cpu_s() - cpu) / (options.requests * len(CLIENTS))
        return {"first": first, "memory": service.peak_mb(), "cpu": spent, "clients": told}


@contextmanager
def _service(where: list[str], folder: Path) -> Iterator[_Service]:
    port, key = free_port(), folder / "admin-key"
    environment = {
        **os.environ,
        "VULTUS_SERVER_REQUESTS_PER_MINUTE": "100000000",
        "VULTUS_SERVER_IN_FLIGHT": "64",
    }
    command = [sys.executable, "-m", "vultus", "serve", *where, "--port", str(port)]
    command += ["--admin-key-file", str(key)]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        while not key.exists() and process.poll() is None:
            time.sleep(0.05)
        yield _Service(process, f"http://127.0.0.1:{port}", key.read_text().strip())
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _ask(client: httpx.Client, gallery: str, photo: bytes) -> None:
    answer = client.post(
        f"/v1/galleries/{gallery}/identify", params={"fpir": FPIR}, files={"photo": photo}
    )
    if answer.status_code != 200:
        raise SystemExit(f"not identified: {answer.status_code} {answer.text[:500]}")


if __name__ == "__main__":
    main()

"""Two services on one database: how soon one sees what the other did, and what sharing costs.

    python benchmarks/shared_services.py --server HOST:PORT --owner NAME --role NAME \
        --changes 50 -o results.json

A PostgreSQL server must run, which lets both roles in (PGPASSWORD); a database is made there and
removed. Both services are real processes of `vultus serve`, asked over HTTP by this one.
"""

import argparse
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql

from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.schema import upgrade
from vultus.server.state.schema import upgrade_service

PEOPLE = "/v1/galleries/staff/people"


@contextmanager
def database(server: str, owner: str, role: str) -> Iterator[str]:
    """A new database with all tables; its name."""
    name = f"shared_{secrets.token_hex(4)}"
    host, _, port = server.partition(":")
    with psycopg.connect(
        host=host, port=port, user="postgres", dbname="postgres", autocommit=True
    ) as base:
        base.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(owner)
            )
        )
        place = DatabasePlace(user=owner, hosts=server, database=name, gallery=None)
        upgrade(place, grant=(role,))
        upgrade_service(place, grant=(role,))
        try:
            yield name
        finally:
            base.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def service(place: list[str], folder: Path, number: int, per_minute: int) -> Iterator[httpx.Client]:
    """A service and its administrator."""
    data = folder / f"{number}"
    data.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        "from vultus.cli.main import main; main()",
        "serve",
        "--no-gate",
    ]
    command += [*place, "--data", str(data), "--port", str(port)]
    command += ["--admin-key-file", str(folder / "key")]
    env = os.environ | {"VULTUS_SERVER_REQUESTS_PER_MINUTE": str(per_minute)}
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{address}/health/ready").is_success:
                    break
            if process.poll() is not None:
                raise SystemExit("a service ended")
            time.sleep(0.1)
        headers = {"Authorization": f"Bearer {(folder / 'key').read_text().strip()}"}
        with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def until(true: Callable[[], bool]) -> float:
    """After how many milliseconds a request was begun whose answer shows it; 0 for the first."""
    start = begun = time.perf_counter()
    while not true():
        time.sleep(0.005)
        begun = time.perf_counter()
    return 1000 * (begun - start)


def seen(one: httpx.Client, other: httpx.Client, changes: int) -> dict[str, list[float]]:
    """Milliseconds after the answer to a change, of which the other service's answers show it."""
    told: dict[str, list[float]] = {}
    for number in range(changes):
        for what, ms in (*of_key(one, other).items(), *of_gallery(one, other, number).items()):
            told.setdefault(what, []).append(ms)
    return told


def of_key(one: httpx.Client, other: httpx.Client) -> dict[str, float]:
    """A key, and with it a role, made on one service and taken back there."""
    made = one.post("/v1/keys", json={"role": "operator", "galleries": ["staff"]}).json()
    headers = {"Authorization": f"Bearer {made['key']}"}

    def answer() -> int:
        return other.get("/v1/galleries/staff", headers=headers).status_code

    after_made = until(lambda: answer() == 200)
    one.delete(f"/v1/keys/{made['id']}").raise_for_status()
    return {"a key made": after_made, "a key taken back": until(lambda: answer() == 401)}


def of_gallery(one: httpx.Client, other: httpx.Client, number: int) -> dict[str, float]:
    """A gallery made on one service and deleted there, in the list of the other."""
    name = f"g{number}"
    one.post("/v1/galleries", json={"id": name}).raise_for_status()
    after_made = until(lambda: name in listed(other))
    one.delete(f"/v1/galleries/{name}?confirm={name}").raise_for_status()
    gone = until(lambda: name not in listed(other))
    return {"a gallery made": after_made, "a gallery deleted": gone}


def listed(client: httpx.Client) -> list[str]:
    return [one["id"] for one in client.get("/v1/galleries").json()["galleries"]]


def enrolled(
    one: httpx.Client, other: httpx.Client, photo: bytes, changes: int
) -> dict[str, list[float]]:
    """The same of people: whom an identification finds, and who is told of after an erasure."""
    told: dict[str, list[float]] = {"somebody enrolled": [], "somebody erased": []}
    for number in range(changes):
        name = f"Person {number}"
        made = one.post(PEOPLE, data={"name": name, "force": "true"}, files=[("photos", photo)])
        made.raise_for_status()
        told["somebody enrolled"].append(until_found(other, photo, name))
        path = f"{PEOPLE}/{made.json()['person']['id']}"
        one.delete(path).raise_for_status()
        told["somebody erased"].append(until_gone(other, path))
    return told


def until_found(client: httpx.Client, photo: bytes, name: str) -> float:
    """As `until`, of an identification that finds somebody."""

    def found() -> bool:
        answer = client.post("/v1/galleries/staff/identify", files={"photo": photo}).json()
        return name in [one["identity"] for one in answer["faces"][0]["candidates"]]

    return until(found)


def until_gone(client: httpx.Client, path: str) -> float:
    """As `until`, of somebody who is told to be nobody."""
    return until(lambda: client.get(path).status_code == 404)


def counted(clients: list[httpx.Client], per_minute: int) -> dict[str, Any]:
    """How many of a burst of requests of one key, by threads to both services, were allowed."""
    made = clients[0].post("/v1/keys", json={"role": "reader"}).json()
    codes: list[int] = []

    def ask(client: httpx.Client) -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            for _ in range(per_minute // 2):
                told = own.get(
                    "/v1/galleries/staff", headers={"Authorization": f"Bearer {made['key']}"}
                )
                codes.append(told.status_code)

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients * 2]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    return {
        "asked": len(codes),
        "allowed": codes.count(200),
        "refused": codes.count(429),
        "limit": per_minute,
        "came_back": took * per_minute / 60,
    }


def costs(client: httpx.Client, times: int) -> float:
    """Median milliseconds of a request that does next to nothing."""
    told = []
    for _ in range(times):
        start = time.perf_counter()
        client.get("/v1/version").raise_for_status()
        client.get("/v1/keys").raise_for_status()
        told.append(1000 * (time.perf_counter() - start))
    return statistics.median(told)


def main() -> None:
    """Measure, and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--owner", required=True)
    parser.add_argument("--role", required=True)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    photo = (files("matplotlib") / "mpl-data/sample_data/grace_hopper.jpg").read_bytes()
    results: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        database(given.server, given.owner, given.role) as name,
    ):
        store = ["--store", f"postgresql://{given.role}@{given.server}/{name}"]
        root = Path(folder)
        with service(store, root, 0, 10**6) as one, service(store, root, 1, 10**6) as other:
            one.post("/v1/galleries", json={"id": "staff"}).raise_for_status()
            until(lambda: other.get("/v1/galleries/staff").status_code == 200)
            figures = seen(one, other, given.changes) | enrolled(one, other, photo, given.changes)
            results["seen_ms"] = {
                what: {
                    "median": statistics.median(ms),
                    "most": max(ms),
                    "n": len(ms),
                    "by the next request": sum(each == 0 for each in ms),
                }
                for what, ms in figures.items()
            }
            results["request_ms"] = {"database": costs(one, 100)}
        with service(store, root / "b", 0, 200) as one, service(store, root / "b", 1, 200) as other:
            results["rate"] = counted([one, other], 200)
        with service([], root / "c", 0, 10**6) as alone:
            results["request_ms"]["file"] = costs(alone, 100)
    given.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

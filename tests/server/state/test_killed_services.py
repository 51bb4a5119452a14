"""Two services on one database, one of them killed with -9: the other one goes on."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from tests.server.conftest import jpeg
from tests.server.monitors.cameras import http_camera
from tests.server.monitors.conftest import portrait, write_film
from tests.server.routes.test_jobs import zipped

from vultus.core.faces import Image
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer

PEOPLE = int(os.environ.get("VULTUS_KILLED_PEOPLE", "30"))
MOVED_WITHIN_S = 10.0
"""Of which half a second is the time in which it is looked for; the rest is this machine's."""
PATH = "/v1/galleries/people"
MONITORS = f"{PATH}/monitors"
pytestmark = [pytest.mark.postgres, pytest.mark.timeout(900)]


class Serving:
    """`vultus serve` on a database, as a process of its own."""

    def __init__(self, store: str, folder: Path, name: str) -> None:
        (folder / name).mkdir(exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        told = {
            "VULTUS_SERVER_MONITOR_FOLDER": str(folder),
            "VULTUS_SERVER_MONITOR_NETWORKS": '["127.0.0.0/8"]',
            "VULTUS_SERVER_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from vultus.cli.main import main; main()", "serve"),
                *("--no-gate", "--store", store, "--data", str(folder / name)),
                *("--admin-key-file", str(folder / "key"), "--port", str(port)),
            ],
            env=os.environ | told,
            stderr=subprocess.DEVNULL,
        )
        self._key = folder / "key"
        self._clients: list[httpx.Client] = []

    def client(self) -> httpx.Client:
        """A client, once it answers."""
        deadline = time.monotonic() + 120
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/health/ready").is_success:
                    break
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        headers = {"Authorization": f"Bearer {self._key.read_text().strip()}"}
        self._clients.append(httpx.Client(base_url=self.address, headers=headers, timeout=60))
        return self._clients[-1]

    def close(self) -> None:
        self.kill()
        for client in self._clients:
            client.close()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def serve(store: str, tmp_path: Path) -> Iterator[Callable[[str], Serving]]:
    """Starts services by name."""
    made = []

    def start(name: str) -> Serving:
        made.append(Serving(store, tmp_path, name))
        return made[-1]

    yield start
    for one in made:
        one.close()


def until(true: Callable[[], Any], within_s: float) -> float:
    """Seconds until something is true."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < within_s
        time.sleep(0.02)
    return time.monotonic() - start


def two(serve: Callable[[str], Serving]) -> tuple[list[Serving], list[httpx.Client]]:
    first = serve("one")
    clients = [first.client()]  # it makes the file with the key
    services = [first, serve("other")]
    clients.append(services[1].client())
    return services, clients


def test_a_job_goes_on_at_the_other_service(
    serve: Callable[[str], Serving], store: str, hopper: Image, collins: Image
) -> None:
    files = {}
    for number in range(PEOPLE):
        face = hopper if number % 2 else collins
        for shot in range(2):
            files[f"Person {number:03d}/{shot}.jpg"] = jpeg(face[number % 20 + shot :, number:])
        files[f"Person {number:03d}/broken.jpg"] = b"no photo"
    table = "photo,name\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in files)
    services, clients = two(serve)
    clients[0].post("/v1/galleries", json={"id": "people"}).raise_for_status()
    job = clients[0].post(
        f"{PATH}/jobs/enrolment?force=true",
        content=zipped({"people.csv": table.encode(), **files}),
        headers={"Content-Type": "application/zip", "Idempotency-Key": "once"},
    )
    assert job.status_code == 202, job.text
    told = f"{PATH}/jobs/{job.json()['id']}"
    until(lambda: clients[1].get(told).json()["done"] >= PEOPLE // 4, 300)
    # Who works on it is who holds the lock; the other one has to take over, whichever it is.
    worker = 0 if _is_at_work(services[0]) else 1
    services[worker].kill()
    left = clients[1 - worker]
    done = left.get(told).json()["done"]
    assert done < PEOPLE
    moved_s = until(lambda: left.get(told).json()["done"] > done, 60)
    until(lambda: left.get(told).json()["state"] == "done", 600)
    counts = left.get(told).json()["result"]
    events = left.get(f"{PATH}/events?limit=1000&types=enrolled").json()["events"]
    assert len(left.get(f"{told}/people?limit=1000").json()["people"]) == PEOPLE
    services[1 - worker].kill()
    with Gallery.open(f"{store}/people") as gallery:
        enrolled = {p.identity: p.n_photos for p in gallery.people()}
        digests = [photo["sha256"] for name in enrolled for photo in gallery.photos(name)]
    assert len(digests) == len(set(digests)) == counts["added"]  # no photo twice
    assert counts["enrolled_before"] == 0
    assert len(enrolled) + counts["without_photo"] == PEOPLE  # nobody left out
    assert len(enrolled) > PEOPLE / 2
    assert counts["added"] + counts["refused"] == len(files)
    assert sum(event["data"]["photos"] for event in events) == counts["added"]
    print(f"a job went on after {moved_s:.2f} s")  # noqa: T201 - a figure, for who looks on
    for client in clients:
        client.close()


def _is_at_work(service: Serving) -> bool:
    """Whether it takes the processor's time, as who finds faces does."""

    def taken() -> float:
        words = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])

    before = taken()
    time.sleep(1.0)
    return taken() - before > 20


def _enrolled(store: str, hopper: Image, collins: Image) -> None:
    pytest.importorskip("av", reason="films are read by PyAV (extra `video`)")
    recognizer = Recognizer(gate=None)
    with recognizer.open_gallery(f"{store}/people") as gallery:
        recognizer.enroll(gallery, "Grace", [hopper])
        recognizer.enroll(gallery, "Eileen", [collins])


def _state(client: httpx.Client, monitor: str) -> dict[str, Any]:
    told: dict[str, Any] = client.get(f"{MONITORS}/{monitor}").json()["state"]
    return told


def test_a_film_goes_on_at_the_other_service_with_each_event_once(
    serve: Callable[[str], Serving],
    store: str,
    tmp_path: Path,
    hopper: Image,
    collins: Image,
    rocket: Image,
) -> None:
    _enrolled(store, hopper, collins)
    nobody = [portrait(rocket, 0)] * 10
    images = []
    for face in (hopper, collins, hopper, collins):
        images += [*nobody, *(portrait(face, number) for number in range(20))]
    write_film(tmp_path / "door.mkv", [*images, *nobody])
    services, clients = two(serve)
    wanted = {"name": "door", "address": "door.mkv", "window_s": 1.0}
    monitor = clients[0].post(MONITORS, json=wanted).json()["id"]
    # Both are asked to begin it: one does.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one.post(f"{MONITORS}/{monitor}/start"), clients))
    until(lambda: _state(clients[1], monitor)["frames"] > 30, 120)
    assert _state(clients[0], monitor)["name"] == "running"
    watcher = [_previewed(one, monitor) for one in clients].index(True)
    left = clients[1 - watcher]
    asked = left.get(f"{MONITORS}/{monitor}/preview").json()
    assert asked["code"] == "no-picture"
    assert re.match(r"process \d+ on .+ of this service watches", asked["detail"])
    services[watcher].kill()
    moved_s = until(lambda: _previewed(left, monitor), 60)
    until(lambda: _state(left, monitor)["name"] == "finished", 120)
    for service in services:
        service.kill()
    with Gallery.open(f"{store}/people") as gallery:
        events = [one for one in EventLog(gallery).read(limit=1000) if one.source == "door"]
    assert [one.type for one in events].count("recognised") == 4
    assert len({one.id for one in events}) == len(events)
    print(f"a film went on after {moved_s:.2f} s")  # noqa: T201 - a figure, for who looks on
    for client in clients:
        client.close()


def _previewed(client: httpx.Client, monitor: str) -> bool:
    """Whether it has the picture, as who watches has."""
    return client.get(f"{MONITORS}/{monitor}/preview").status_code == 200


def test_a_camera_is_watched_by_one_service_and_by_the_other_when_that_is_killed(
    serve: Callable[[str], Serving], store: str, hopper: Image, collins: Image
) -> None:
    _enrolled(store, hopper, collins)
    services, clients = two(serve)
    with http_camera(portrait(hopper)) as camera:
        address = f"http://127.0.0.1:{camera.server_port}/"
        wanted = {"name": "door", "address": address, "window_s": 600}
        monitor = clients[0].post(MONITORS, json=wanted).json()["id"]
        clients[1].post(f"{MONITORS}/{monitor}/start").raise_for_status()
        until(lambda: all(_state(one, monitor)["present"] for one in clients), 60)
        # Who is there is told by both; who watches has the picture, too.
        present = [one.get(f"{MONITORS}/{monitor}/present").json()["people"] for one in clients]
        assert [[person["name"] for person in people] for people in present] == [["Grace"]] * 2
        assert [_previewed(one, monitor) for one in clients].count(True) == 1
        # Stopped by who does not watch, started by who did not.
        watcher = [_previewed(one, monitor) for one in clients].index(True)
        stopped = clients[1 - watcher].post(f"{MONITORS}/{monitor}/stop").json()
        assert not stopped["wanted"]
        until(lambda: {_state(one, monitor)["name"] for one in clients} == {"stopped"}, 30)
        clients[1 - watcher].post(f"{MONITORS}/{monitor}/start").raise_for_status()
        until(lambda: _previewed(clients[1 - watcher], monitor), 30)
        services[1 - watcher].kill()
        moved_s = until(lambda: _previewed(clients[watcher], monitor), 60)
        print(f"a camera is watched again after {moved_s:.2f} s")  # noqa: T201 - a figure, for who looks on
        until(lambda: _state(clients[watcher], monitor)["present"], 60)
        assert clients[watcher].delete(f"{MONITORS}/{monitor}").status_code == 204
    for one, service in zip(clients, services, strict=True):
        one.close()
        service.kill()
    with Gallery.open(f"{store}/people") as gallery:
        events = [one for one in EventLog(gallery).read(limit=1000) if one.source == "door"]
    types = [one.type for one in events]
    # Told as here once before she was told to have left (it was stopped), once after.
    assert types.count("recognised") == 2
    assert len({one.id for one in events}) == len(events)


def test_webhooks_are_sent_by_one_service_and_by_the_other_when_that_is_killed(
    serve: Callable[[str], Serving], store: str, hopper: Image, collins: Image
) -> None:
    _enrolled(store, hopper, collins)
    came: list[str] = []
    at_once = [0, 0]

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at_once[0] += 1
            at_once[1] = max(at_once)
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(0.1)
            came.append(self.headers["webhook-id"])
            at_once[0] -= 1
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    services, clients = two(serve)
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        thread = Thread(target=receiver.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{receiver.server_port}/"
        made = clients[0].post(f"{PATH}/webhooks", json={"url": url})
        assert made.status_code == 201, made.text
        photo = jpeg(hopper)
        for number in range(6):
            asked = clients[number % 2].post(f"{PATH}/identify", files={"photo": photo})
            assert asked.status_code == 200, asked.text
        until(lambda: len(set(came)) == 6, 30)
        assert len(came) == 6
        for number in range(6):
            clients[number % 2].post(f"{PATH}/identify", files={"photo": photo})
            if number == 2:
                services[0].kill()
                clients[0] = clients[1]
        until(lambda: len(set(came)) == 12, 30)
        receiver.shutdown()
        thread.join()
    assert at_once[1] == 1
    for client in clients:
        client.close()

"""Monitors of a service that is killed with -9, and begun again."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.monitors.cameras import http_camera
from tests.server.monitors.conftest import portrait, write_film

from vultus.core.faces import Image
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer

KILLS = int(os.environ.get("VULTUS_KILLS", "4"))
MONITORS = "/v1/galleries/people/monitors"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Killed:
    """`vultus serve` with a folder of films, killed and started again."""

    def __init__(self, folder: Path, films: Path) -> None:
        self._folder, self._films = folder, films
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> httpx.Client:
        command = "from vultus.cli.main import main; main()"
        told = {
            "VULTUS_SERVER_MONITOR_FOLDER": str(self._films),
            "VULTUS_SERVER_MONITOR_NETWORKS": '["127.0.0.0/8"]',
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", command, "serve", "--no-gate"),
                *("--gallery", str(self._folder / "people.db")),
                *("--admin-key-file", str(self._folder / "key"), "--port", str(self._port)),
            ],
            env=os.environ | told,
            stderr=subprocess.DEVNULL,
        )
        address, deadline = f"http://127.0.0.1:{self._port}", time.monotonic() + 120
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{address}/health/ready").is_success:
                    break
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        key = (self._folder / "key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=address, headers=headers, timeout=60)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def enrolled(tmp_path: Path, hopper: Image, collins: Image) -> Path:
    pytest.importorskip("av", reason="films are read by PyAV (extra `video`)")
    recognizer = Recognizer(gate=None)
    with recognizer.open_gallery(tmp_path / "people.db") as gallery:
        recognizer.enroll(gallery, "Grace", [hopper])
        recognizer.enroll(gallery, "Eileen", [collins])
    return tmp_path


@pytest.fixture
def service(enrolled: Path) -> Iterator[Killed]:
    films = enrolled / "films"
    films.mkdir()
    made = Killed(enrolled, films)
    yield made
    made.kill()


def _told(client: httpx.Client, monitor: str) -> dict[str, Any]:
    told: dict[str, Any] = client.get(f"{MONITORS}/{monitor}").json()
    return told


def _events(path: Path) -> list[tuple[Any, ...]]:
    with Gallery.open(path) as gallery:
        events = EventLog(gallery).read(limit=1000)
        return [(e.id, e.type, e.at, e.person, dict(e.data)) for e in events if e.source == "door"]


def test_a_film_has_the_events_of_a_run_that_was_not_killed(
    service: Killed, enrolled: Path, hopper: Image, collins: Image, rocket: Image
) -> None:
    nobody = [portrait(rocket, 0)] * 10
    images = []
    for face in (hopper, collins, hopper):
        images += [*nobody, *(portrait(face, number) for number in range(20))]
    write_film(enrolled / "films" / "door.mkv", [*images, *nobody])
    counted, moments = [], random.Random(5)
    for name in ("whole", "killed"):
        client = service.start()
        wanted = {"name": "door", "address": "door.mkv", "window_s": 1.0}
        monitor = client.post(MONITORS, json=wanted).json()["id"]
        client.post(f"{MONITORS}/{monitor}/start").raise_for_status()
        for _ in range(KILLS if name == "killed" else 0):
            time.sleep(moments.uniform(0.3, 2.5))
            client.close()
            service.kill()
            client = service.start()
        deadline = time.monotonic() + 120
        while _told(client, monitor)["state"]["name"] != "finished":
            assert _told(client, monitor)["state"]["name"] in ("starting", "running")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        client.delete(f"{MONITORS}/{monitor}")
        client.close()
        service.kill()
        events = _events(enrolled / "people.db")
        if name == "whole":
            counted = events
            with Gallery.open(enrolled / "people.db") as gallery, gallery.changing():
                gallery.opened.store.delete_events([e.position for e in EventLog(gallery).read()])
                log = EventLog(gallery)
                noted = f"video door {counted[0][0].split('/')[1]}"
                assert log.checkpoint(noted) == {"run": 1, "finished": True}
                log.set_checkpoint(noted, None)
    assert [one[1] for one in counted].count("recognised") == 3
    assert events == counted


def test_a_camera_is_watched_again_and_who_stays_is_told_once(
    service: Killed, enrolled: Path, hopper: Image
) -> None:
    with http_camera(portrait(hopper)) as camera:
        client = service.start()
        wanted = {
            "name": "door",
            "address": f"http://127.0.0.1:{camera.server_port}/",
            "window_s": 600,
        }
        monitor = client.post(MONITORS, json=wanted).json()["id"]
        client.post(f"{MONITORS}/{monitor}/start").raise_for_status()
        for _ in range(KILLS):
            deadline = time.monotonic() + 60
            while not _told(client, monitor)["state"]["present"]:
                assert time.monotonic() < deadline, _told(client, monitor)
                time.sleep(0.1)
            client.close()
            service.kill()
            client = service.start()  # and nobody has to start the monitor
        client.close()
    service.kill()
    types = [one[1] for one in _events(enrolled / "people.db")]
    assert types.count("recognised") == 1

"""A service killed at any moment of a job goes on where it was: nobody twice, nobody left out."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import jpeg
from tests.server.routes.test_jobs import zipped

from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery

KILLS = int(os.environ.get("VULTUS_KILLS", "5"))
PEOPLE = int(os.environ.get("VULTUS_KILLED_PEOPLE", "40"))


class Killed:
    """`vultus serve`, which is killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *program: str) -> httpx.Client:
        """Run `vultus serve`, by another program if one is given; a client of its gallery."""
        run = program or ("-c", "from vultus.cli.main import main; main()")
        self.process = subprocess.Popen(
            [
                *(sys.executable, *run, "serve"),
                "--no-gate",
                *("--gallery", str(self._folder / "people.db")),
                *("--admin-key-file", str(self._folder / "key"), "--port", str(self._port)),
            ],
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{self._port}/health/ready").is_success:
                    break
            except httpx.TransportError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}/v1/galleries/people",
            headers={"Authorization": f"Bearer {(self._folder / 'key').read_text().strip()}"},
            timeout=60,
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("keep_events", [True, False])
def test_a_job_outlives_its_service(
    tmp_path: Path,
    hopper: Image,
    collins: Image,
    monkeypatch: pytest.MonkeyPatch,
    keep_events: bool,
) -> None:
    monkeypatch.setenv("VULTUS_SERVER_KEEP_EVENTS", str(keep_events))
    files = {}
    for number in range(PEOPLE):
        face = hopper if number % 2 else collins
        # Shots of few pixels' difference: as alike as photos of one person are, other files all.
        for shot in range(2):
            files[f"Person {number:03d}/{shot}.jpg"] = jpeg(face[number % 20 + shot :, number:])
        files[f"Person {number:03d}/broken.jpg"] = b"no photo"
    table = "photo,name\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in files)
    service, moments = Killed(tmp_path), random.Random(7)
    client = service.start()
    try:
        job = client.post(
            "/jobs/enrolment?force=true",
            content=zipped({"people.csv": table.encode(), **files}),
            headers={"Content-Type": "application/zip", "Idempotency-Key": "once"},
        ).json()
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.2, 3.0))
            client.close()
            service.kill()
            client = service.start()
        deadline = time.monotonic() + 900
        while (told := client.get(f"/jobs/{job['id']}").json())["state"] != "done":
            assert told["state"] in ("waiting", "running"), told
            assert time.monotonic() < deadline
            time.sleep(0.2)
        people = client.get(f"/jobs/{job['id']}/people?limit=1000").json()["people"]
        events = client.get("/events?limit=1000&types=enrolled").json()["events"]
    finally:
        client.close()
        service.kill()
    assert len(people) == PEOPLE
    counts = told["result"]
    with Gallery.open(tmp_path / "people.db") as gallery:
        enrolled = {p.identity: p.n_photos for p in gallery.people()}
        digests = [photo["sha256"] for name in enrolled for photo in gallery.photos(name)]
    assert len(digests) == len(set(digests)) == counts["added"]  # no photo twice
    assert counts["enrolled_before"] == 0
    assert len(enrolled) + counts["without_photo"] == PEOPLE
    assert len(enrolled) > PEOPLE / 2
    # Each photo was taken, or its refusal is told.
    assert counts["added"] + counts["refused"] == len(files)
    told_of = sum(event["data"]["photos"] for event in events)
    assert told_of == (counts["added"] if keep_events else 0), json.dumps(counts)

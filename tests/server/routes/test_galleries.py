import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import Client, running
from tests.server.routes.test_jobs import ZIP, zipped

from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

STAFF = "/v1/galleries/staff"


def test_a_gallery_is_made_and_told(admin: httpx.Client, context: Context) -> None:
    made = admin.post("/v1/galleries", json={"id": "staff"})
    assert made.status_code == 201
    assert made.json() == admin.get("/v1/galleries/staff").json()
    assert admin.post("/v1/galleries", json={"id": "staff"}).status_code == 409
    found = admin.get("/v1/galleries").json()["galleries"]
    assert [told["id"] for told in found] == ["people", "staff"]
    assert context.settings.data is not None
    assert (context.settings.data / "staff.db").is_file()


def test_decisions_are_in_the_audit_log_under_the_key(
    admin: httpx.Client, hopper_jpeg: bytes, context: Context, tmp_path: Path
) -> None:
    assert admin.post("/v1/galleries/people/identify", files={"photo": hopper_jpeg}).is_success
    (key,) = context.keys.listed()[1:]
    with Gallery.open(tmp_path / "people.db") as gallery:
        last = list(gallery.audit.entries())[-1]
    assert last.entry.actor == f"key {key.id}"
    assert last.entry.action == "identify"
    assert last.entry.decision == "unknown"


def test_a_photo_as_the_body_is_a_photo_in_a_form(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    path = "/v1/galleries/people/identify"
    form = admin.post(path, files={"photo": hopper_jpeg}).json()
    body = admin.post(path, content=hopper_jpeg, headers={"Content-Type": "image/jpeg"}).json()
    assert form == body
    assert len(form["faces"]) == 1


def test_a_rate_that_nothing_carries_is_told(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    path = "/v1/galleries/people/people"
    assert admin.post(path, data={"name": "Grace"}, files={"photos": hopper_jpeg}).is_success
    answer = admin.post(
        "/v1/galleries/people/identify?fpir=0.0000001", files={"photo": hopper_jpeg}
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "no-threshold"


def test_crops_are_kept_if_the_administrator_wants_it(
    admin: httpx.Client, hopper_jpeg: bytes
) -> None:
    gallery = "/v1/galleries/people"
    assert admin.get(gallery).json()["keeps_crops"] is False
    assert admin.put(f"{gallery}/crops").json()["keeps_crops"] is True
    made = admin.post(f"{gallery}/people", data={"name": "Grace"}, files={"photos": hopper_jpeg})
    photos = f"{gallery}/people/{made.json()['person']['id']}/photos"
    assert admin.get(f"{photos}/0/crop").status_code == 200
    assert admin.delete(f"{gallery}/crops").json() == {"deleted": 1}
    assert admin.get(f"{photos}/0/crop").status_code == 404
    assert admin.get(gallery).json()["keeps_crops"] is False


@pytest.fixture
def staff(admin: httpx.Client, hopper_jpeg: bytes) -> dict[str, Any]:
    """A gallery of the folder with somebody in it."""
    admin.post("/v1/galleries", json={"id": "staff"}).raise_for_status()
    made = admin.post(f"{STAFF}/people", data={"name": "Grace"}, files={"photos": hopper_jpeg})
    person: dict[str, Any] = made.raise_for_status().json()["person"]
    return person


def test_a_gallery_is_deleted_with_all_that_is_kept_of_it(
    admin: httpx.Client, client: Client, staff: dict[str, Any], context: Context, hopper_jpeg: bytes
) -> None:
    alone, both = client(Role.reader, ["staff"]), client(Role.reader, ["staff", "people"])
    admin.post(f"{STAFF}/webhooks", json={"url": "https://93.184.215.14/x"}).raise_for_status()
    data = zipped({"Ada/1.jpg": hopper_jpeg})
    admin.post(f"{STAFF}/jobs/enrolment", content=data, headers=ZIP).raise_for_status()
    known = context.galleries.get("staff", actor="test")
    done = admin.delete(STAFF, params={"confirm": "staff"})
    assert done.status_code == 200
    told = done.json()
    assert (told["id"], told["gallery"]) == ("staff", known.opened.vault.gallery_id.hex())
    assert told["people"] >= 1
    folder = context.settings.data
    assert folder is not None
    assert not list(folder.glob("staff.db*"))
    last = json.loads((folder / told["audit_file"]).read_text().splitlines()[-1])
    assert last["action"] == "delete gallery"
    assert last["actor"] == told["deleted_by"]
    assert f"{last['position']}:{last['digest']}" == told["audit"]
    for ask in (admin.get(STAFF), admin.delete(STAFF, params={"confirm": "staff"})):
        assert (ask.status_code, ask.json()["code"]) == (404, "gallery-not-found")
    assert [one["id"] for one in admin.get("/v1/galleries").json()["galleries"]] == ["people"]
    assert admin.get("/metrics").status_code == 200
    # Who has its id next is somebody else's: no key, job or webhook goes over to it.
    admin.post("/v1/galleries", json={"id": "staff"}).raise_for_status()
    assert admin.get(f"{STAFF}/people").json()["people"] == []
    assert admin.get(f"{STAFF}/jobs").json()["jobs"] == []
    assert admin.get(f"{STAFF}/webhooks").json()["webhooks"] == []
    assert alone.get(STAFF).status_code == 401
    assert both.get(STAFF).status_code == 403
    assert both.get("/v1/galleries/people").status_code == 200


def test_a_deletion_is_confirmed_by_name_or_by_what_was_seen(
    admin: httpx.Client, staff: dict[str, Any]
) -> None:
    seen = admin.get(STAFF).headers["etag"]
    assert admin.delete(STAFF).status_code == 428
    assert admin.delete(STAFF, params={"confirm": "people"}).status_code == 422
    admin.patch(
        f"{STAFF}/people/{staff['id']}", json={"groups": ["x"]}, headers={"If-Match": "*"}
    ).raise_for_status()
    old = admin.delete(STAFF, headers={"If-Match": seen})
    assert (old.status_code, old.json()["code"]) == (412, "precondition-failed")
    assert admin.get(f"{STAFF}/people").json()["people"][0]["name"] == "Grace"
    now = admin.get(STAFF).headers["etag"]
    assert admin.delete(STAFF, headers={"If-Match": now}).status_code == 200


def test_a_gallery_that_was_given_stays(
    admin: httpx.Client, context: Context, tmp_path: Path
) -> None:
    path, params = "/v1/galleries/people", {"confirm": "people"}
    answer = admin.delete(path, params=params)
    assert (answer.status_code, answer.json()["code"]) == (409, "fixed-galleries")
    assert (tmp_path / "people.db").exists()
    assert admin.get(path).status_code == 200


def test_only_who_administers_all_deletes_one(client: Client, staff: dict[str, Any]) -> None:
    for one in (client(Role.operator), client(Role.admin, ["staff"])):
        assert one.delete(STAFF, params={"confirm": "staff"}).status_code == 403


def test_a_gallery_that_another_process_has_open_stays(
    admin: httpx.Client,
    staff: dict[str, Any],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vultus.gallery.stores.sqlite_file.BUSY_TIMEOUT_MS", 100)
    store = context.galleries.get("staff", actor="test").opened.store
    code = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM people').fetchone()\n"
        "print('open', flush=True); sys.stdin.readline()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, store.location],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with store.transaction():  # so that the timeout of the test is the connection's
        pass
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        answer = admin.delete(STAFF, params={"confirm": "staff"})
        assert (answer.status_code, answer.json()["code"]) == (409, "gallery-in-use")
        assert len(admin.get(f"{STAFF}/people").json()["people"]) == 1
        other.communicate("\n")
    assert admin.delete(STAFF, params={"confirm": "staff"}).status_code == 200


def test_who_works_with_a_gallery_that_is_deleted_is_told_so(
    client: Client, admin: httpx.Client, staff: dict[str, Any], hopper_jpeg: bytes
) -> None:
    came: list[tuple[int, str]] = []
    end = threading.Event()

    def ask(place: int) -> None:
        with client(Role.admin) as one:
            while not end.is_set():
                if place % 2:
                    answer = one.get(f"{STAFF}/people")
                else:
                    answer = one.post(f"{STAFF}/identify", files={"photo": hopper_jpeg})
                came.append((answer.status_code, answer.text))

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    listener = client(Role.admin)
    with listener.stream("GET", f"{STAFF}/events/stream?after=0") as stream:
        lines = stream.iter_lines()
        next(lines)
        time.sleep(0.5)
        assert admin.delete(STAFF, params={"confirm": "staff"}).status_code == 200
        assert list(lines)[-1:] is not None  # it ends
    time.sleep(0.3)
    end.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in came} == {200, 404}, [t for s, t in came if s >= 500][:2]
    assert came[-1][0] == 404


def test_a_deletion_that_was_cut_off_is_finished_at_the_next_start(
    tmp_path: Path, recognizer: Callable[[], Recognizer]
) -> None:
    (tmp_path / "data").mkdir()
    settings = ServerSettings(data=tmp_path / "data", admin_key_file=tmp_path / "key")

    for place in range(2):
        context = open_context(settings, recognizer())
        headers = {"Authorization": f"Bearer {(tmp_path / 'key').read_text().strip()}"}
        with running(context) as address, httpx.Client(base_url=address, headers=headers) as one:
            if place == 0:
                one.post("/v1/galleries", json={"id": "staff"}).raise_for_status()
                url = {"url": "https://93.184.215.14/x"}
                one.post(f"{STAFF}/webhooks", json=url).raise_for_status()
                store = context.galleries.get("staff", actor="test").opened.store
                with pytest.raises(KeyboardInterrupt), store.removing():  # type: ignore[attr-defined]
                    raise KeyboardInterrupt
                assert one.get(STAFF).status_code == 200
                with store.removing() as gone:  # type: ignore[attr-defined]
                    pass
                assert gone.exists()
            else:
                assert not list((tmp_path / "data").glob("staff*"))
                assert one.get(STAFF).status_code == 404
                one.post("/v1/galleries", json={"id": "staff"}).raise_for_status()
                assert one.get(f"{STAFF}/webhooks").json() == {"webhooks": []}


def test_one_that_is_deleted_while_all_are_listed_is_left_out(
    admin: httpx.Client, context: Context
) -> None:
    assert admin.post("/v1/galleries", json={"id": "gone"}).status_code == 201
    context.galleries.all()["gone"].close()
    del context.galleries._places["gone"]  # as while another service deletes it
    told = admin.get("/v1/galleries")
    assert told.status_code == 200, told.text
    assert [one["id"] for one in told.json()["galleries"]] == ["people"]

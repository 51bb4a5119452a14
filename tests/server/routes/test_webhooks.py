import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import running

from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.pipeline.recognizer import Recognizer
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings
from vultus.server.webhooks.dispatcher import Patience

HOOKS = "/v1/galleries/people/webhooks"


class Receiver:
    """A real receiver on the loopback interface."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((headers, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?token=secret"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def wait(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 30
        while len(self.got) < count:
            assert time.monotonic() < deadline, self.got
            time.sleep(0.02)
        return [json.loads(body) for _, body in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def patient(context: Context) -> Context:
    """A service that may send to this machine, and does not wait long."""
    dispatcher = context.background.dispatcher
    object.__setattr__(context.settings, "webhook_networks", _loopback())
    dispatcher._networks = _loopback()
    dispatcher.patience = Patience(first_s=0.1, longest_s=0.2, timeout_s=5)
    return context


def _loopback() -> tuple[IPv4Network, ...]:
    return (IPv4Network("127.0.0.0/8"),)


def _log(context: Context) -> EventLog:
    return EventLog(context.galleries.get("people", actor="test"))


def test_events_are_sent_in_order_and_signed(
    patient: Context, admin: httpx.Client, receiver: Receiver, hopper_jpeg: bytes
) -> None:
    _log(patient).append(NewEvent(type="error"))  # before it was made
    made = admin.post(HOOKS, json={"url": receiver.url, "types": ["enrolled", "unknown"]})
    assert made.status_code == 201
    secret = made.json().pop("secret")
    (listed,) = admin.get(HOOKS).json()["webhooks"]
    assert "secret" not in listed
    assert listed == admin.get(f"{HOOKS}/{listed['id']}").json()
    enrolled = admin.post(
        "/v1/galleries/people/people",
        data={"name": "Marker Person"},
        files={"photos": hopper_jpeg},
    ).json()["person"]
    _log(patient).extend([NewEvent(type=name) for name in ("left", "unknown")])
    first, second = receiver.wait(2)
    assert (first["type"], second["type"]) == ("enrolled", "unknown")
    assert first["data"]["person"] == enrolled["id"]
    assert b"Marker" not in receiver.got[0][1]
    headers, body = receiver.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"
    _delivered(admin, listed["id"], [None, None])
    assert admin.delete(f"{HOOKS}/{listed['id']}").status_code == 204
    assert admin.get(f"{HOOKS}/{listed['id']}/deliveries").status_code == 404


def _delivered(admin: httpx.Client, hook: str, errors: list[str | None]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 30
    while True:
        told = admin.get(f"{HOOKS}/{hook}/deliveries").json()["deliveries"]
        if len(told) >= len(errors) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert [delivery["error"] for delivery in told][: len(errors)] == errors
    return list(told)


def test_what_failed_is_sent_again_and_nothing_passes_it(
    patient: Context, admin: httpx.Client, receiver: Receiver
) -> None:
    receiver.status = 500
    hook = admin.post(HOOKS, json={"url": receiver.url, "names": True}).json()["id"]
    places = _log(patient).extend([NewEvent(type="unknown"), NewEvent(type="left")])
    receiver.wait(3)
    told = admin.get(f"{HOOKS}/{hook}").json()
    assert told["failures"] >= 2
    assert told["failing_since"] is not None
    receiver.status = 200
    got = receiver.wait(len(receiver.got) + 2)
    positions = [message["data"]["position"] for message in got]
    assert positions[-2:] == places
    assert set(positions[:-1]) == {places[0]}
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
    log = _delivered(admin, hook, ["status 500", "status 500"])
    assert [delivery["attempt"] for delivery in log[:3]] == [1, 2, 3]
    page = admin.get(f"{HOOKS}/{hook}/deliveries?after={log[0]['number']}&limit=1").json()
    assert [delivery["number"] for delivery in page["deliveries"]] == [log[1]["number"]]
    rest = admin.get(f"{HOOKS}/{hook}/deliveries", params={"cursor": page["next"]}).json()
    assert rest["deliveries"][0]["number"] == log[2]["number"]
    assert rest["next"] is None
    foreign = admin.get(f"{HOOKS}/{hook}/deliveries", params={"cursor": "ZTE"})
    assert foreign.status_code == 422


def test_who_is_gone_or_fails_for_too_long_is_disabled_until_enabled(
    patient: Context, admin: httpx.Client, receiver: Receiver
) -> None:
    receiver.status = 410
    hook = admin.post(HOOKS, json={"url": receiver.url}).json()["id"]
    place = _log(patient).append(NewEvent(type="unknown"))
    _disabled(admin, hook, "gone")
    receiver.status = 500
    patient.background.dispatcher.patience = Patience(first_s=0.1, longest_s=0.1, give_up_s=0.3)
    assert admin.post(f"{HOOKS}/{hook}/enable").json()["disabled"] is None
    _disabled(admin, hook, "too long")
    receiver.status, before = 200, len(receiver.got)
    admin.post(f"{HOOKS}/{hook}/enable")
    assert receiver.wait(before + 1)[-1]["data"]["position"] == place


def _disabled(admin: httpx.Client, hook: str, why: str) -> None:
    deadline = time.monotonic() + 30
    while (told := admin.get(f"{HOOKS}/{hook}").json()["disabled"]) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert why in told


def test_a_secret_is_changed_without_a_gap_and_a_test_is_sent(
    patient: Context, admin: httpx.Client, receiver: Receiver
) -> None:
    made = admin.post(HOOKS, json={"url": receiver.url}).json()
    again = admin.post(f"{HOOKS}/{made['id']}/rotate").json()
    assert again["secret"] != made["secret"]
    sent = admin.post(f"{HOOKS}/{made['id']}/test").json()
    assert (sent["status"], sent["error"]) == (200, None)
    headers, body = receiver.got[-1]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for secret, signature in zip(
        (again["secret"], made["secret"]), headers["webhook-signature"].split(" "), strict=True
    ):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        assert hmac.new(key, signed, hashlib.sha256).digest() == base64.b64decode(signature[3:])


def test_addresses_that_are_not_public_are_refused(admin: httpx.Client, receiver: Receiver) -> None:
    urls = [receiver.url, "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest"]
    for url in [*urls, "ftp://example.org", "https://u:p@example.org"]:
        refused = admin.post(HOOKS, json={"url": url})
        assert refused.status_code == 422, url
        assert "token=secret" not in refused.text
    assert admin.post(HOOKS, json={"url": receiver.url, "types": ["unknwn"]}).status_code == 422
    assert receiver.got == []


def test_it_goes_on_where_it_was_after_a_restart(
    tmp_path: Path, recognizer: Callable[[], Recognizer], receiver: Receiver
) -> None:
    settings = ServerSettings(
        gallery=(tmp_path / "people.db",),
        admin_key_file=tmp_path / "key",
        webhook_networks=_loopback(),
    )
    context = open_context(settings, recognizer())
    headers = {"Authorization": f"Bearer {(tmp_path / 'key').read_text().strip()}"}
    with running(context) as address, httpx.Client(base_url=address, headers=headers) as one:
        hook = one.post(HOOKS, json={"url": receiver.url}).json()["id"]
        _log(context).append(NewEvent(type="unknown"))
        receiver.wait(1)
    context = open_context(settings, recognizer())
    place = _log(context).append(NewEvent(type="left"))
    with running(context) as address, httpx.Client(base_url=address, headers=headers) as one:
        got = receiver.wait(2)
        _delivered(one, hook, [None, None])
    assert [message["data"]["position"] for message in got][-1] == place
    assert [message["type"] for message in got] == ["unknown", "left"]
    for file in tmp_path.glob("*service.sqlite*"):
        assert b"token=secret" not in file.read_bytes()
        assert b"whsec_" not in file.read_bytes()

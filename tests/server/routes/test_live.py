import contextlib
import json
import threading
from typing import Any

import httpx
import pytest
from tests.server.conftest import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.sessions import COOKIE

PEOPLE = "/v1/galleries/people/people"
EVENTS = "/v1/galleries/people/events"


def _connect(
    address: str, headers: dict[str, str], *, origin: str | None = None, query: str = ""
) -> ClientConnection:
    url = address.replace("http", "ws") + "/v1/galleries/people/live" + query
    return connect(url, additional_headers=headers, origin=origin, proxy=None)  # type: ignore[arg-type]


def _cookie(client: Client, context: Context, role: Role) -> tuple[str, dict[str, str]]:
    key, text = context.keys.add(role)
    browser = client(None)
    browser.post("/v1/session", json={"key": text})
    return key.id, {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}


def _asked(live: ClientConnection, frame: bytes) -> dict[str, Any]:
    live.send(frame)
    told: dict[str, Any] = json.loads(live.recv(timeout=60))
    return told


def test_frames_are_answered_as_photos_are(
    admin: httpx.Client, address: str, client: Client, context: Context, hopper_jpeg: bytes
) -> None:
    admin.post(PEOPLE, data={"name": "Grace"}, files={"photos": hopper_jpeg})
    photo = {"photo": hopper_jpeg}
    (alone,) = admin.post("/v1/galleries/people/identify", files=photo).json()["faces"]
    _, cookie = _cookie(client, context, Role.reader)
    with _connect(address, cookie, origin=address) as live:
        told = _asked(live, hopper_jpeg)
        assert told["size_hw"] == [600, 512]
        assert told["faces"] == [alone]
        assert "problem" in _asked(live, b"no photo")
        assert _asked(live, hopper_jpeg) == told


def test_who_stays_is_noted_once(admin: httpx.Client, address: str, hopper_jpeg: bytes) -> None:
    with _connect(address, {"Authorization": admin.headers["authorization"]}) as live:
        for _ in range(2):
            _asked(live, hopper_jpeg)
        admin.post(PEOPLE, data={"name": "Grace"}, files={"photos": hopper_jpeg})
        for _ in range(2):
            _asked(live, hopper_jpeg)
    events = admin.get(EVENTS).json()["events"]
    noted = [event["type"] for event in events if event["source"] == "live"]
    assert noted == ["unknown", "recognised"]


def test_who_may_not_connect(address: str, client: Client, context: Context) -> None:
    _, cookie = _cookie(client, context, Role.reader)
    other = {"Authorization": f"Bearer {context.keys.add(Role.admin, ['others'])[1]}"}
    refused: list[tuple[dict[str, str], str | None]] = [
        ({}, address),
        (cookie, None),
        (cookie, "http://elsewhere"),
        (cookie, "null"),
        (other, address),
        ({"Cookie": f"{COOKIE}=x"}, address),
    ]
    for headers, origin in refused:
        with pytest.raises(InvalidStatus, match="403"), _connect(address, headers, origin=origin):
            pass
    with (
        pytest.raises(InvalidStatus, match="403"),
        _connect(address, cookie, origin=address, query="?fpir=2"),
    ):
        pass


def test_a_key_taken_back_sees_nothing_more(
    address: str, client: Client, context: Context, hopper_jpeg: bytes
) -> None:
    key_id, cookie = _cookie(client, context, Role.reader)
    with _connect(address, cookie, origin=address) as live:
        _asked(live, hopper_jpeg)
        context.keys.remove(key_id)
        with pytest.raises(ConnectionClosed, match="the log-in has ended"):
            _asked(live, hopper_jpeg)


def test_the_newest_frame_wins(
    admin: httpx.Client,
    address: str,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    hopper_jpeg: bytes,
) -> None:
    started, go_on = threading.Event(), threading.Event()
    analyse = context.recognizer.analyse

    def slow(photos: list[Any]) -> Any:
        started.set()
        assert go_on.wait(30)
        return analyse(photos)

    monkeypatch.setattr(context.recognizer, "analyse", slow)
    with _connect(address, {"Authorization": admin.headers["authorization"]}) as live:
        live.send(hopper_jpeg)
        assert started.wait(30)
        live.send(b"late")
        live.send(b"later")
        live.send(hopper_jpeg)
        live.ping().wait(30)  # all of them have arrived
        go_on.set()
        assert "faces" in json.loads(live.recv(timeout=60))
        assert "faces" in json.loads(live.recv(timeout=60))
        with pytest.raises(TimeoutError):
            live.recv(timeout=0.5)


def test_so_many_cameras_at_once(admin: httpx.Client, address: str) -> None:
    headers = {"Authorization": admin.headers["authorization"]}
    with contextlib.ExitStack() as open_ones:
        for _ in range(4):
            open_ones.enter_context(_connect(address, headers))
        with pytest.raises(InvalidStatus, match="403"), _connect(address, headers):
            pass

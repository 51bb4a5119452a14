import contextlib
import json
import threading
from typing import Any

import httpx
import numpy as np
import pytest
from tests.server.conftest import Client, jpeg
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


@pytest.mark.parametrize("role", Role)
def test_keys_of_each_role_look_at_their_galleries(
    address: str, context: Context, role: Role
) -> None:
    for galleries, may in ((None, True), (["people"], True), (["others"], False)):
        key = {"Authorization": f"Bearer {context.keys.add(role, galleries)[1]}"}
        if may:
            with _connect(address, key):
                continue
        with pytest.raises(InvalidStatus, match="403"), _connect(address, key):
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


def test_a_log_in_that_ends_sees_nothing_more(
    address: str, client: Client, context: Context, hopper_jpeg: bytes
) -> None:
    _, text = context.keys.add(Role.reader)
    browser = client(None)
    csrf = browser.post("/v1/session", json={"key": text}).json()["csrf"]
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    with _connect(address, cookie, origin=address) as live:
        assert "faces" in _asked(live, hopper_jpeg)
        ended = browser.delete("/v1/session", headers={"X-CSRF-Token": csrf})
        assert ended.status_code == 204
        with pytest.raises(ConnectionClosed, match="the log-in has ended"):
            _asked(live, hopper_jpeg)


def test_a_frame_that_is_too_large(admin: httpx.Client, address: str, context: Context) -> None:
    headers = {"Authorization": admin.headers["authorization"]}
    with _connect(address, headers) as live:
        most = context.settings.most_bytes
        assert "problem" in _asked(live, b"x" * most)  # no photo, but no larger than may be
        live.send(b"x" * (most + 1))
        with pytest.raises(ConnectionClosed) as closed:
            live.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009  # too big, RFC 6455
    with _connect(address, headers) as live:
        wide = np.zeros((1000, 1001, 3), np.uint8)  # a million pixels may be
        assert "pixels" in _asked(live, jpeg(wide))["problem"]


def test_a_gallery_that_is_not_there_or_was_deleted(
    admin: httpx.Client, address: str, context: Context, hopper_jpeg: bytes
) -> None:
    headers = {"Authorization": admin.headers["authorization"]}
    url = address.replace("http", "ws") + "/v1/galleries/{}/live"
    with pytest.raises(InvalidStatus, match="403"):
        connect(url.format("nothing"), additional_headers=headers, proxy=None)
    assert admin.post("/v1/galleries", json={"id": "door"}).status_code == 201
    with connect(url.format("door"), additional_headers=headers, proxy=None) as live:
        assert "faces" in _asked(live, hopper_jpeg)
        told = admin.delete("/v1/galleries/door", params={"confirm": "door"})
        assert told.status_code == 200, told.text
        with pytest.raises(ConnectionClosed, match="the gallery was deleted"):
            _asked(live, hopper_jpeg)


def test_a_gallery_whose_decisions_take_a_session(
    admin: httpx.Client, address: str, context: Context
) -> None:
    ruled = context.settings.model_copy(update={"require_live_session": ("people",)})
    object.__setattr__(context, "settings", ruled)  # as if it had been started so
    headers = {"Authorization": admin.headers["authorization"]}
    with pytest.raises(InvalidStatus, match="403"), _connect(address, headers):
        pass


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

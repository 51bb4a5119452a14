"""Looking on at a monitor over a WebSocket; the camera is a film of the tests."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import httpx
import pytest
from tests.server.conftest import Client
from tests.server.monitors.cameras import http_camera
from tests.server.monitors.conftest import portrait
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from vultus.core.faces import Image
from vultus.image.io import read_image
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.monitors.addresses import Allowed
from vultus.server.sessions import COOKIE

MONITORS = "/v1/galleries/people/monitors"


@pytest.fixture
def monitor(context: Context, admin: httpx.Client, hopper: Image) -> Iterator[str]:
    pytest.importorskip("av", reason="streams are read by PyAV (extra `video`)")
    monitors = context.background.monitors
    allowed = Allowed(networks=(IPv4Network("127.0.0.0/8"),))
    monitors.means = replace(monitors.means, allowed=allowed)
    with http_camera(portrait(hopper)) as camera:
        wanted = {"name": "door", "address": f"http://u:s3cret@127.0.0.1:{camera.server_port}/"}
        yield str(admin.post(MONITORS, json=wanted | {"fpir": 0.05}).json()["id"])
        monitors.stop()


def _look(client: httpx.Client, monitor: str) -> ClientConnection:
    address = str(client.base_url).replace("http", "ws").rstrip("/")
    headers = {"Authorization": client.headers.get("authorization", "")}
    return connect(f"{address}{MONITORS}/{monitor}/live", additional_headers=headers)


def _asked(socket: ClientConnection) -> tuple[dict[str, Any], bytes | None]:
    socket.send("")
    told = json.loads(socket.recv(timeout=30))
    frame = socket.recv(timeout=30) if told["picture"] else None
    assert frame is None or isinstance(frame, bytes)
    return told, frame


def test_the_newest_frame_comes_with_who_is_on_it(
    client: Client, monitor: str, enrol: Callable[..., Any], hopper_jpeg: bytes
) -> None:
    person = enrol("Grace", hopper_jpeg)
    operator = client(Role.operator)
    with _look(operator, monitor) as socket:
        told, frame = _asked(socket)
        assert (told["monitor"]["state"]["name"], frame) == ("stopped", None)
        operator.post(f"{MONITORS}/{monitor}/start")
        for _ in range(200):
            told, frame = _asked(socket)
            if told["present"]["people"]:
                break
        assert [one["person"] for one in told["present"]["people"]] == [person["id"]]
        while frame is None:
            told, frame = _asked(socket)
        assert list(read_image(frame).shape[:2]) == told["present"]["size_hw"]
        assert "s3cret" not in json.dumps(told)
        operator.post(f"{MONITORS}/{monitor}/stop")
        for _ in range(100):
            told, frame = _asked(socket)
            if told["monitor"]["state"]["name"] == "stopped":
                break
        assert frame is None
        assert told["present"]["people"] == []


def test_who_may_not_look_on_is_told_so(client: Client, monitor: str) -> None:
    strangers = (client(Role.reader), client(None), client(Role.operator, ["other"]))
    for one, which in (*((one, monitor) for one in strangers), (client(Role.admin), "nothing")):
        with pytest.raises(InvalidStatus, match="403"):
            _look(one, which)


def test_a_key_that_is_taken_back_sees_nothing_more(
    client: Client, context: Context, monitor: str
) -> None:
    operator = client(Role.operator)
    with _look(operator, monitor) as socket:
        _asked(socket)
        for key in context.keys.listed():
            if key.role == "operator":
                context.keys.remove(key.id)
        with pytest.raises(ConnectionClosed):
            _asked(socket)


def test_a_log_in_looks_on_from_the_services_own_page_until_it_ends(
    client: Client, context: Context, monitor: str, address: str
) -> None:
    browser = client(None)
    told = browser.post("/v1/session", json={"key": context.keys.add(Role.operator)[1]}).json()
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    url = address.replace("http", "ws") + f"{MONITORS}/{monitor}/live"

    def opened(origin: str | None) -> ClientConnection:
        return connect(url, additional_headers=cookie, origin=origin)  # type: ignore[arg-type]

    for origin in (None, "null", "http://elsewhere", address + "0"):
        with pytest.raises(InvalidStatus, match="403"):
            opened(origin)
    with opened(address) as socket:
        _asked(socket)
        csrf = {"X-CSRF-Token": told["csrf"]}
        assert browser.delete("/v1/session", headers=csrf).status_code == 204
        with pytest.raises(ConnectionClosed, match="the log-in has ended"):
            _asked(socket)
    with pytest.raises(InvalidStatus, match="403"):
        opened(address)


def test_a_monitor_that_is_deleted_is_told(
    client: Client, admin: httpx.Client, monitor: str
) -> None:
    with _look(client(Role.operator), monitor) as socket:
        _asked(socket)
        assert admin.delete(f"{MONITORS}/{monitor}").status_code == 204
        with pytest.raises(ConnectionClosed, match="there is no such monitor any more"):
            _asked(socket)


def test_motion_jpeg_is_what_a_camera_sends(
    client: Client, context: Context, monitor: str, enrol: Callable[..., Any], hopper_jpeg: bytes
) -> None:
    enrol("Grace", hopper_jpeg)
    operator = client(Role.operator)
    operator.post(f"{MONITORS}/{monitor}/start")
    path = f"{MONITORS}/{monitor}/stream"
    for one in (client(Role.reader), client(None)):
        assert one.get(path).status_code in (401, 403)
    assert operator.get(f"{MONITORS}/nothing/stream").status_code == 404
    with operator.stream("GET", f"{path}?longest=100") as told:
        assert told.headers["content-type"] == "multipart/x-mixed-replace; boundary=vultus"
        found, chunks = b"", told.iter_raw()
        while found.count(b"--vultus\r\n") < 4:
            found += next(chunks)
        parts = [part.split(b"\r\n\r\n", 1) for part in found.split(b"--vultus\r\n")[1:3]]
        for head, body in parts:
            assert head.startswith(b"Content-Type: image/jpeg\r\nContent-Length: ")
            jpeg = body[: int(head.rsplit(b" ", 1)[1])]
            assert max(read_image(jpeg).shape) == 100
        # A key that is taken back sees nothing more.
        for key in context.keys.listed():
            if key.role == "operator":
                context.keys.remove(key.id)
        for _ in chunks:
            pass

"""Clients that are slow, or speak no HTTP, on real sockets."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from tests.server.conftest import running

from vultus.server import connection, guard
from vultus.server.access import Role
from vultus.server.connection import Connection
from vultus.server.context import Context
from vultus.server.guard import USUAL_HEADERS
from vultus.server.running import server_config


@contextmanager
def _line(address: str) -> Iterator[socket.socket]:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        yield line


def _told(line: socket.socket) -> bytes:
    return b"".join(iter(lambda: line.recv(4000), b""))


def _goes_on(line: socket.socket, asked: bytes, *, told: bool = False) -> bool:
    """Whether one can still ask; and is answered, if that is to be looked at."""
    try:
        line.sendall(asked)
        return not told or bool(line.recv(4000))
    except OSError:  # reset, or a broken pipe
        return False


def _problem(said: bytes) -> tuple[int, str]:
    """Status and code; it is told as every other problem is."""
    head, _, body = said.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert headers["content-type"] == "application/problem+json"
    assert {name.lower() for name in USUAL_HEADERS} <= set(headers)
    problem = json.loads(body)
    assert problem["request_id"] == headers["x-request-id"]
    assert int(start.split()[1]) == problem["status"]
    return problem["status"], problem["code"]


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",  # TLS where there is none
    ],
    ids=["nonsense", "no host", "two lengths", "a long head", "TLS"],
)
def test_what_is_no_http_is_told_as_a_problem(address: str, sent: bytes) -> None:
    with _line(address) as line:
        line.sendall(sent)
        assert _problem(_told(line)) == (400, "bad-request")


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-"])
def test_a_head_that_does_not_come_is_not_awaited(
    address: str, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connection, "_HEAD_S", 0.3)
    with _line(address) as line:
        line.sendall(sent)
        assert _problem(_told(line)) == (408, "request-timeout")


def test_nor_is_the_next_one(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_HEAD_S", 1.0)
    with _line(address) as line:
        line.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /heal")
        said = _told(line)
        assert said.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408" in said


def test_who_asks_in_time_is_answered_however_long_that_takes(
    admin: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_HEAD_S", 0.3)

    def slow(*_: object) -> list[str]:
        time.sleep(1)
        return []

    monkeypatch.setattr(type(context.galleries), "ids", property(slow))
    for _ in range(2):
        assert admin.get("/v1/galleries").status_code == 200


def test_a_body_that_drips_gives_its_place_back(
    address: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_STALLED_S", 0.5)
    key = context.keys.add(Role.reader)[1]
    with _line(address) as line:
        head = "POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        line.sendall(
            f"{head}Authorization: Bearer {key}\r\nContent-Length: 1000000\r\n\r\n".encode()
        )
        line.settimeout(0.05)
        said = b""
        until = time.monotonic() + 20
        while not said:
            assert time.monotonic() < until
            line.sendall(b"x")
            try:
                said = line.recv(4000)
            except TimeoutError:
                continue
        line.settimeout(20)
        assert _problem(said + _told(line)) == (408, "request-timeout")


def test_a_body_that_comes_slowly_and_goes_on_is_waited_for(
    address: str, context: Context, monkeypatch: pytest.MonkeyPatch, hopper_jpeg: bytes
) -> None:
    monkeypatch.setattr(guard, "_STALLED_S", 0.5)
    key = context.keys.add(Role.reader)[1]
    with _line(address) as line:
        head = "POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        head += f"Authorization: Bearer {key}\r\nConnection: close\r\n"
        line.sendall(f"{head}Content-Length: {len(hopper_jpeg)}\r\n\r\n".encode())
        for place in range(0, len(hopper_jpeg), len(hopper_jpeg) // 15):
            line.sendall(hopper_jpeg[place : place + len(hopper_jpeg) // 15])
            time.sleep(0.1)
        assert _told(line).startswith(b"HTTP/1.1 200")


def test_who_does_not_read_the_answer_gives_the_place_back(
    address: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_STUCK_S", 0.5)
    asked, until = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", time.monotonic() + 60
    with _line(address) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(40 * asked)  # more than the buffers of the system take
        while _goes_on(line, asked):
            assert time.monotonic() < until
            time.sleep(0.1)
    while context.background.requests:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_no_more_connections_than_may_be(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vultus.server.running._most_connections", lambda: 2)
    with running(context) as address, _line(address) as one, _line(address) as two:
        for line in (one, two):
            line.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.recv(4000).startswith(b"HTTP/1.1 200")
        with _line(address) as three:
            assert not _goes_on(three, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", told=True)
        one.close()
        until = time.monotonic() + 20
        while True:
            assert time.monotonic() < until
            try:
                if httpx.get(f"{address}/health/live").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)


def test_a_service_has_these_connections(context: Context) -> None:
    kind = server_config(context).http
    assert isinstance(kind, type)
    assert issubclass(kind, Connection)
    assert kind.most >= 16

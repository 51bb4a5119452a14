import base64
import hashlib
import hmac
import socket
import threading
import time
from ipaddress import ip_network
from typing import Any

import pytest

from vultus.server.webhooks import sending
from vultus.server.webhooks.sending import send
from vultus.server.webhooks.signing import new_secret, signed_headers

LOOPBACK = [ip_network("127.0.0.0/8")]


class _Line:
    """Answers one request with some bytes, slowly if asked to."""

    def __init__(self, answer: bytes, *, pause_s: float = 0.0) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook"
        self._answer, self._pause_s = answer, pause_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        line, _ = self._listener.accept()
        with line:
            got = b""
            while not got.endswith(b"{}"):  # else closing would reset the line
                got += line.recv(65536)
            for byte in self._answer:
                if self._end.wait(self._pause_s):
                    return
                try:
                    line.sendall(bytes([byte]))
                except OSError:
                    return

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._listener.close()


def _post(url: str, timeout_s: float = 5.0) -> sending.Sent:
    return send(url, b"{}", {}, networks=LOOPBACK, timeout_s=timeout_s)


def test_only_an_answer_of_success_is_success_and_redirects_are_not_followed() -> None:
    for head, status, error in (
        (b"HTTP/1.1 204 x\r\n\r\n", 204, None),
        (b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\n\r\n", 302, "status 302"),
        (b"HTTP/1.1 500 x\r\n\r\n", 500, "status 500"),
        (b"nonsense\r\n\r\n", None, "no connection, or no answer of HTTP"),
    ):
        line = _Line(head)
        try:
            sent = _post(line.url)
        finally:
            line.close()
        assert (sent.status, sent.error) == (status, error)


def test_when_to_come_again_is_read() -> None:
    line = _Line(b"HTTP/1.1 503 x\r\nRetry-After: 99999999\r\n\r\n")
    try:
        assert _post(line.url).wait_s == 3600
    finally:
        line.close()


def test_who_answers_byte_by_byte_is_late() -> None:
    line = _Line(b"HTTP/1.1 200 x\r\n" + b"X: y\r\n" * 1000, pause_s=0.1)
    start = time.monotonic()
    try:
        sent = _post(line.url, timeout_s=0.7)
    finally:
        line.close()
    assert sent.error is not None
    assert time.monotonic() - start < 5


def test_what_is_connected_to_is_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    answers = [[("93.184.215.14", 443)], [("127.0.0.1", 443)]]  # rebound after the check
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(2, 1, 6, "", place) for place in answers.pop(0)],
    )

    def connect(place: tuple[str, int], *_: Any) -> socket.socket:
        asked.append(place)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    sent = send("https://rebind.example/x", b"{}", {}, networks=[], timeout_s=1)
    assert asked == [("93.184.215.14", 443)]
    assert sent.error == "no connection, or no answer of HTTP"
    again = send("https://rebind.example/x", b"{}", {}, networks=[], timeout_s=1)
    assert len(asked) == 1
    assert again.error is not None
    assert "private" in again.error


def test_signatures_are_those_of_the_standard() -> None:
    one, other = new_secret(), new_secret()
    headers = signed_headers("msg_1", b'{"a":1}', at=1700000000, secrets_text=[one, other])
    signatures = []
    for secret in (one, other):
        key = base64.b64decode(secret[len("whsec_") :])
        digest = hmac.new(key, b'msg_1.1700000000.{"a":1}', hashlib.sha256).digest()
        signatures.append("v1," + base64.b64encode(digest).decode())
    assert headers["webhook-signature"].split(" ") == signatures
    # From the library's own tests: https://github.com/standard-webhooks/standard-webhooks
    known = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        at=1614265330,
        secrets_text=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert known["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

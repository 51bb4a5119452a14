"""Streams over loopback: dropped connections, slow readers, secrets."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from PIL import Image

from vultus.core.errors import VideoError
from vultus.video.sources.container import Opening
from vultus.video.sources.live import LiveSource, Patience
from vultus.video.sources.opening import open_source

pytest.importorskip("av", reason="streams are read by PyAV (extra `video`)")


class _Camera(BaseHTTPRequestHandler):
    """Sends motion JPEG; each connection breaks after some frames."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.connections += 1
        if server.status != 200:
            self.send_error(server.status)
            return
        if server.is_silent:
            time.sleep(5)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
        self.end_headers()
        try:
            for _ in range(server.frames_each):
                data = BytesIO()
                Image.new("RGB", (32, 24), (server.sent % 250,) * 3).save(data, "JPEG")
                body = data.getvalue()
                head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body + b"\r\n")
                server.sent += 1
                time.sleep(server.pause_s)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    connections = 0
    sent = 0
    frames_each = 8
    pause_s = 0.01
    status = 200
    is_silent = False


@contextmanager
def camera(*, frames_each: int = 8, pause_s: float = 0.01) -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Camera)
    server.frames_each, server.pause_s = frames_each, pause_s
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def live(server: _Server, patience: Patience) -> LiveSource:
    address = f"http://user:s3cret@127.0.0.1:{server.server_address[1]}/live?token=s3cret"
    source = open_source(address, patience=patience)
    assert isinstance(source, LiveSource)
    return source


QUICK = Patience(first_s=0.02, longest_s=0.1, timeout_s=2)


def test_a_lost_connection_is_sought_again_and_time_ascends() -> None:
    with camera() as server:
        source = live(server, QUICK)
        frames = []
        for frame in source.frames():
            frames.append(frame)
            if server.connections >= 3:
                break
        source.close()
    assert source.reconnected >= 2
    times = [f.time_s for f in frames]
    assert times == sorted(times)
    assert [f.number for f in frames] == list(range(len(frames)))


def test_the_newest_frame_wins_and_the_dropped_are_counted() -> None:
    with camera(frames_each=1000, pause_s=0.005) as server:
        source = live(server, QUICK)
        stream = source.frames()
        next(stream)
        time.sleep(0.5)
        frame = next(stream)
        source.close()
    assert frame.number == 1
    assert frame.dropped >= 10
    assert frame.time_s > 0.2  # not the second frame that came


def test_who_gives_up_says_so_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    address = "http://user:s3cret@127.0.0.1:9/live?token=s3cret"
    patience = Patience(first_s=0.02, longest_s=0.05, give_up_s=0.2, timeout_s=1)
    source = open_source(address, patience=patience)
    with pytest.raises(VideoError, match=r"http://127\.0\.0\.1:9/live gave no frame") as caught:
        list(source.frames())
    source.close()
    assert "s3cret" not in str(caught.value) + caplog.text + source.name
    assert "sought again" in caplog.text


def test_waits_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    patience = Patience(first_s=1, longest_s=5, timeout_s=1)
    source = LiveSource(Opening("/nothing/here", "here"), name="here", patience=patience)

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 5:
            source._closed.set()
        return True

    monkeypatch.setattr(source._closed, "wait", wait)
    assert list(source.frames()) == []
    assert waits == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "unauthorised"), (403, "unauthorised"), (404, "not-found"), (503, "refused")],
)
def test_an_answer_that_is_none_has_a_kind(status: int, code: str) -> None:
    with camera() as server:
        server.status = status
        assert _lost_code(live(server, QUICK)) == code


def test_who_does_not_answer_and_who_is_not_there_are_told_apart() -> None:
    with camera() as server:
        server.is_silent = True
        source = live(server, Patience(first_s=0.02, longest_s=0.1, timeout_s=0.3))
        assert _lost_code(source) == "timed-out"
        assert source.lost is not None
        assert "nothing came for 0.3 s" in source.lost.reason
    # Its port is closed now.
    assert _lost_code(live(server, QUICK)) == "unreachable"


def _lost_code(source: LiveSource) -> str:
    """Why the first connection fails, in a word."""
    frames = threading.Thread(target=lambda: list(source.frames()), daemon=True)
    frames.start()
    deadline = time.monotonic() + 10
    while source.lost is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    source.close()
    frames.join(5)
    return source.lost.code


def test_why_nothing_comes_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    patience = Patience(first_s=0.02, longest_s=0.05, timeout_s=2, give_up_s=0.5)
    with camera() as server:
        server.status = 404
        source = live(server, patience)
        with pytest.raises(
            VideoError, match=r"the last time: .* cannot be opened: Server returned 404"
        ):
            next(source.frames())
    told = [one.getMessage() for one in caplog.records if "sought again" in one.getMessage()]
    assert len(told) == 1
    assert "s3cret" not in told[0]
    assert source.reconnected > 1

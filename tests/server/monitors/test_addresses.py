import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import InputError, VideoError
from vultus.server.monitors.addresses import (
    Allowed,
    check_address,
    kind_of,
    open_address,
    shown_address,
)
from vultus.video.sources.live import LiveSource, Patience

LOOPBACK = Allowed(networks=(IPv4Network("127.0.0.0/8"),))
NOTHING = Allowed()


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://127.0.0.1/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "rtsp://93.184.215.14/door",  # public, and yet it may send on to any other
        "rtsps://93.184.215.14/door",
        "http://93.184.215.14/door",
        "file:///etc/passwd",
        "concat:a|b",
        "udp://127.0.0.1:9",
        "tcp://127.0.0.1:9",
        "camera:0",
        "/dev/video0",
        "/etc/passwd",
        "door.mkv",
        "https://93.184.215.14@127.0.0.1/",
        "https://127.0.0.1:80@93.184.215.14:x/",
        "https://93.184.215.14\\@127.0.0.1/",
        "https:///x",
        "https://" + "a" * 3000,
        "https://93.184.215.14/a\nHost: b",
    ],
)
def test_nothing_is_watched_that_nobody_allowed(address: str) -> None:
    with pytest.raises(InputError) as caught:
        check_address(address, NOTHING)
    assert "passwd" not in str(caught.value)


def test_what_the_operator_allows_is_watched(tmp_path: Path) -> None:
    for scheme in ("rtsp", "rtsps", "http", "https"):
        check_address(f"{scheme}://u:p@127.0.0.1:9/x?y=z", LOOPBACK)
    check_address("https://93.184.215.14/door", NOTHING)
    check_address("camera:1", Allowed(cameras=(1,)))
    check_address("/dev/video1", Allowed(cameras=(1,)))
    with pytest.raises(InputError, match="monitor_cameras"):
        check_address("camera:0", Allowed(cameras=(1,)))
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "door.mkv").write_bytes(b"x")
    (tmp_path / "secret.mkv").write_bytes(b"x")
    (tmp_path / "films" / "link.mkv").symlink_to(tmp_path / "secret.mkv")
    films = Allowed(folder=(tmp_path / "films").resolve())
    check_address("door.mkv", films)
    for out in ("../secret.mkv", str(tmp_path / "secret.mkv"), "link.mkv", ".", "no.mkv", "a\0b"):
        with pytest.raises(InputError) as caught:
            check_address(out, films)
        # Whether there is a file elsewhere is not told.
        assert str(caught.value) == str(_refused("no.mkv", films))


def _refused(address: str, allowed: Allowed) -> InputError:
    with pytest.raises(InputError) as caught:
        check_address(address, allowed)
    return caught.value


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://a:s3cret@Cam.example:554/x?k=s3cret#s3cret", "rtsp://cam.example:554"),
        ("https://s3cret@10.0.0.7/s3cret", "https://10.0.0.7"),
        ("rtsp://[fd00::1]:8554/user=a&password=s3cret", "rtsp://[fd00::1]:8554"),
        ("camera:0", "camera:0"),
        ("hall/monday.mkv", "hall/monday.mkv"),
    ],
)
def test_no_secret_is_shown_of_an_address(address: str, shown: str) -> None:
    assert shown_address(address) == shown
    assert kind_of(address) == ("stream" if "://" in address else kind_of(shown))


def test_a_password_may_hold_an_at_only_if_both_readers_agree() -> None:
    """FFmpeg takes all before the last @ for user and password, and so does what checks."""
    check_address("rtsp://u:p@ss@127.0.0.1/x", LOOPBACK)
    with pytest.raises(InputError, match="percent-encoded"):
        check_address("rtsp://127.0.0.1/@10.0.0.1/x", LOOPBACK)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    asked: list[str]
    other = 0


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.asked.append(f"{self.headers.get('Host')} {self.path}")
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/inside")
            self.end_headers()
            return
        address = f"http://127.0.0.1:{server.server_port}/inside"
        body = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.apple.mpegurl")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[_Server]:
    made = _Server(("127.0.0.1", 0), _Answers)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize("path", ["/elsewhere", "/list.m3u8"])
def test_a_stream_leads_nowhere_else(server: _Server, path: str) -> None:
    pytest.importorskip("av", reason="streams are read by PyAV (extra `video`)")
    patience = Patience(first_s=0.05, longest_s=0.05, give_up_s=0.2, timeout_s=2)
    address = f"http://127.0.0.1:{server.server_port}{path}"
    source = open_address(address, LOOPBACK, name="door", patience=patience)
    with pytest.raises(VideoError, match="door gave no frame"):
        list(source.frames())
    source.close()
    assert server.asked
    assert not [one for one in server.asked if "inside" in one]


def test_a_name_is_looked_up_before_each_connection(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is connected to is what was checked; a name that leads elsewhere later is refused."""
    pytest.importorskip("av", reason="streams are read by PyAV (extra `video`)")
    found, asked = ["127.0.0.1"], list[str]()

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found[0], port))]

    monkeypatch.setattr("vultus.server.monitors.addresses.socket.getaddrinfo", lookup)
    patience = Patience(first_s=0.05, longest_s=0.05, timeout_s=2)
    address = f"http://camera.invalid:{server.server_port}/list.m3u8"
    source = open_address(address, LOOPBACK, name="door", patience=patience)
    assert isinstance(source, LiveSource)
    frames = threading.Thread(target=lambda: list(source.frames()))
    frames.start()
    while not server.asked:
        frames.join(0.01)
    assert server.asked[0].startswith(f"camera.invalid:{server.server_port} ")
    found[0] = "10.0.0.1"
    while source.lost is None or "private" not in source.lost.reason:
        frames.join(0.01)
        assert frames.is_alive()
    source.close()
    frames.join()
    assert set(asked) == {"camera.invalid"}

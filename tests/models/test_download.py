import errno
import hashlib
import random
import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vultus.core.errors import DigestError, DownloadError
from vultus.models.download import DownloadSettings, download

BODY = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
FAST = DownloadSettings(timeout_s=5, attempts=3, backoff_s=0.01)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def get(server: Any, target: Path, **changes: Any) -> None:
    settings: dict[str, Any] = {
        "sha256": SHA256,
        "size_bytes": len(BODY),
        "settings": FAST,
    } | changes
    download(f"{server.url}/m", target, **settings)


@pytest.fixture
def server_with_file(server: Any) -> Any:
    server.files["/m"] = BODY
    return server


def test_a_download_lands_whole_and_leaves_nothing_else(
    server_with_file: Any, target: Path
) -> None:
    seen: list[tuple[int, int | None]] = []
    get(server_with_file, target, progress=lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {path.name for path in target.parent.iterdir()} == {
        "model.onnx",
        "model.onnx.verified",
    }


@pytest.mark.parametrize("size_bytes", [len(BODY), None])
def test_a_cut_connection_is_resumed_where_it_broke(
    server_with_file: Any, target: Path, size_bytes: int | None
) -> None:
    server_with_file.mischief.extend(["cut:100000", "cut:50000"])
    get(server_with_file, target, size_bytes=size_bytes)
    assert target.read_bytes() == BODY
    assert server_with_file.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert server_with_file.body_bytes == len(BODY)  # no byte twice


def test_the_next_run_resumes_what_an_earlier_one_kept(server_with_file: Any, target: Path) -> None:
    server_with_file.mischief.extend(["cut:1000"] * FAST.attempts)
    with pytest.raises(DownloadError, match="3,000 bytes are kept"):
        get(server_with_file, target)
    assert not target.exists()
    get(server_with_file, target)
    assert target.read_bytes() == BODY
    assert server_with_file.ranges[-1] == "bytes=3000-"
    assert server_with_file.body_bytes == len(BODY)


def test_a_server_that_ignores_ranges_starts_over(server_with_file: Any, target: Path) -> None:
    server_with_file.mischief.extend(["cut:1000", "no-range"])
    get(server_with_file, target)
    assert target.read_bytes() == BODY
    assert server_with_file.ranges == [None, "bytes=1000-"]


def test_a_server_that_sends_another_range_is_not_believed(
    server_with_file: Any, target: Path
) -> None:
    server_with_file.mischief.extend(["cut:1000", "wrong-range"])
    get(server_with_file, target)
    assert target.read_bytes() == BODY
    assert server_with_file.ranges == [None, "bytes=1000-", None]


def test_a_file_that_changed_on_the_server_is_not_stitched_together(
    server_with_file: Any, target: Path
) -> None:
    server_with_file.files["/m"] = bytes(len(BODY))
    server_with_file.mischief.extend(["cut:1000"] * FAST.attempts)
    with pytest.raises(DownloadError):
        get(server_with_file, target)
    server_with_file.files["/m"], server_with_file.etag = BODY, '"v2"'
    get(server_with_file, target)
    assert target.read_bytes() == BODY
    assert server_with_file.requests == FAST.attempts + 1  # If-Range made it one request


def test_without_an_etag_a_bad_beginning_costs_one_more_download(
    server_with_file: Any, target: Path
) -> None:
    server_with_file.etag = None
    target.with_name("model.onnx.part").write_bytes(b"x" * 1000)
    get(server_with_file, target)
    assert target.read_bytes() == BODY
    assert server_with_file.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("size_bytes", [len(BODY), None])
def test_a_part_that_is_complete_already_is_only_checked(
    server_with_file: Any, target: Path, size_bytes: int | None
) -> None:
    target.with_name("model.onnx.part").write_bytes(BODY)
    get(server_with_file, target, size_bytes=size_bytes)
    assert target.read_bytes() == BODY
    assert server_with_file.body_bytes == 0
    assert server_with_file.requests == (1 if size_bytes is None else 0)


def test_a_part_that_is_too_long_is_thrown_away(server_with_file: Any, target: Path) -> None:
    target.with_name("model.onnx.part").write_bytes(BODY + b"more")
    get(server_with_file, target)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("size_bytes", [len(BODY), None])
def test_wrong_bytes_are_refused_and_deleted(
    server: Any, target: Path, size_bytes: int | None
) -> None:
    server.files["/m"] = b"\0" + BODY[1:]
    found = hashlib.sha256(server.files["/m"]).hexdigest()
    with pytest.raises(DigestError, match=f"must have SHA-256 {SHA256}, got {found}"):
        get(server, target, size_bytes=size_bytes)
    assert list(target.parent.iterdir()) == []
    assert server.requests == 1


@pytest.mark.parametrize("length", [len(BODY) + 1, len(BODY) - 1])
def test_a_file_of_another_length_is_not_even_fetched(
    server: Any, target: Path, length: int
) -> None:
    server.files["/m"] = bytes(length)
    seen: list[int] = []
    with pytest.raises(DigestError, match="bytes"):
        get(server, target, progress=lambda done, total: seen.append(done))
    assert seen == []
    assert list(target.parent.iterdir()) == []


def test_a_missing_file_is_an_error_at_once(server: Any, target: Path) -> None:
    with pytest.raises(DownloadError, match="404"):
        get(server, target)
    assert server.requests == 1


def test_a_server_in_trouble_is_asked_again(server_with_file: Any, target: Path) -> None:
    server_with_file.mischief.extend(["status:503", "status:429"])
    get(server_with_file, target)
    assert target.read_bytes() == BODY


def test_a_server_that_hangs_is_given_up(server_with_file: Any, target: Path) -> None:
    server_with_file.mischief.extend(["hang", "hang"])
    settings = DownloadSettings(timeout_s=0.2, attempts=2, backoff_s=0.01)
    start = time.monotonic()
    with pytest.raises(DownloadError, match="timed out"):
        get(server_with_file, target, settings=settings)
    assert time.monotonic() - start < 10
    assert server_with_file.requests == 2


def test_nobody_listening_is_a_download_error(target: Path, server: Any) -> None:
    slow = DownloadSettings(attempts=3, backoff_s=60)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 cannot be reached \(.*refused"):
        download("http://127.0.0.1:1/m", target, sha256=SHA256, settings=slow)


@pytest.mark.parametrize(
    "reason",
    [
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        TimeoutError("timed out"),
    ],
)
def test_offline_is_noticed_at_once(
    target: Path, monkeypatch: pytest.MonkeyPatch, reason: OSError
) -> None:
    timeouts = []

    def no_way(_: object, timeout: float, *__: object) -> None:
        timeouts.append(timeout)
        raise reason

    monkeypatch.setattr(socket, "create_connection", no_way)
    with pytest.raises(
        DownloadError, match=f"models.example cannot be reached .*{reason.args[-1]}"
    ):
        download("https://models.example/m", target, sha256=SHA256)
    assert timeouts == [DownloadSettings().connect_timeout_s]


def test_a_network_that_breaks_during_a_download_is_waited_for(
    server_with_file: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_with_file.mischief.append("cut:1000")
    connect, calls = socket.create_connection, []

    def broken_once(*arguments: Any, **more: Any) -> socket.socket:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return connect(*arguments, **more)

    monkeypatch.setattr(socket, "create_connection", broken_once)
    get(server_with_file, target)
    assert target.read_bytes() == BODY
    assert len(calls) == 3


def test_a_redirect_on_loopback_is_followed(server_with_file: Any, target: Path) -> None:
    server_with_file.mischief.append(f"redirect:{server_with_file.url}/m")
    get(server_with_file, target)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "address", ["http://example.com/m", "file:///etc/hostname", "ftp://127.0.0.1/m"]
)
def test_other_redirects_are_not_followed(server: Any, target: Path, address: str) -> None:
    server.mischief.append(f"redirect:{address}")
    with pytest.raises(DownloadError, match=r"must be https|HTTP 302"):
        get(server, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("url", ["http://example.com/m", "file:///m", "https:///m", "m"])
def test_only_https_is_opened(target: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="must be https"):
        download(url, target, sha256=SHA256)


def test_an_address_that_cannot_be_encoded_is_a_download_error(target: Path) -> None:
    with pytest.raises(DownloadError):
        download(f"https://{'x' * 70}.example/m", target, sha256=SHA256, settings=FAST)
    assert list(target.parent.iterdir()) == []


def test_too_little_room_is_said_before_a_byte_is_written(
    server_with_file: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(total=10**9, used=10**9 - 1000, free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match="must have 300,000 bytes free, has 1,000"):
        get(server_with_file, target)
    assert not target.with_name("model.onnx.part").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_is_named(server_with_file: Any, target: Path) -> None:
    target.with_name("model.onnx.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="is full; make room"):
        get(server_with_file, target)
    assert server_with_file.requests == 1  # trying again would not help

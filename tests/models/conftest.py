"""A model server on loopback that misbehaves as told, and small ONNX files to serve."""

import hashlib
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from vultus.models.cards import ModelCard


@dataclass
class FileServer:
    """What the server gives, how it misbehaves, and what it was asked."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    # One entry a request, in order: "cut:N", "no-range", "status:N", "hang", "redirect:URL",
    # "wrong-range", "hold" (until `gate` is set). When none is left, all goes as it should.
    mischief: deque[str] = field(default_factory=deque)
    etag: str | None = '"v1"'
    ranges: list[str | None] = field(default_factory=list)
    body_bytes: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> int:
        return len(self.ranges)


class _Handler(BaseHTTPRequestHandler):
    state: FileServer
    released: threading.Event

    def do_GET(self) -> None:
        with self.state.lock:
            self.state.ranges.append(self.headers.get("Range"))
            act = self.state.mischief.popleft() if self.state.mischief else ""
        if act.startswith("status:"):
            self.send_error(int(act[7:]))
        elif act.startswith("redirect:"):
            self.send_response(302)
            self.send_header("Location", act[9:])
            self.end_headers()
        elif act == "hang":
            self.released.wait(30)
        elif act == "hold" and not self.state.gate.wait(30):
            self.send_error(500)
        elif self.path in self.state.files:
            self._send_file(self.state.files[self.path], act)
        else:
            self.send_error(404)

    def _send_file(self, body: bytes, act: str) -> None:
        start = self._start(body) if act != "no-range" else 0
        if start >= len(body) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            said = start - 1 if act == "wrong-range" else start
            self.send_header("Content-Range", f"bytes {said}-{len(body) - 1}/{len(body)}")
        if self.state.etag is not None:
            self.send_header("ETag", self.state.etag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = start + int(act[4:]) if act.startswith("cut:") else len(body)
        self._write(body[start:end])

    def _start(self, body: bytes) -> int:
        wanted = self.headers.get("Range")
        guard = self.headers.get("If-Range")
        if wanted is None or (guard is not None and guard != self.state.etag):
            return 0
        return int(wanted.removeprefix("bytes=").split("-")[0])

    def _write(self, body: bytes) -> None:
        self.wfile.write(body)
        self.wfile.flush()
        with self.state.lock:
            self.state.body_bytes += len(body)
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that hang up are what these tests are about


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    released = threading.Event()
    handler = type("Handler", (_Handler,), {"released": released})
    with _QuietServer(("127.0.0.1", 0), handler) as http:
        state = FileServer(f"http://127.0.0.1:{http.server_address[1]}")
        handler.state = state  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield state
        released.set()
        http.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def public_mirror() -> str | None:
    """The mirror of this machine, read before the fixture below hides it."""
    return os.environ.get("VULTUS_MODELS_MIRROR")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(
    public_mirror: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("MODELS_MIRROR", "OFFLINE", "MODELS_POLICY", "ACCEPT_LICENCES"):
        monkeypatch.delenv(f"VULTUS_{name}", raising=False)
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))


@pytest.fixture
def make_card() -> Callable[..., ModelCard]:
    def make(body: bytes = b"weights", **changes: Any) -> ModelCard:
        values: dict[str, Any] = {
            "name": "toy",
            "task": "embedding",
            "description": "A toy",
            "file_name": "toy.onnx",
            "sha256": hashlib.sha256(body).hexdigest(),
            "size_bytes": len(body),
            "licence": {"name": "MIT", "commercial_use": True, "source": "us"},
            "template": "arcface-112",
            "colour": "rgb",
            "mean": 127.5,
            "std": 128.0,
            "embedding_dim": 4,
            "flip": "add",
        }
        values.update(changes)
        return ModelCard.from_dict({k: v for k, v in values.items() if v is not None})

    return make


@pytest.fixture
def make_onnx(tmp_path: Path) -> Callable[..., Path]:
    def make(
        name: str = "toy.onnx",
        *,
        image: tuple[int | str, ...] = ("b", 3, 8, 8),
        vector: tuple[int | str, ...] = ("b", 192),
        dtype: int = TensorProto.FLOAT,
    ) -> Path:
        graph = helper.make_graph(
            [helper.make_node("Flatten", ["image"], ["vector"])],
            "toy",
            [helper.make_tensor_value_info("image", dtype, image)],
            [helper.make_tensor_value_info("vector", dtype, vector)],
        )
        path = tmp_path / name
        onnx.save(helper.make_model(graph), path)
        return path

    return make

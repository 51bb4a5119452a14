"""A service on the loopback interface, of a tiny model."""

import dataclasses
import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from PIL import Image as PilImage

from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.matching.calibration import Calibration
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context, server_config
from vultus.server.settings import ServerSettings
from vultus.server.tracing import Tracing

Client = Callable[..., httpx.Client]


@contextmanager
def running(context: Context) -> Iterator[str]:
    """The address of a service that really listens."""
    server = uvicorn.Server(server_config(context))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                thread.join(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def traced(context: Context, spans: InMemorySpanExporter) -> Context:
    """The service, with spans of all its requests."""
    return dataclasses.replace(context, tracing=Tracing(SimpleSpanProcessor(spans)))


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Where `traced` puts them."""
    return InMemorySpanExporter()


def jpeg(image: Image) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def hopper_jpeg(hopper: Image) -> bytes:
    return jpeg(hopper)


@pytest.fixture(scope="session")
def collins_jpeg(collins: Image) -> bytes:
    return jpeg(collins)


@pytest.fixture(scope="session")
def rocket_jpeg(rocket: Image) -> bytes:
    return jpeg(rocket)


@pytest.fixture(scope="session")
def served(tiny_embedder: Embedder) -> Recognizer:
    """Opened once: its models take longer than a test."""
    return Recognizer(embedder=tiny_embedder, gate=None, righting=())


@pytest.fixture
def recognizer(served: Recognizer, tiny_calibration: Calibration) -> Callable[[], Recognizer]:
    """Gives the recogniser, of the tiny model, as a service gets it."""

    def make() -> Recognizer:
        served.use_calibration(tiny_calibration)
        return served

    return make


@pytest.fixture
def context(tmp_path: Path, recognizer: Callable[[], Recognizer]) -> Iterator[Context]:
    settings = ServerSettings(
        gallery=(tmp_path / "people.db",),
        data=tmp_path / "more",
        most_bytes=4_000_000,
        most_pixels=1_000_000,
        most_photos=3,
    )
    (tmp_path / "more").mkdir()
    made = open_context(settings, recognizer())
    yield made
    made.background.close()
    made.galleries.close()


@pytest.fixture
def address(context: Context) -> Iterator[str]:
    with running(context) as found:
        yield found


@pytest.fixture
def client(context: Context, address: str) -> Iterator[Client]:
    """Makes a client with a key of a role, or without one."""
    made: list[httpx.Client] = []

    def make(role: Role | None, galleries: list[str] | None = None) -> httpx.Client:
        headers = {}
        if role is not None:
            headers["Authorization"] = f"Bearer {context.keys.add(role, galleries)[1]}"
        made.append(httpx.Client(base_url=address, headers=headers, timeout=60))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def admin(client: Client) -> httpx.Client:
    return client(Role.admin)


@pytest.fixture
def enrol(admin: httpx.Client) -> Callable[..., dict[str, Any]]:
    """Enrols somebody new in the gallery `people`; gives the person."""

    def make(name: str, *photos: bytes, **form: Any) -> dict[str, Any]:
        files = [("photos", photo) for photo in photos]
        made = admin.post("/v1/galleries/people/people", data={"name": name, **form}, files=files)
        assert made.status_code == 201, made.text
        person: dict[str, Any] = made.json()["person"]
        return person

    return make

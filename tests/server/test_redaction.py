"""Markers are sent through every operation of the service's own description, and looked for."""

import asyncio
import dataclasses
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any, NoReturn

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.server.conftest import Client, traced

from vultus.core.errors import GalleryError
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.logs import log_to
from vultus.server.monitors.addresses import Allowed

MARK = "zqmarker"
NAMED = {"name": f"Ada {MARK}", "external_id": MARK, "metadata": json.dumps({MARK: MARK})}
SENT = {
    "User-Agent": MARK,
    "Referer": f"http://{MARK}/",
    "Idempotency-Key": f"{MARK}-1",
    "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
    "tracestate": f"a={MARK}",
    "baggage": f"a={MARK}",
}
UNREAD = "text/event-stream"


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that the process logs as a service does."""
    stream, form = io.StringIO(), request.param
    quiet = [logging.getLogger(name) for name in ("httpx", "httpcore", "uvicorn.access")]
    before, hook = [logger.disabled for logger in quiet], threading.excepthook
    handler = log_to(stream, form=form)
    yield stream
    logging.getLogger().removeHandler(handler)
    logging.getLogger("vultus").setLevel(logging.NOTSET)
    threading.excepthook = hook
    for logger, disabled in zip(quiet, before, strict=True):
        logger.disabled = disabled


@pytest.fixture
def context(context: Context, spans: InMemorySpanExporter) -> Context:
    """The service, with all its requests traced."""
    return traced(context, spans)


class Operation:
    """One of the service's description, and requests that it may get.

    Args:
        path: Its template.
        method: Of HTTP.
        told: What the description says of it.
        schemas: What the description says of bodies.
    """

    def __init__(self, path: str, method: str, told: dict[str, Any], schemas: Any) -> None:
        self.path, self.method, self._told, self._schemas = path, method, told, schemas

    def requests(self, known: dict[str, str], photo: bytes) -> Iterator[dict[str, Any]]:
        """Well made ones, as far as they can be made; ones of markers; and broken ones."""
        yield self._request(known, {}, photo)
        parameters = self._told.get("parameters", [])
        yield self._request({}, {p["name"]: MARK for p in parameters if p["in"] == "query"}, b"x")
        broken = {"Content-Type": "application/json"}
        yield {**self._to(known, {}), "content": f'{{"{MARK}": {MARK}'.encode(), "headers": broken}
        yield {**self._to(known, {}), "headers": {"Authorization": f"Bearer {MARK}"}}
        yield {**self._to(known, {}), "headers": {"Cookie": f"session={MARK}; {MARK}=1"}}

    def _to(self, known: dict[str, str], query: dict[str, str]) -> dict[str, Any]:
        path = self.path
        for parameter in self._told.get("parameters", []):
            if parameter["in"] == "path":
                name = parameter["name"]
                path = path.replace(f"{{{name}}}", known.get(name, MARK))
        return {"method": self.method.upper(), "url": path, "params": query}

    def _request(self, known: dict[str, str], query: dict[str, str], photo: bytes) -> Any:
        made = self._to(known, query)
        content = self._told.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in content:
            fields = self._example(content["multipart/form-data"]["schema"], photo)
            made["data"] = {k: v for k, v in fields.items() if not _has_bytes(v)}
            made["files"] = [
                (name, (f"{MARK}.jpg", part))
                for name, value in fields.items()
                if _has_bytes(value)
                for part in (value if isinstance(value, list) else [value])
            ]
        elif "application/json" in content:
            made["json"] = self._example(content["application/json"]["schema"], photo)
        elif content:
            made["content"], made["headers"] = photo, {"Content-Type": next(iter(content))}
        return made

    def _example(self, schema: dict[str, Any], photo: bytes, name: str = "") -> Any:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self._example(schema[choice][0], photo, name)
        if "enum" in schema or "const" in schema:
            return schema.get("enum", [schema.get("const")])[0]
        kind = schema.get("type")
        if kind == "object":
            fields = schema.get("properties", {MARK: {"type": "string"}})
            return {key: self._example(value, photo, key) for key, value in fields.items()}
        if kind == "array":
            return [self._example(schema.get("items", {"type": "string"}), photo, name)]
        media = schema.get("contentMediaType", "text")
        if schema.get("format") == "binary" or media == "application/octet-stream":
            return photo
        plain = {"integer": 1, "number": 0.1, "boolean": False, "null": None}
        return plain.get(str(kind), NAMED.get(name, MARK))


def _has_bytes(value: Any) -> bool:
    return isinstance(value, bytes) or (isinstance(value, list) and any(map(_has_bytes, value)))


def _operations(client: httpx.Client) -> list[Operation]:
    told = client.get("/v1/openapi.json").json()
    schemas = told["components"]["schemas"]
    found = [
        Operation(path, method, what, schemas)
        for path, methods in told["paths"].items()
        for method, what in methods.items()
    ]
    return sorted(found, key=lambda one: one.method == "delete")  # what is erased is needed before


def _secrets(value: Any) -> Iterator[str]:
    """Keys and vectors of an answer, as they might be logged."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _secrets(part)
    elif isinstance(value, list):
        if len(value) >= 16 and all(isinstance(part, float) for part in value):
            yield repr(value[1])[:9]
        for part in value:
            yield from _secrets(part)
    elif isinstance(value, str) and value.startswith(("vultus_", "whsec_")):
        yield value


def _send(client: httpx.Client, request: dict[str, Any]) -> tuple[int, list[str]]:
    request["headers"] = SENT | request.get("headers", {})
    with client.stream(timeout=30, **request) as answer:
        if answer.headers.get("content-type", "").startswith(UNREAD):
            return answer.status_code, []
        text = answer.read()
        if not text or "json" not in answer.headers.get("content-type", ""):
            return answer.status_code, []
        return answer.status_code, list(_secrets(json.loads(text)))


def _monitor(admin: httpx.Client, context: Context) -> str:
    """A monitor of a camera that is not there, whose address is full of secrets."""
    monitors = context.background.monitors
    allowed = Allowed(networks=(IPv4Network("127.0.0.0/8"),))
    monitors.means = dataclasses.replace(monitors.means, allowed=allowed)
    address = f"http://{MARK}:{MARK}@127.0.0.1:9/{MARK}?{MARK}={MARK}"
    made = admin.post(
        "/v1/galleries/people/monitors", json={"name": f"a {MARK}", "address": address}
    )
    assert MARK not in made.json()["address"]
    return str(made.json()["id"])


def _written(log: io.StringIO, *, until: httpx.Response) -> str:
    """The log up to the line of an answer, which is written after it was sent."""
    for _ in range(1000):
        if until.headers["x-request-id"] in log.getvalue():
            break
        time.sleep(0.01)
    return log.getvalue()


@pytest.mark.parametrize("log", ["json"], indirect=True)
def test_no_operation_leaves_a_trace_of_what_it_was_sent(
    client: Client,
    context: Context,
    log: io.StringIO,
    spans: InMemorySpanExporter,
    hopper_jpeg: bytes,
    collins_jpeg: bytes,
    capfd: pytest.CaptureFixture[str],
) -> None:
    admin = client(Role.admin)
    people = "/v1/galleries/people/people"
    made = admin.post(people, data=NAMED, files={"photos": (f"{MARK}.jpg", hopper_jpeg)})
    known = {"gallery": "people", "person": made.json()["person"]["id"]}
    known["monitor"] = _monitor(admin, context)
    secrets = [admin.headers["authorization"].removeprefix("Bearer ")]
    answered = set()
    operations = _operations(admin)
    for operation in operations:
        for request in operation.requests(known, collins_jpeg):
            status, found = _send(admin, request)
            secrets += found
            answered.add((operation.path, operation.method, status // 100))
            assert status != 500, (operation.path, request)
    admin.request(MARK.upper(), f"/{MARK}")
    metrics = admin.get("/metrics")
    written = _written(log, until=metrics)
    spoken = capfd.readouterr()
    traced = "\n".join(span.to_json() for span in spans.get_finished_spans())
    for operation in operations:
        assert operation.path in written
        left_out = operation.path.startswith(("/health/", "/metrics"))
        assert (f'"{operation.path}"' in traced) != left_out, operation.path
    # Not only errors are looked at: what can be well made by its description is answered.
    well = {(path, method) for path, method, hundred in answered if hundred == 2}
    assert len(well) > len(operations) / 2
    for name, text in {
        "log": written,
        "metrics": metrics.text,
        "spans": traced,
        "output": spoken.out,
        "errors": spoken.err,
    }.items():
        lines = [line for line in text.splitlines() if MARK in line.lower()]
        assert not lines, (name, lines[:3])
        assert not [secret for secret in secrets if secret in text], name
    assert max(map(len, written.splitlines())) < 1500  # nothing large is written either


class _Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError(MARK), GalleryError(MARK), KeyError(MARK)])
def test_what_fails_inside_is_told_by_its_place(
    admin: httpx.Client,
    context: Context,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    hopper_jpeg: bytes,
    error: Exception,
) -> None:
    monkeypatch.setattr(context.recognizer, "analyse", _Failing(error))
    answer = admin.post("/v1/detect", files={"photo": hopper_jpeg})
    assert answer.status_code == 500
    written = _written(log, until=answer)
    assert MARK not in written
    assert type(error).__name__ in written
    assert "test_redaction.py" in written
    assert "__call__" in written


def test_other_threads_tasks_and_libraries_tell_no_values(log: io.StringIO) -> None:
    logging.getLogger("vultus.pipeline.measuring.photos").warning("%s has %d faces", MARK, 3)
    logging.getLogger("PIL").warning(f"broken {MARK}")
    thread = threading.Thread(target=_Failing(ValueError(MARK)))
    thread.start()
    thread.join()

    async def forgotten() -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        task.get_loop().call_exception_handler(
            {"message": "A task failed", "exception": ValueError(MARK), "task": MARK}
        )
        await task

    asyncio.run(forgotten())
    written = log.getvalue()
    assert MARK not in written
    assert "(left out) has 3 faces" in written
    assert "a message of PIL" in written
    assert written.count("ValueError") == 2

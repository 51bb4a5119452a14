"""Spans: of what was asked, how it was answered and where the time went; nothing that was sent."""

import dataclasses
import io
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError
from tests.server.conftest import Client, running, traced

from vultus.core.errors import MissingDependencyError
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.logs import log_to
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings
from vultus.server.tracing import tracing_to

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def context(context: Context, spans: InMemorySpanExporter) -> Context:
    return traced(context, spans)


@pytest.fixture
def ended(spans: InMemorySpanExporter) -> Callable[[httpx.Response], list[ReadableSpan]]:
    """The spans of an answer's request, its own the last; it ends after the answer was sent."""

    def of(answer: httpx.Response) -> list[ReadableSpan]:
        for _ in range(1000):
            made = spans.get_finished_spans()
            for span in made:
                if _facts(span).get("request.id") == answer.headers["x-request-id"]:
                    trace = _trace(span)
                    return [one for one in made if _trace(one) == trace]
            time.sleep(0.01)
        raise AssertionError("no span was ended")

    return of


def _facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def _trace(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def test_a_request_and_its_phases(
    admin: httpx.Client,
    enrol: Callable[..., Any],
    ended: Callable[[httpx.Response], list[ReadableSpan]],
    hopper_jpeg: bytes,
) -> None:
    enrol("Grace", hopper_jpeg)
    answer = admin.post("/v1/galleries/people/identify", files={"photo": hopper_jpeg})
    *phases, request = ended(answer)
    assert [span.name for span in phases] == ["decode", "detect", "embed", "search", "store"]
    assert request.context is not None
    for span in phases:
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        assert span.start_time is not None
        assert span.end_time is not None
        assert request.start_time is not None
        assert request.end_time is not None
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time
    assert _facts(phases[2]) == {"faces.count": 1}
    assert request.name == "POST /v1/galleries/{gallery}/identify"
    assert request.parent is None
    facts = _facts(request)
    assert facts.pop("request.id") == answer.headers["x-request-id"]
    assert admin.headers["authorization"].startswith(f"Bearer vultus_{facts.pop('key.id')}")
    assert facts == {
        "http.request.method": "POST",
        "http.route": "/v1/galleries/{gallery}/identify",
        "http.response.status_code": 200,
    }
    assert request.status.is_unset
    about = request.resource.attributes
    assert about["service.name"] == "vultus"


def test_it_is_part_of_the_trace_of_who_asks_and_takes_nothing_else_from_there(
    client: Client, ended: Callable[[httpx.Response], list[ReadableSpan]]
) -> None:
    lines = io.StringIO()
    handler = log_to(lines, form="json")
    try:
        sent = {
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "tracestate": "vendor=Ada",
            "baggage": "name=Ada",
        }
        answer = client(Role.reader).get("/v1/models", headers=sent)
        (request,) = ended(answer)
        for _ in range(1000):
            if answer.headers["x-request-id"] in lines.getvalue():
                break
            time.sleep(0.01)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("vultus").setLevel(logging.NOTSET)
    assert request.context is not None
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT
    assert not request.context.trace_state
    assert "Ada" not in request.to_json()
    assert f'"trace": "{TRACE}"' in lines.getvalue()


@pytest.mark.parametrize("parent", ["", "00-zz", f"00-{'0' * 32}-{PARENT}-01", "Ada Lovelace"])
def test_what_is_no_trace_begins_a_new_one(
    admin: httpx.Client, ended: Callable[[httpx.Response], list[ReadableSpan]], parent: str
) -> None:
    (request,) = ended(admin.get("/v1/models", headers={"traceparent": parent}))
    assert request.parent is None
    assert "Ada" not in request.to_json()


def test_refusals_have_a_code_and_failures_are_errors(
    admin: httpx.Client,
    context: Context,
    ended: Callable[[httpx.Response], list[ReadableSpan]],
    monkeypatch: pytest.MonkeyPatch,
    hopper_jpeg: bytes,
) -> None:
    refused = ended(admin.get("/v1/models", headers={"Authorization": "Bearer Ada"}))[-1]
    assert (refused.status.is_unset, _facts(refused)["problem.code"]) == (True, "unauthorised")
    nowhere = ended(admin.request("ADA", "/Ada/Lovelace?name=Ada"))[-1]
    assert nowhere.name == "_OTHER"
    assert "Ada" not in nowhere.to_json()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Ada Lovelace")

    monkeypatch.setattr(context.recognizer.embedder, "embed_with_pools", fail)
    made = ended(admin.post("/v1/detect", files={"photo": hopper_jpeg}))
    embed, failed = made[-2:]
    assert (embed.name, failed.name) == ("embed", "POST /v1/detect")
    assert not failed.status.is_ok
    assert not failed.status.is_unset
    assert _facts(failed)["error.type"] == "RuntimeError"
    assert _facts(failed)["http.response.status_code"] == 500
    assert not any(span.events for span in made)
    assert not any("Ada" in span.to_json() for span in made)


def test_what_machines_ask_every_few_seconds_is_left_out(
    admin: httpx.Client,
    spans: InMemorySpanExporter,
    ended: Callable[[httpx.Response], list[ReadableSpan]],
) -> None:
    for path in ("/health/ready", "/metrics", "/page/main.js"):
        assert admin.get(path).status_code == 200
    ended(admin.get("/v1/models"))
    assert [span.name for span in spans.get_finished_spans()] == ["GET /v1/models"]


def test_phases_are_metrics_too(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    admin.post("/v1/detect", files={"photo": hopper_jpeg})
    told = admin.get("/metrics").text
    for phase in ("decode", "detect", "embed"):
        assert f'vultus_phase_seconds_count{{phase="{phase}"}} 1.0' in told


class Collector:
    """What a service sends its spans to."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.paths: set[str] = set()
        self.headers: list[Any] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.paths.add(self.path)
                outer.headers.append(dict(self.headers))
                read = ExportTraceServiceRequest.FromString(body)
                for of_resource in read.resource_spans:
                    for scope in of_resource.scope_spans:
                        outer.spans += scope.spans
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_collector_gets_them_at_the_latest_when_the_service_stops(
    context: Context, collector: Collector, monkeypatch: pytest.MonkeyPatch, slash: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=site")
    tracing = tracing_to(collector.address + slash)
    with running(dataclasses.replace(context, tracing=tracing)) as address:
        httpx.get(f"{address}/v1/models")
    assert [span.name for span in collector.spans] == ["GET /v1/models"]
    assert collector.paths == {"/v1/traces"}
    assert collector.headers[0]["x-tenant"] == "site"


def test_without_a_collector_the_service_answers_and_stops(context: Context) -> None:
    tracing = tracing_to("http://127.0.0.1:9")
    with running(dataclasses.replace(context, tracing=tracing)) as address:
        assert httpx.get(f"{address}/v1/models").status_code == 401


def test_which_requests_are_traced_follows_the_usual_variables(
    context: Context, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    with running(dataclasses.replace(context, tracing=tracing_to(collector.address))) as address:
        httpx.get(f"{address}/v1/models")
        sampled = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        httpx.get(f"{address}/v1/galleries", headers=sampled)
    assert [span.name for span in collector.spans] == ["GET /v1/galleries"]


@pytest.mark.parametrize(
    "endpoint",
    ["", "collector:4318", "ftp://collector", "http://", "http://a:b@collector", "http://c/?k=v",
     "http://c:99999", "http://[", "file:///tmp/x"],
)  # fmt: skip
def test_what_is_no_address_of_a_collector_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="base address of a collector"):
        ServerSettings(gallery=(Path("a.db"),), otlp_endpoint=endpoint)


def test_what_to_install_is_said(
    tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "vultus.server.tracing")
    settings = ServerSettings(gallery=(tmp_path / "a.db",), otlp_endpoint="http://127.0.0.1:4318")
    with pytest.raises(MissingDependencyError, match=r"sdk\.trace; run.* pip install"):
        open_context(settings, context.recognizer)
    assert not (tmp_path / "a.db").exists()

"""Where the time of a request goes, as OpenTelemetry spans that a collector gets.

A span says the operation, the status and counts of faces: nothing that was sent. Imported only
where the operator named a collector; it needs the extra ``otel``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vultus import __version__
from vultus.core.phases import Phase
from vultus.server.guard import METHODS

_LEFT_OUT = ("/health/", "/page/", "/metrics")
"""Asked by machines every few seconds, or a browser's files: they would bury the rest."""
_TRACES = "/v1/traces"
_PARENT = "traceparent"
_TIMEOUT_S = 5.0


class Tracing:
    """Makes the spans of one service.

    Which requests are traced, with what else they are sent (``OTEL_EXPORTER_OTLP_HEADERS``), and
    what the service is called follow OpenTelemetry's own environment variables
    (``OTEL_TRACES_SAMPLER``, ``OTEL_SERVICE_NAME``, ...).

    Args:
        processor: What is given the spans that have ended.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("vultus.server", __version__)

    @contextmanager
    def request(self, scope: Scope) -> Iterator[Span]:
        """The span of a request, with one for each of its phases.

        Args:
            scope: Of the request; its state then has the trace's id for the log, and who is told of
                phases.
        """
        # Of what was sent, two numbers: "tracestate" and "baggage" may hold anything.
        sent = {_PARENT: Headers(scope=scope).get(_PARENT, "")}
        span = self._tracer.start_span(
            "request",
            context=TraceContextTextMapPropagator().extract(sent),
            kind=SpanKind.SERVER,
        )
        if span.is_recording():
            scope.setdefault("state", {})["trace"] = f"{span.get_span_context().trace_id:032x}"
            scope["state"]["phase_observers"] = (self._phase,)
        with use_span(
            span,
            end_on_exit=True,
            record_exception=False,  # its message may hold a name
            set_status_on_exception=False,
        ):
            yield span

    @contextmanager
    def _phase(self, name: Phase, counts: Mapping[str, int]) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name,
            attributes={f"{what}.count": number for what, number in counts.items()},
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield

    def around(self, app: ASGIApp) -> "Traced":
        """An application, each of whose requests is a span; the guard stands within."""
        return Traced(app, self)

    def close(self) -> None:
        """Send what is left, for some seconds at most."""
        self._provider.shutdown()


def tracing_to(endpoint: str) -> Tracing:
    """Spans to a collector, by OTLP over HTTP, in the background.

    Args:
        endpoint: Its base address, such as ``http://127.0.0.1:4318``.
    """
    address = endpoint.rstrip("/")
    exporter = OTLPSpanExporter(f"{address}{_TRACES}", timeout=_TIMEOUT_S)
    return Tracing(BatchSpanProcessor(exporter))


class Traced:
    """As `Tracing.around` makes it.

    Args:
        app: What answers.
        tracing: What makes spans.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"].startswith(_LEFT_OUT):
            await self._app(scope, receive, send)
            return
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracing.request(scope) as span:
            try:
                await self._app(scope, receive, noted)
            finally:
                _tell(span, scope, status)


def _tell(span: Span, scope: Scope, status: int) -> None:
    """What is known once a request was answered, by OpenTelemetry's names for it."""
    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
    state, route = scope["state"], getattr(scope.get("route"), "path", None)
    failed = status >= 500 or not status
    span.update_name(method if route is None else f"{method} {route}")
    known = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status or None,
        "error.type": (state.get("failure") or str(status)) if failed else None,
        "problem.code": state.get("code"),
        "request.id": state.get("request_id"),
        "key.id": state.get("key_id"),
    }
    span.set_attributes({name: value for name, value in known.items() if value is not None})
    if failed:
        span.set_status(StatusCode.ERROR)


def _resource() -> Resource:
    made = Resource.create({SERVICE_VERSION: __version__})
    if str(made.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        made = made.merge(Resource({SERVICE_NAME: "vultus"}))
    return made

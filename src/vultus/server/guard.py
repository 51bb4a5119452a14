"""What stands before every operation: limits, headers, the request's id, the log."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vultus.core.phases import observing_phases
from vultus.server.background import Background
from vultus.server.logs import REQUEST_ID, told, where
from vultus.server.metrics import Metrics
from vultus.server.problems import ProblemError, answer
from vultus.server.proxies import Network, believe_proxies

logger = logging.getLogger("vultus.server")

USUAL_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer."""
_BY_TLS = "max-age=31536000"
_STALLED_S = 30.0
"""Whose body does not go on for so long is told so, and gives the place to others."""
LEAST_BYTES_S = 4096
"""Of a body, when that time is over: a byte now and then is no going on."""
_WITH_BODY = ("POST", "PUT", "PATCH")
_FREE = ("/health/", "/page/")
"""Always answered: health, and the page's own files, of which a browser asks for many at once."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Whoever asks may make up others: those are neither logged nor counted by name."""
_STREAMS = "/stream"
"""Counted by `vultus.server.streams.Streams`; who listens keeps nobody from being answered."""
_UPLOADS = re.compile("/v1/galleries/[^/]+/jobs/(enrolment|clustering|calibration|film)")
"""May be larger, and slow: `vultus.server.jobs.jobs.Jobs` says how many there may be."""


class Guard:
    """Refuses what is too large or too much, counts, and tells of each request in one line.

    The line has the request's id, the operation, the status, the time and the key's id: no name,
    no photo, no query, no key.

    Args:
        app: What answers.
        most_bytes: Of a request.
        most_upload_bytes: Of one with a zip for a job.
        in_flight: Requests that are worked on at once; health and the page are always answered,
            and who listens to events, or uploads a zip, does not count.
        metrics: Where they are counted.
        background: What goes on beside them, and lets them go first.
        trusted_proxies: Addresses of proxies whose word on who asks is taken.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most_bytes: int,
        most_upload_bytes: int,
        in_flight: int,
        metrics: Metrics,
        background: Background,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self._app, self._most_bytes, self._in_flight = app, most_bytes, in_flight
        self._most_upload_bytes = most_upload_bytes
        self._metrics, self._background = metrics, background
        self._trusted_proxies = tuple(trusted_proxies)
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if self._trusted_proxies and scope["type"] in ("http", "websocket"):
            believe_proxies(scope, self._trusted_proxies)
        if scope["type"] != "http":
            with observing_phases(self._metrics.phase):
                await self._app(scope, receive, send)
            return
        request_id, start = secrets.token_hex(8), time.perf_counter()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        token = REQUEST_ID.set(request_id)
        status, method = 0, scope["method"]
        if method == "HEAD":
            scope["method"], receive, send = "GET", *_without_body(receive, send)
        receive = _in_time(receive)

        async def headed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in USUAL_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", _BY_TLS)
            await send(message)

        counted = _is_counted(scope["path"])
        self._count(counted)
        try:
            if (problem := self._refusal(scope, counted=counted)) is not None:
                state["code"] = problem.code
                await answer(problem, request_id)(scope, receive, headed)
            else:
                # A connection's next request may begin in what the last one left as context.
                with observing_phases(self._metrics.phase, *state.get("phase_observers", ())):
                    await self._app(scope, receive, headed)
        except Exception as error:
            state["failure"], state["where"] = type(error).__name__, where(error.__traceback__)
            if status:
                raise
            problem = ProblemError(500, "internal", "the service failed; its log has this id")
            state["code"] = problem.code
            await answer(problem, request_id)(scope, receive, headed)
        finally:
            self._count(-counted)
            scope["method"] = method
            self._told(scope, state, status, time.perf_counter() - start)
            REQUEST_ID.reset(token)

    def _count(self, more: int) -> None:
        self._now += more
        self._metrics.in_flight.set(self._now)
        self._background.requests = self._now

    def _told(self, scope: Scope, state: Mapping[str, Any], status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        operation = getattr(scope.get("route"), "path", "none")
        self._metrics.asked(operation=operation, method=method, status=status, seconds=seconds)
        if (code := state.get("code")) is not None:
            self._metrics.refused(code)
        line = {
            "request": state["request_id"],
            "method": method,
            "operation": operation,
            "status": status,
            "code": code,
            "ms": round(1000 * seconds, 1),
            "key": state.get("key_id"),
            "trace": state.get("trace"),
            "failure": state.get("failure"),
            "where": state.get("where"),
        }
        level = logging.ERROR if status >= 500 and status != 503 else logging.INFO
        told(logger, level, "request", line)

    def _refusal(self, scope: Scope, *, counted: bool) -> ProblemError | None:
        if counted and self._now > self._in_flight:
            return ProblemError(
                503,
                "busy",
                f"{self._in_flight} requests are being worked on; come again",
                headers={"Retry-After": "1"},
            )
        if scope["method"] not in _WITH_BODY:
            return None
        length = Headers(scope=scope).get("content-length", "")
        if not length.isdecimal():
            return ProblemError(
                411, "length-required", "say by Content-Length how long the body is"
            )
        upload = _UPLOADS.fullmatch(scope["path"]) is not None
        most = self._most_upload_bytes if upload else self._most_bytes
        if int(length) > most:
            return ProblemError(
                413,
                "too-large",
                f"a request may have {most} bytes, this one has {length}",
                headers={"Connection": "close"},
            )
        return None


def _is_counted(path: str) -> bool:
    free = path == "/" or path.startswith(_FREE) or path.endswith(_STREAMS)
    return not (free or _UPLOADS.fullmatch(path))


def _without_body(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """What answers HEAD as GET is answered, but for the body."""
    begun = asyncio.Event()

    async def bare(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b""})
            begun.set()

    async def until_begun() -> Message:
        # What would go on without an end is told that nobody listens any more.
        got, ended = asyncio.ensure_future(receive()), asyncio.ensure_future(begun.wait())
        await asyncio.wait({got, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if got.done():
            return got.result()
        got.cancel()
        return {"type": "http.disconnect"}

    return until_begun, bare


def _in_time(receive: Receive) -> Receive:
    """As it receives, but nobody keeps a place by a body that does not come."""
    more, came, begun = True, 0, time.monotonic()

    async def timely() -> Message:
        nonlocal more, came
        if not more:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), _STALLED_S)
        except TimeoutError:
            raise _late(f"the body did not go on for {_STALLED_S:g} s") from None
        came += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
        if more and time.monotonic() - begun > _STALLED_S + came / LEAST_BYTES_S:
            raise _late(f"the body comes by less than {LEAST_BYTES_S} bytes a second")
        return message

    return timely


def _late(what: str) -> ProblemError:
    return ProblemError(408, "request-timeout", what, headers={"Connection": "close"})

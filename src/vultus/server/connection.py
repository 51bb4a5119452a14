"""One connection: nobody keeps it by not asking, by asking slowly, or by not reading the answer."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from vultus.server.guard import LEAST_BYTES_S
from vultus.server.problems import ProblemError, answer

_HEAD_S = 30.0
"""In which the head of a request is there: since one is connected, or was answered."""
_STUCK_S = 30.0
"""Who takes nothing of an answer for so long is cut: what was not sent lies in memory, and the
request keeps a place."""


class Connection(H11Protocol):
    """HTTP/1.1 of one connection, with an end to what is slow; what is no HTTP is a problem.

    Bodies that do not go on are the guard's (`vultus.server.guard`).

    Attributes:
        usual_headers: Of every answer.
        most: Connections at once, 0 for any number; who comes then is not let in.
    """

    usual_headers: Mapping[str, str] = {}
    most = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._came = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connects."""
        super().connection_made(transport)
        if self.most and len(self.connections) > self.most:
            transport.abort()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        _cancel(self._late)
        _cancel(self._stuck)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a request."""
        self._came += len(data)
        super().data_received(data)
        if self._is_asked():
            _cancel(self._late)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """It is a WebSocket from now on, and no affair of this."""
        _cancel(self._late)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """All of an answer is handed over; another request may come."""
        self._await_head()
        super().on_response_complete()
        if self._is_asked():  # by what had come already
            _cancel(self._late)

    def pause_writing(self) -> None:
        """The other side does not read as fast as it is told."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """It has read."""
        _cancel(self._stuck)
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked; the end of an answer that nobody reads is waited for, too."""
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self._await_reader()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._end(ProblemError(400, "bad-request", "this is no request of HTTP/1.1"))

    def _is_asked(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def _await_head(self) -> None:
        _cancel(self._late)
        self._came = 0
        self._late = self.loop.call_later(_HEAD_S, self._too_late)

    def _too_late(self) -> None:
        if self.conn.their_state is h11.SEND_BODY and self._came > LEAST_BYTES_S * _HEAD_S:
            self._await_head()  # the rest of a body that was refused: who sends it reads then
            return
        said = f"the head of the request did not come within {_HEAD_S:g} s"
        self._end(ProblemError(408, "request-timeout", said))

    def _await_reader(self) -> None:
        _cancel(self._stuck)
        self._stuck = self.loop.call_later(_STUCK_S, self.transport.abort)

    def _end(self, problem: ProblemError) -> None:
        """Say what is wrong as the application would, and close."""
        request_id = secrets.token_hex(8)
        said = answer(problem, request_id)
        more = {"X-Request-ID": request_id, "Connection": "close"}
        headers = {**self.usual_headers, **said.headers, **more}
        told = h11.Response(status_code=said.status_code, headers=list(headers.items()))
        try:
            whole = (told, h11.Data(data=bytes(said.body)), h11.EndOfMessage())
            parts = [self.conn.send(part) for part in whole]
        except h11.LocalProtocolError:  # in the middle of an answer
            self.transport.abort()
            return
        self.transport.write(b"".join(part for part in parts if part))
        self.transport.close()


def connections(usual_headers: Mapping[str, str], *, most: int) -> type[Connection]:
    """The connections of a service.

    Args:
        usual_headers: As `Connection`.
        most: As `Connection`.
    """
    return type("Connection", (Connection,), {"usual_headers": usual_headers, "most": most})


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()

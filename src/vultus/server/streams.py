"""Server-sent events: what happens, told as it happens to whoever listens.

One task looks for all who listen, in a thread of its own, whether there is something new; readers
have two threads of their own. So however many listen, the threads that answer requests are free.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import Response
from starlette.types import Receive, Scope, Send

from vultus.core.errors import VultusError
from vultus.server.problems import ProblemError, answer

_POLL_S = 0.2
_STOPPED_S = 6.0
"""Who serves tells every second that it goes on; after so long without, it is stopping."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told.

    Attributes:
        id: What to go on after; the browser sends it back as ``Last-Event-ID``.
        event: Its kind.
        data: JSON.
    """

    id: str
    event: str
    data: Any

    def __bytes__(self) -> bytes:
        told = json.dumps(self.data, separators=(",", ":"))
        return f"id: {self.id}\nevent: {self.event}\ndata: {told}\n\n".encode()


class Source(Protocol):
    """What a stream tells of."""

    key: str
    """Of what it is; streams with one key are looked after by one look."""

    def state(self) -> int:
        """A number that changes when there is something new; quick."""

    def read(self) -> Sequence[Message] | None:
        """The next messages, empty if there are none yet; None if there will be no more."""


@dataclass(slots=True)
class _Topic:
    source: Source
    state: int | None = None
    listeners: list[asyncio.Event] = field(default_factory=list)


class Streams:
    """All who listen.

    Args:
        most: How many may listen at once.
        heartbeat_s: How often a stream says something though nothing happens, in seconds.
        stall_s: Who takes nothing for so long is cut, in seconds.
    """

    def __init__(self, *, most: int, heartbeat_s: float = 15.0, stall_s: float = 20.0) -> None:
        self.heartbeat_s, self.stall_s = heartbeat_s, stall_s
        self._most, self._open = most, 0
        self._topics: dict[str, _Topic] = {}
        self._look = ThreadPoolExecutor(1, thread_name_prefix="vultus-look")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="vultus-read")
        self._task: asyncio.Task[None] | None = None
        self._ticked: float | None = None
        self._closed = False

    @property
    def stopping(self) -> bool:
        """Whether the service is about to stop, and streams should end."""
        late = self._ticked is not None and time.monotonic() - self._ticked > _STOPPED_S
        return self._closed or late

    async def tick(self) -> None:
        """Told every second by who serves, until it is asked to stop."""
        self._ticked = time.monotonic()

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        self._look.shutdown(wait=False)
        self._readers.shutdown(wait=False)

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places of who listens.

        Raises:
            ProblemError: If all are taken.
        """
        if self._open >= self._most:
            raise ProblemError(
                503,
                "busy",
                f"{self._most} streams are open; come again, or read by cursor",
                headers={"Retry-After": "10"},
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    @contextmanager
    def listening(self, source: Source) -> Iterator[asyncio.Event]:
        """An event that is set when there may be something new."""
        topic = self._topics.setdefault(source.key, _Topic(source))
        listener = asyncio.Event()
        topic.listeners.append(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield listener
        finally:
            topic.listeners.remove(listener)
            if not topic.listeners:
                self._topics.pop(source.key, None)

    async def read(self, source: Source) -> Sequence[Message] | None:
        """As `Source.read`, by a thread for it."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, source.read)

    async def ask(self, question: Callable[[], bool]) -> bool:
        """What may take a while to tell, by a thread for it; no, if it cannot be told."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, question)
        except ProblemError:
            return False

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._topics and not self._closed:
            topics = list(self._topics.values())
            states = await loop.run_in_executor(self._look, _states, topics)
            for topic, state in zip(topics, states, strict=True):
                if state != topic.state:
                    topic.state = state
                    for listener in topic.listeners:
                        listener.set()
            await asyncio.sleep(_POLL_S)


class EventStream(Response):
    """An answer that goes on until who asked goes away.

    Args:
        streams: All who listen.
        source: What to tell.
        allowed: Whether who asked may still listen; asked again and again.
    """

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, source: Source, *, allowed: Callable[[], bool]) -> None:
        super().__init__()
        self._streams, self._source, self._allowed = streams, source, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell what happens."""
        try:
            with self._streams.place():
                await self._tell(receive, send)
        except ProblemError as problem:
            await answer(problem, scope["state"]["request_id"])(scope, receive, send)

    async def _tell(self, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        left = asyncio.create_task(gone(receive))
        try:
            with self._streams.listening(self._source) as listener:
                await self._send(send, b"retry: 2000\n\n")
                while not left.done() and not self._streams.stopping:
                    if not await self._streams.ask(self._allowed):
                        break
                    if not await self._next(send, listener, left):
                        break
            await self._send(send, b"", more=False)
        except TimeoutError:
            return  # who does not read is cut; what it missed it asks for by Last-Event-ID
        finally:
            left.cancel()

    async def _next(self, send: Send, listener: asyncio.Event, left: asyncio.Task[None]) -> bool:
        """Send what is new, or wait for it; False at the end."""
        listener.clear()
        try:
            found = await self._streams.read(self._source)
        except VultusError:  # of whom is told was erased, or the gallery cannot be read
            return False
        if found is None:
            return False
        if found:
            await self._send(send, b"".join(map(bytes, found)))
            return True
        quiet_until = time.monotonic() + self._streams.heartbeat_s
        while not (listener.is_set() or left.done() or self._streams.stopping):
            rest_s = quiet_until - time.monotonic()
            if rest_s <= 0:
                await self._send(send, b": still here\n\n")
                break
            try:
                await asyncio.wait_for(listener.wait(), min(rest_s, 1.0))
            except TimeoutError:
                continue
        return True

    async def _send(self, send: Send, data: bytes, *, more: bool = True) -> None:
        message = {"type": "http.response.body", "body": data, "more_body": more}
        await asyncio.wait_for(send(message), self._streams.stall_s)


def _states(topics: Sequence[_Topic]) -> list[int | None]:
    return [_state(topic) for topic in topics]


def _state(topic: _Topic) -> int | None:
    try:
        return topic.source.state()
    except VultusError:
        return None  # the readers find out why


async def gone(receive: Receive) -> None:
    """Wait until who asked goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass

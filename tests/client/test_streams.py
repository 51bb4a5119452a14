"""Streams of events and jobs: each event once, over connections that are lost."""

import asyncio
import io
import json
import threading
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from vultus.client import AsyncClient, Client, FailedError, NotFoundError, Retries, UnreachableError
from vultus.client.operations import jobs
from vultus.client.streams import Stream, Told
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.server.access import Role
from vultus.server.context import Context

QUICK = Retries(most=2, first_s=0.01)


@pytest.fixture
def key(context: Context) -> str:
    return context.keys.add(Role.admin)[1]


@pytest.fixture
def client(address: str, key: str) -> Iterator[Client]:
    with Client(address, key, retries=QUICK) as made:
        yield made


@pytest.fixture
def log(context: Context) -> EventLog:
    return EventLog(context.galleries.get("people", actor="test"))


def test_lines_become_events() -> None:
    stream = Stream("/x", {}, QUICK)
    told = [
        stream.take(line)
        for line in (": heart", "", "id: 7", "event: a", 'data: {"n":', "data:1}", "", "", "id: 8")
    ]
    assert [one for one in told if one] == [Told("7", {"n": 1})]
    request = stream.request(5.0)  # what was begun and not ended is forgotten
    assert request["headers"]["Last-Event-ID"] == "7"
    stream.take("data: no JSON")
    with pytest.raises(FailedError, match="must be JSON"):
        stream.take("")


class _Breaking(httpx.BaseTransport):
    """Tells two events a connection, which then breaks in the middle of a third."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        last = request.headers.get("last-event-id")
        self.asked.append(last)
        if len(self.asked) == 2:
            return httpx.Response(503, json={"code": "busy"}, headers={"Retry-After": "0"})
        first = int(last or request.url.params["after"])

        def lines() -> Iterator[bytes]:
            for position in (first + 1, first + 2):
                told = {
                    "position": position, "id": "x", "type": "left", "at": "", "data": {},
                    "picture": False,
                }  # fmt: skip
                told |= {"source": None, "person": None}
                yield f"id: {position}\ndata: {json.dumps(told)}\n\n".encode()
            yield b"id: 99\ndata: {"
            raise httpx.ReadError("lost")

        return httpx.Response(200, content=lines())


def test_a_lost_connection_is_made_anew_where_it_was() -> None:
    transport = _Breaking()
    with Client("http://x", retries=QUICK, transport=transport) as client:
        events = client.follow("people", after=4)
        assert [next(events).position for _ in range(6)] == [5, 6, 7, 8, 9, 10]
    assert transport.asked == [None, "6", "6", "8"]


def test_who_does_not_answer_at_all_is_not_waited_for_without_an_end() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody")

    with (
        Client("http://x", retries=QUICK, transport=httpx.MockTransport(refuse)) as client,
        pytest.raises(UnreachableError),
    ):
        next(client.follow("people", after=0))


def test_events_are_followed(client: Client, log: EventLog) -> None:
    log.append(NewEvent(type="left"))
    assert next(client.follow("people", after=0)).type == "left"
    later = threading.Timer(0.5, log.extend, [[NewEvent(type="left"), NewEvent(type="unknown")]])
    later.start()
    event = next(client.follow("people", types=["unknown"]))  # what comes from now on
    later.join()
    assert (event.type, event.position) == ("unknown", 3)
    with pytest.raises(NotFoundError):
        next(client.follow("nobody", after=0))


def test_a_job_is_watched_to_its_end(
    client: Client, address: str, key: str, hopper_jpeg: bytes
) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as many:
        many.writestr("Grace/1.jpg", hopper_jpeg)
    job = client.send(jobs.enrol_many("people", photos=zipped.getvalue()))
    *_, last = client.watch_job("people", job.id)
    assert last.state == "done"
    assert last.result is not None
    assert last.result["added"] == 1

    async def watched() -> list[str]:
        async with AsyncClient(address, key) as asking:
            async for event in asking.follow("people", after=0):
                assert event.type == "enrolled"
                break
            return [told.state async for told in asking.watch_job("people", job.id)]

    assert asyncio.run(watched()) == ["done"]

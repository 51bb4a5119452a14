import json
import threading
import time

import httpx
import pytest
from tests.server.conftest import Client

from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.server.access import Role
from vultus.server.context import Context

EVENTS = "/v1/galleries/people/events"


@pytest.fixture
def log(context: Context) -> EventLog:
    return EventLog(context.galleries.get("people", actor="test"))


def _messages(answer: httpx.Response, count: int) -> list[dict[str, str]]:
    """The next messages of a stream, comments left out."""
    found: list[dict[str, str]] = []
    lines: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            lines[name] = value
        elif "data" in lines:
            found.append(lines)
            if len(found) == count:
                break
        if not line:
            lines = {}
    return found


def test_events_by_cursor_and_type(admin: httpx.Client, log: EventLog) -> None:
    log.extend([NewEvent(type=name) for name in ("unknown", "error", "unknown")])
    first = admin.get(EVENTS, params={"limit": 2}).json()
    assert [event["type"] for event in first["events"]] == ["unknown", "error"]
    for place in ({"cursor": first["next"]}, {"after": first["next"]}, {"after": 2}):
        rest = admin.get(EVENTS, params=place).json()
        assert [event["type"] for event in rest["events"]] == ["unknown"], place
    end = admin.get(EVENTS, params={"cursor": rest["next"]}).json()
    assert end == {"events": [], "next": rest["next"]}
    log.append(NewEvent(type="left"))
    came = admin.get(EVENTS, params={"cursor": rest["next"]}).json()
    assert [event["type"] for event in came["events"]] == ["left"]
    for wrong_place in ({"cursor": "2"}, {"cursor": "cDEy"}, {"after": "x"}, {"after": 2**54}):
        assert admin.get(EVENTS, params=wrong_place).status_code == 422, wrong_place
    errors = admin.get(EVENTS, params={"types": ["error"]}).json()
    assert [event["type"] for event in errors["events"]] == ["error"]
    wrong = admin.get(EVENTS, params={"types": ["eror"]})
    assert wrong.status_code == 422
    assert "error" in wrong.json()["detail"]


def test_a_stream_tells_what_comes_and_goes_on_after_the_last(
    admin: httpx.Client, log: EventLog
) -> None:
    log.append(NewEvent(type="left"))  # before anybody listened
    with admin.stream("GET", f"{EVENTS}/stream") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        later = threading.Timer(0.5, log.extend, [[NewEvent(type="unknown")]])
        later.start()
        (told,) = _messages(answer, 1)
        later.join()
    assert told["event"] == "unknown"
    assert json.loads(told["data"])["position"] == int(told["id"])
    missed = [log.append(NewEvent(type="refused")) for _ in range(150)]
    with admin.stream("GET", f"{EVENTS}/stream", headers={"Last-Event-ID": told["id"]}) as answer:
        found = _messages(answer, 150)
    assert [int(message["id"]) for message in found] == missed
    with admin.stream("GET", f"{EVENTS}/stream?types=left&after=0") as answer:
        (only,) = _messages(answer, 1)
    assert only["event"] == "left"
    for wrong in ("x", "-1", "9" * 30):
        assert admin.get(f"{EVENTS}/stream", headers={"Last-Event-ID": wrong}).status_code == 422, (
            wrong
        )


def test_a_stream_ends_with_its_key(
    client: Client, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.background.streams, "heartbeat_s", 0.2)
    operator = client(Role.operator)
    with operator.stream("GET", f"{EVENTS}/stream") as answer:
        lines = answer.iter_lines()
        while not next(lines).startswith(":"):  # the heartbeat, though nothing happens
            continue
        context.keys.remove(context.keys.listed()[-1].id)
        rest = list(lines)
    assert len(rest) < 10


def test_so_many_may_listen_and_others_are_answered_meanwhile(
    admin: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.background.streams, "_most", 20)
    streams = [admin.stream("GET", f"{EVENTS}/stream") for _ in range(21)]
    try:
        answers = [stream.__enter__() for stream in streams]
        assert [answer.status_code for answer in answers] == [200] * 20 + [503]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert context.settings.in_flight < 20
        assert admin.get("/v1/galleries").status_code == 200
    finally:
        for stream in streams:
            stream.__exit__(None, None, None)
    deadline = time.monotonic() + 20
    while context.background.streams._open:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_who_takes_nothing_is_cut(
    address: str, context: Context, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = context.background.streams
    monkeypatch.setattr(streams, "stall_s", 0.5)
    gallery: Gallery = context.galleries.get("people", actor="test")
    with client(Role.operator).stream("GET", f"{EVENTS}/stream?after=0") as answer:
        assert answer.status_code == 200
        deadline = time.monotonic() + 60
        while streams._open:  # never reads
            EventLog(gallery).extend(
                [NewEvent(type="error", data={"text": "x" * 16_000}) for _ in range(100)]
            )
            assert time.monotonic() < deadline


def test_the_last_events_and_those_of_one_person(
    admin: httpx.Client, hopper_jpeg: bytes, rocket_jpeg: bytes
) -> None:
    gallery = "/v1/galleries/people"
    form = {"data": {"name": "Grace"}, "files": {"photos": hopper_jpeg}}
    person = admin.post(f"{gallery}/people", **form).json()["person"]["id"]  # type: ignore[arg-type]
    for _ in range(2):
        admin.post(f"{gallery}/identify", files={"photo": hopper_jpeg})
    events = admin.get(f"{gallery}/events").json()["events"]
    assert [event["type"] for event in events] == ["enrolled", "recognised", "recognised"]
    assert admin.get(f"{gallery}/events?last=2").json()["events"] == events[1:]
    assert admin.get(f"{gallery}/events?last=9").json()["events"] == events
    assert admin.get(f"{gallery}/events?person={person}").json()["events"] == events
    assert admin.get(f"{gallery}/events?person={'0' * 32}").status_code == 404

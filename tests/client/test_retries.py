import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from vultus.client import AsyncClient, BusyError, Client, FailedError, Retries, UnreachableError
from vultus.client.call import Call
from vultus.client.operations import galleries, people, photos
from vultus.client.retries import problem

Answering = Callable[[httpx.Request], httpx.Response]
QUICK = Retries(most=3, first_s=0.001)


def _busy(status: int = 503, code: str = "busy", after: str = "0") -> httpx.Response:
    told = {"detail": "come again", "code": code, "request_id": "r"}
    return httpx.Response(status, json=told, headers={"Retry-After": after})


class Service:
    """Answers one after the other; keeps what it was asked.

    Args:
        answers: Responses, or errors to raise; then one gallery list for ever.
    """

    def __init__(self, *answers: httpx.Response | type[httpx.TransportError]) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if not self._answers:
            return httpx.Response(200, json={"galleries": [], "faces": []})
        answer = self._answers.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        raise answer("lost", request=request)


def _client(service: Service, retries: Retries = QUICK) -> Client:
    return Client("http://there", "k", retries=retries, transport=httpx.MockTransport(service))


def test_a_busy_service_is_asked_again() -> None:
    service = Service(_busy(), _busy(429, "too-many-requests"))
    assert _client(service).send(galleries.list_galleries()).galleries == ()
    assert len(service.asked) == 3
    enrolling = Service(_busy(), _busy(503, "elsewhere"))
    call = Call("POST", "/v1/galleries", dict, form={"name": "Ada"}, files={"photos": [b"x"]})
    with pytest.raises(BusyError):  # of a proxy nobody knows whether it was done
        _client(enrolling).send(call)
    assert len(enrolling.asked) == 2
    assert len({len(request.content) for request in enrolling.asked}) == 1
    assert people.enroll("people", name="Ada", photos=[b"x"]).keyed


def test_patience_ends() -> None:
    service = Service(*[_busy() for _ in range(9)])
    with pytest.raises(BusyError) as ended:
        _client(service).send(galleries.list_galleries())
    assert len(service.asked) == 4
    assert ended.value.retry_after_s == 0
    long = Service(_busy(after="3600"))
    with pytest.raises(BusyError) as told:
        _client(long).send(galleries.list_galleries())
    assert told.value.retry_after_s == 3600
    assert len(long.asked) == 1


@pytest.mark.parametrize("lost", [httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_what_may_have_been_done_is_not_asked_twice(lost: type[httpx.TransportError]) -> None:
    service = Service(lost)
    with pytest.raises(UnreachableError):
        _client(service).send(Call("POST", "/v1/galleries", dict, body={"id": "a"}))
    assert len(service.asked) == 1
    reading = Service(lost, lost)
    _client(reading).send(photos.detect(photo=b"x"))
    assert len(reading.asked) == 3


def test_what_never_arrived_is_sent_again() -> None:
    service = Service(httpx.ConnectError)
    call = Call("POST", "/v1/galleries", dict, body={"id": "a"})
    _client(service).send(call)
    assert len(service.asked) == 2


def test_a_key_makes_it_the_same_request() -> None:
    service = Service(httpx.ReadError, _busy(503, "elsewhere"))
    _client(service).send(Call("POST", "/v1/jobs", dict, body={}, keyed=True))
    keys = {request.headers["idempotency-key"] for request in service.asked}
    assert len(service.asked) == 3
    assert len(keys) == 1
    _client(service).send(Call("POST", "/v1/jobs", dict, body={}, keyed=True))
    assert service.asked[-1].headers["idempotency-key"] not in keys


def test_other_errors_are_not_asked_again() -> None:
    service = Service(httpx.Response(500, text="oops"))
    with pytest.raises(FailedError) as failed:
        _client(service).send(galleries.list_galleries())
    assert failed.value.code == "no-problem-told"
    unlike = Service(httpx.Response(200, json={"galleries": 3}), httpx.Response(200, text="<"))
    for _ in range(2):
        with pytest.raises(FailedError, match="not as its description"):
            _client(unlike).send(galleries.list_galleries())


def test_tasks_are_as_patient() -> None:
    service = Service(_busy(), httpx.ReadError)

    async def road() -> None:
        transport = httpx.MockTransport(service)
        async with AsyncClient("http://there", "k", retries=QUICK, transport=transport) as client:
            await client.send(galleries.list_galleries())

    asyncio.run(road())
    assert len(service.asked) == 3


def test_waits_grow_within_their_half() -> None:
    retries = Retries(most=9, first_s=1, longest_s=5)
    busy = BusyError("x", status=503, code="busy")
    for attempt, most in ((1, 1), (2, 2), (3, 4), (4, 5), (9, 5)):
        waits = [retries.wait_s(attempt, busy, repeatable=False) for _ in range(50)]
        assert all(wait is not None and most / 2 <= wait <= most for wait in waits)
    assert retries.wait_s(10, busy, repeatable=True) is None


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    date = {"Retry-After": "Mon, 30 Nov 2026 12:00:07 GMT"}
    assert problem(httpx.Response(503, headers=date), now=lambda: now).retry_after_s == 7
    for none in ("soon", ""):
        answer = httpx.Response(503, headers={"Retry-After": none})
        assert problem(answer).retry_after_s is None

"""Clients of a service, in one thread or among tasks; what they send is in `operations`."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx

from vultus.client.call import Call, quoted, read
from vultus.client.errors import FailedError
from vultus.client.operations import events as event_log
from vultus.client.operations import identify as identifying
from vultus.client.operations import jobs as work
from vultus.client.operations import people, photos
from vultus.client.photos import Photo
from vultus.client.retries import PATIENT, Retries, problem, unreachable
from vultus.client.streams import Stream, Told
from vultus.core.errors import InputError

T = TypeVar("T")

_PAGE = 100
_ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a service answered.

    Attributes:
        value: What was asked for.
        etag: The state that was seen, for ``if_match``; None where there is none.
        request_id: Under which the service's log has it.
    """

    value: T
    etag: str | None
    request_id: str


class _Base:
    """What both clients are: an address, a key, patience."""

    def __init__(
        self, address: str, key: str | None, retries: Retries, *, timeout_s: float
    ) -> None:
        if not address.startswith(("http://", "https://")):
            raise InputError(f"address must begin with http:// or https://, got {address!r}")
        self.address = address.rstrip("/")
        self.retries = retries
        self.timeout_s = timeout_s
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    def _events_of(self, gallery: str, after: int, types: Sequence[str]) -> Stream:
        params = {"after": after, "types": list(types)}
        return Stream(f"/v1/galleries/{quoted(gallery)}/events/stream", params, self.retries)

    def _job_of(self, gallery: str, job: str) -> Stream:
        path = f"/v1/galleries/{quoted(gallery)}/jobs/{quoted(job)}/stream"
        return Stream(path, {}, self.retries)

    def _prepared(self, call: Call[Any]) -> tuple[dict[str, Any], bool]:
        """What is sent, and whether it may be sent twice."""
        request = call.request()
        if call.keyed:
            request["headers"].setdefault("Idempotency-Key", str(uuid.uuid4()))
        return request, call.repeatable or call.keyed


def _answer(call: Call[T], got: httpx.Response) -> Answer[T]:
    if got.status_code >= 300:
        raise problem(got)
    value: Any = None
    if call.gives is bytes:
        value = got.content
    elif call.gives is not type(None):
        try:
            value = read(call.gives, got.json())
        except ValueError as error:
            raise FailedError(
                f"the answer is not as its description: {error}",
                status=got.status_code,
                code="unreadable-answer",
                request_id=got.headers.get("x-request-id"),
            ) from error
    return Answer(value, got.headers.get("etag"), got.headers.get("x-request-id", ""))


class Client(_Base):
    """Asks a service, one thing after the other; threads may share it.

    Args:
        address: ``http://127.0.0.1:8000``; over a network ``https://...``.
        key: A key of the service; None for what takes none.
        timeout_s: For each step of a request: connecting, sending, waiting.
        retries: How often refused or lost requests are sent again.
        tls: False trusts any certificate; a context has certificates of one's own.
        transport: What sends, in place of the network.

    Example::

        with Client("http://127.0.0.1:8000", key) as client:
            client.enroll("people", "Ada", ["ada-1.jpg", "ada-2.jpg"])
            for face in client.identify("people", "party.jpg").faces:
                print(face.identity, face.box_xyxy)
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: Retries = PATIENT,
        tls: SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(address, key, retries, timeout_s=timeout_s)
        self._http = httpx.Client(
            base_url=self.address,
            headers=self._headers,
            timeout=timeout_s,
            verify=tls,
            transport=transport,
        )

    def send(self, call: Call[T]) -> T:
        """Ask for an operation of `vultus.client.operations`.

        Raises:
            ServiceError: As its kinds say.
            InputError, OSError: If a photo is none, or cannot be read.
        """
        return self.ask(call).value

    def ask(self, call: Call[T]) -> Answer[T]:
        """As `send`, with what the answer's headers say."""
        request, repeatable = self._prepared(call)
        attempt = 0
        while True:
            attempt += 1
            try:
                got = self._http.request(**request)
            except httpx.TransportError as lost:
                error: Any = unreachable(lost, self.address)
            else:
                if got.status_code < 300:
                    return _answer(call, got)
                error = problem(got)
            wait_s = self.retries.wait_s(attempt, error, repeatable=repeatable)
            if wait_s is None:
                raise error
            time.sleep(wait_s)

    def detect(self, photo: Photo) -> photos.FoundFaces:
        """The faces of a photo."""
        return self.send(photos.detect(photo=photo))

    def verify(self, a: Photo, b: Photo, *, fmr: float = 1e-3) -> photos.Verified:
        """Whether two photos show one person."""
        return self.send(photos.verify(a=a, b=b, fmr=fmr))

    def identify(
        self, gallery: str, photo: Photo, *, fpir: float = 0.01
    ) -> identifying.IdentifiedFaces:
        """Who is on a photo, among the people of a gallery."""
        return self.send(identifying.identify(gallery, photo=photo, fpir=fpir))

    def enroll(
        self, gallery: str, name: str, photos: Sequence[Photo], **details: Any
    ) -> people.Enrolled:
        """Enrol a new person; details are those of `vultus.client.operations.people.enroll`."""
        return self.send(people.enroll(gallery, name=name, photos=photos, **details))

    def erase(self, gallery: str, person: str) -> people.Erased:
        """Erase a person by their id; the receipt says what is gone."""
        return self.send(people.erase(gallery, person))

    def people(self, gallery: str, *, page: int = _PAGE) -> Iterator[people.PersonTold]:
        """Everybody in a gallery, in the order of enrolment, asked for page by page."""
        cursor: str | None = ""
        while cursor is not None:
            found = self.send(people.list_people(gallery, cursor=cursor, limit=page))
            yield from found.people
            cursor = found.next

    def events(
        self, gallery: str, *, after: int = 0, page: int = _PAGE
    ) -> Iterator[event_log.EventTold]:
        """What happened in a gallery since a position, up to now."""
        while (found := self.send(event_log.read_events(gallery, after=after, limit=page))).events:
            yield from found.events
            after = found.next

    def follow(
        self, gallery: str, *, after: int | None = None, types: Sequence[str] = ()
    ) -> Iterator[event_log.EventTold]:
        """What happens in a gallery, as it happens, without an end.

        Lost connections are made anew, and each event comes once. Who gives the ``position`` of
        the last one that was dealt with as ``after`` goes on there, in another process, too.

        Args:
            gallery: The gallery's id.
            after: Begin after this position; None with what comes from now on.
            types: Only these types; none for all.

        Raises:
            ServiceError: If the service refuses, or does not answer for longer than ``retries``
                have patience.
        """
        if after is None:
            after = self.send(event_log.read_events(gallery, last=1, limit=1)).next
        for told in self._streamed(self._events_of(gallery, after, types)):
            yield read(event_log.EventTold, told.data)

    def watch_job(self, gallery: str, job: str) -> Iterator[work.JobTold]:
        """How far a job is, whenever that changes; the last one has ended, with its result.

        Raises:
            ServiceError: As `follow`.
        """
        for told in self._streamed(self._job_of(gallery, job)):
            if told.data["state"] in _ENDED:
                break
            yield read(work.JobTold, told.data)
        yield self.send(work.job_told(gallery, job))

    def _streamed(self, stream: Stream) -> Iterator[Told]:
        while True:
            error: Any = None
            try:
                request = stream.request(self.timeout_s)
                with self._http.stream(**request) as got:
                    if got.status_code >= 300:
                        got.read()
                        error = problem(got)
                    else:
                        for line in got.iter_lines():
                            if (told := stream.take(line)) is not None:
                                yield told
            except httpx.TransportError as lost:
                error = unreachable(lost, self.address)
            time.sleep(stream.wait_s(error))

    def close(self) -> None:
        """Let go of connections; closing twice is fine."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(_Base):
    """As `Client`, among the tasks of an event loop.

    Args:
        address: As `Client`.
        key: As `Client`.
        timeout_s: As `Client`.
        retries: As `Client`.
        tls: As `Client`.
        transport: As `Client`.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: Retries = PATIENT,
        tls: SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(address, key, retries, timeout_s=timeout_s)
        self._http = httpx.AsyncClient(
            base_url=self.address,
            headers=self._headers,
            timeout=timeout_s,
            verify=tls,
            transport=transport,
        )

    async def send(self, call: Call[T]) -> T:
        """As `Client.send`."""
        return (await self.ask(call)).value

    async def ask(self, call: Call[T]) -> Answer[T]:
        """As `Client.ask`; files are read in another thread."""
        request, repeatable = await asyncio.to_thread(self._prepared, call)
        attempt = 0
        while True:
            attempt += 1
            try:
                got = await self._http.request(**request)
            except httpx.TransportError as lost:
                error: Any = unreachable(lost, self.address)
            else:
                if got.status_code < 300:
                    return _answer(call, got)
                error = problem(got)
            wait_s = self.retries.wait_s(attempt, error, repeatable=repeatable)
            if wait_s is None:
                raise error
            await asyncio.sleep(wait_s)

    async def detect(self, photo: Photo) -> photos.FoundFaces:
        """As `Client.detect`."""
        return await self.send(photos.detect(photo=photo))

    async def verify(self, a: Photo, b: Photo, *, fmr: float = 1e-3) -> photos.Verified:
        """As `Client.verify`."""
        return await self.send(photos.verify(a=a, b=b, fmr=fmr))

    async def identify(
        self, gallery: str, photo: Photo, *, fpir: float = 0.01
    ) -> identifying.IdentifiedFaces:
        """As `Client.identify`."""
        return await self.send(identifying.identify(gallery, photo=photo, fpir=fpir))

    async def enroll(
        self, gallery: str, name: str, photos: Sequence[Photo], **details: Any
    ) -> people.Enrolled:
        """As `Client.enroll`."""
        return await self.send(people.enroll(gallery, name=name, photos=photos, **details))

    async def erase(self, gallery: str, person: str) -> people.Erased:
        """As `Client.erase`."""
        return await self.send(people.erase(gallery, person))

    async def people(self, gallery: str, *, page: int = _PAGE) -> AsyncIterator[people.PersonTold]:
        """As `Client.people`."""
        cursor: str | None = ""
        while cursor is not None:
            found = await self.send(people.list_people(gallery, cursor=cursor, limit=page))
            for person in found.people:
                yield person
            cursor = found.next

    async def events(
        self, gallery: str, *, after: int = 0, page: int = _PAGE
    ) -> AsyncIterator[event_log.EventTold]:
        """As `Client.events`."""
        while True:
            found = await self.send(event_log.read_events(gallery, after=after, limit=page))
            for event in found.events:
                yield event
            if not found.events:
                return
            after = found.next

    async def follow(
        self, gallery: str, *, after: int | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[event_log.EventTold]:
        """As `Client.follow`."""
        if after is None:
            after = (await self.send(event_log.read_events(gallery, last=1, limit=1))).next
        async for told in self._streamed(self._events_of(gallery, after, types)):
            yield read(event_log.EventTold, told.data)

    async def watch_job(self, gallery: str, job: str) -> AsyncIterator[work.JobTold]:
        """As `Client.watch_job`."""
        async for told in self._streamed(self._job_of(gallery, job)):
            if told.data["state"] in _ENDED:
                break
            yield read(work.JobTold, told.data)
        yield await self.send(work.job_told(gallery, job))

    async def _streamed(self, stream: Stream) -> AsyncIterator[Told]:
        while True:
            error: Any = None
            try:
                async with self._http.stream(**stream.request(self.timeout_s)) as got:
                    if got.status_code >= 300:
                        await got.aread()
                        error = problem(got)
                    else:
                        async for line in got.aiter_lines():
                            if (told := stream.take(line)) is not None:
                                yield told
            except httpx.TransportError as lost:
                error = unreachable(lost, self.address)
            await asyncio.sleep(stream.wait_s(error))

    async def close(self) -> None:
        """As `Client.close`."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

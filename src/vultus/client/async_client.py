"""A client of a service, among the tasks of an event loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from vultus.client.base import ENDED, PAGE, Answer, Base, answer_of, next_page
from vultus.client.call import Call, read
from vultus.client.operations import events as event_log
from vultus.client.operations import identify as identifying
from vultus.client.operations import jobs as work
from vultus.client.operations import people, photos
from vultus.client.photos import Photo
from vultus.client.retries import PATIENT, Retries, problem, unreachable
from vultus.client.streams import Stream, Told

T = TypeVar("T")


class AsyncClient(Base):
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
        request, repeatable = await asyncio.to_thread(self.prepared, call)
        attempt = 0
        while True:
            attempt += 1
            try:
                got = await self._http.request(**request)
            except httpx.TransportError as lost:
                error: Any = unreachable(lost, self.address)
            else:
                self.got(call, got)
                if got.status_code < 300:
                    return answer_of(call, got)
                error = problem(got)
            wait_s = self.retries.wait_s(attempt, error, repeatable=repeatable)
            if wait_s is None:
                self.gave_up(call, error)
                raise error
            await asyncio.sleep(wait_s)

    async def detect(self, photo: Photo) -> photos.FoundFaces:
        """As `Client.detect`."""
        return await self.send(photos.detect(photo=photo))

    async def verify(
        self, a: Photo, b: Photo, *, fmr: float = 1e-3, require_live: bool = False
    ) -> photos.Verified:
        """As `Client.verify`."""
        return await self.send(photos.verify(a=a, b=b, fmr=fmr, require_live=require_live))

    async def identify(
        self, gallery: str, photo: Photo, *, fpir: float = 0.01, require_live: bool = False
    ) -> identifying.IdentifiedFaces:
        """As `Client.identify`."""
        asked = identifying.identify(gallery, photo=photo, fpir=fpir, require_live=require_live)
        return await self.send(asked)

    async def enroll(
        self, gallery: str, name: str, photos: Sequence[Photo], **details: Any
    ) -> people.Enrolled:
        """As `Client.enroll`."""
        return await self.send(people.enroll(gallery, name=name, photos=photos, **details))

    async def erase(self, gallery: str, person: str) -> people.Erased:
        """As `Client.erase`."""
        return await self.send(people.erase(gallery, person))

    async def pages(self, call: Call[T]) -> AsyncIterator[T]:
        """As `Client.pages`."""
        asked: Call[T] | None = call
        while asked is not None:
            found = await self.send(asked)
            yield found
            asked = next_page(asked, found)

    async def people(self, gallery: str, *, page: int = PAGE) -> AsyncIterator[people.PersonTold]:
        """As `Client.people`."""
        async for found in self.pages(people.list_people(gallery, limit=page)):
            for person in found.people:
                yield person

    async def events(
        self, gallery: str, *, after: int = 0, page: int = PAGE
    ) -> AsyncIterator[event_log.EventTold]:
        """As `Client.events`."""
        call = event_log.read_events(gallery, after=str(after), limit=page)
        async for found in self.pages(call):
            for event in found.events:
                yield event

    async def follow(
        self, gallery: str, *, after: int | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[event_log.EventTold]:
        """As `Client.follow`."""
        begin: int | str | None = after
        if begin is None:
            begin = (await self.send(event_log.read_events(gallery, last=1, limit=1))).next
        async for told in self._streamed(self.events_of(gallery, begin, types)):
            yield read(event_log.EventTold, told.data)

    async def watch_job(self, gallery: str, job: str) -> AsyncIterator[work.JobTold]:
        """As `Client.watch_job`."""
        async for told in self._streamed(self.job_of(gallery, job)):
            if told.data["state"] in ENDED:
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

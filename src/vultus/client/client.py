"""A client of a service, in one thread; what it sends is in `operations`."""

import time
from collections.abc import Iterator, Sequence
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


class Client(Base):
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
        request, repeatable = self.prepared(call)
        attempt = 0
        while True:
            attempt += 1
            try:
                got = self._http.request(**request)
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
            time.sleep(wait_s)

    def detect(self, photo: Photo) -> photos.FoundFaces:
        """The faces of a photo."""
        return self.send(photos.detect(photo=photo))

    def verify(
        self, a: Photo, b: Photo, *, fmr: float = 1e-3, require_live: bool = False
    ) -> photos.Verified:
        """Whether two photos show one person; ``require_live`` refuses prints and screens."""
        return self.send(photos.verify(a=a, b=b, fmr=fmr, require_live=require_live))

    def identify(
        self, gallery: str, photo: Photo, *, fpir: float = 0.01, require_live: bool = False
    ) -> identifying.IdentifiedFaces:
        """Who is on a photo, of the people of a gallery; ``require_live`` as for `verify`."""
        asked = identifying.identify(gallery, photo=photo, fpir=fpir, require_live=require_live)
        return self.send(asked)

    def enroll(
        self, gallery: str, name: str, photos: Sequence[Photo], **details: Any
    ) -> people.Enrolled:
        """Enrol a new person; details are those of `vultus.client.operations.people.enroll`."""
        return self.send(people.enroll(gallery, name=name, photos=photos, **details))

    def erase(self, gallery: str, person: str) -> people.Erased:
        """Erase a person by their id; the receipt says what is gone."""
        return self.send(people.erase(gallery, person))

    def pages(self, call: Call[T]) -> Iterator[T]:
        """All pages of a list, one after the other, asked for as they are wanted.

        Args:
            call: Of an operation with a cursor, e.g. ``records.read_audit("people")``.

        Raises:
            ServiceError: As `send`.
            InputError: If its answer is no page.
        """
        asked: Call[T] | None = call
        while asked is not None:
            found = self.send(asked)
            yield found
            asked = next_page(asked, found)

    def people(self, gallery: str, *, page: int = PAGE) -> Iterator[people.PersonTold]:
        """Everybody in a gallery, in the order of enrolment, asked for page by page."""
        for found in self.pages(people.list_people(gallery, limit=page)):
            yield from found.people

    def events(
        self, gallery: str, *, after: int = 0, page: int = PAGE
    ) -> Iterator[event_log.EventTold]:
        """What happened in a gallery since a position, up to now."""
        for found in self.pages(event_log.read_events(gallery, after=str(after), limit=page)):
            yield from found.events

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
        begin: int | str | None = after
        if begin is None:
            begin = self.send(event_log.read_events(gallery, last=1, limit=1)).next
        for told in self._streamed(self.events_of(gallery, begin, types)):
            yield read(event_log.EventTold, told.data)

    def watch_job(self, gallery: str, job: str) -> Iterator[work.JobTold]:
        """How far a job is, whenever that changes; the last one has ended, with its result.

        Raises:
            ServiceError: As `follow`.
        """
        for told in self._streamed(self.job_of(gallery, job)):
            if told.data["state"] in ENDED:
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

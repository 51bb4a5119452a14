"""What clients in one thread and among tasks share."""

import re
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import httpx

from vultus.client.call import Call, quoted, read
from vultus.client.errors import FailedError, ServiceError
from vultus.client.retries import BEHIND, Retries, problem
from vultus.client.streams import Stream
from vultus.core.errors import InputError

T = TypeVar("T")

PAGE = 100
"""So many people or events are asked for at once."""

POSITION = "Vultus-Position"
_OF_GALLERY = re.compile("/v1/galleries/([^/]+)")

ENDED = ("done", "failed", "cancelled")
"""States of a job of which nothing more comes."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a service answered.

    Attributes:
        value: What was asked for.
        etag: The state that was seen, for ``if_match``; None where there is none.
        request_id: Under which the service's log has it.
        position: Up to which all changes of the gallery were seen; None of what is of no gallery.
    """

    value: T
    etag: str | None
    request_id: str
    position: int | None = None


class Base:
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
        self._lock = threading.Lock()
        self._positions: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    def events_of(self, gallery: str, after: int | str, types: Sequence[str]) -> Stream:
        """The stream of a gallery's events."""
        params = {"after": after, "types": list(types)}
        return Stream(f"/v1/galleries/{quoted(gallery)}/events/stream", params, self.retries)

    def job_of(self, gallery: str, job: str) -> Stream:
        """The stream of how far a job is."""
        path = f"/v1/galleries/{quoted(gallery)}/jobs/{quoted(job)}/stream"
        return Stream(path, {}, self.retries)

    def position(self, gallery: str) -> int:
        """Up to which of a gallery's changes this client was told of; 0 for none."""
        with self._lock:
            return self._positions.get(quoted(gallery), 0)

    def see(self, gallery: str, position: int) -> None:
        """Let all that is asked from now on see a gallery's changes up to a position, at least.

        What this client was told itself is seen in any case, whichever service answers.

        Args:
            gallery: Its id.
            position: What another client's `position` was.
        """
        with self._lock:
            known = self._positions.get(quoted(gallery), 0)
            self._positions[quoted(gallery)] = max(known, position)

    def got(self, call: Call[Any], answer: httpx.Response) -> None:
        """Keep the position that an answer names, for what is asked next."""
        text = answer.headers.get(POSITION, "")
        if (found := _OF_GALLERY.match(call.path)) and text.isdecimal():
            with self._lock:
                self._positions[found[1]] = max(int(text), self._positions.get(found[1], 0))

    def gave_up(self, call: Call[Any], error: ServiceError) -> None:
        """Forget a position that no service reaches: the gallery was put back to an older state.

        This error tells of it; what is asked next must not fail for ever.
        """
        if error.code == BEHIND and (found := _OF_GALLERY.match(call.path)):
            with self._lock:
                self._positions.pop(found[1], None)

    def prepared(self, call: Call[Any]) -> tuple[dict[str, Any], bool]:
        """What is sent, and whether it may be sent twice."""
        request = call.request()
        if found := _OF_GALLERY.match(call.path):
            with self._lock:
                seen = self._positions.get(found[1], 0)
            if seen:
                request["headers"].setdefault(POSITION, str(seen))
        if call.keyed:
            request["headers"].setdefault("Idempotency-Key", str(uuid.uuid4()))
        return request, call.repeatable or call.keyed


def next_page(call: Call[T], found: T) -> Call[T] | None:
    """The call for the page after one that came; None if it was the last.

    Args:
        call: What was asked.
        found: What came.

    Raises:
        InputError: If it is no page of a list.
    """
    if not hasattr(found, "next"):
        raise InputError(f"pages are those of a list with a cursor, {call.path} is none")
    cursor = found.next
    # Of a log that goes on, the last page's cursor is its own.
    if cursor is None or cursor == call.query.get("cursor"):
        return None
    query = {name: value for name, value in call.query.items() if name != "after"}
    return replace(call, query={**query, "cursor": cursor})


def answer_of(call: Call[T], got: httpx.Response) -> Answer[T]:
    """The answer to a call, read.

    Raises:
        ServiceError: If it tells a problem, or is not as its description.
    """
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
    told = got.headers.get(POSITION, "")
    return Answer(
        value,
        got.headers.get("etag"),
        got.headers.get("x-request-id", ""),
        int(told) if told.isdecimal() else None,
    )

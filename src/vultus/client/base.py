"""What clients in one thread and among tasks share."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from vultus.client.call import Call, quoted, read
from vultus.client.errors import FailedError
from vultus.client.retries import Retries, problem
from vultus.client.streams import Stream
from vultus.core.errors import InputError

T = TypeVar("T")

PAGE = 100
"""So many people or events are asked for at once."""

ENDED = ("done", "failed", "cancelled")
"""States of a job of which nothing more comes."""


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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    def events_of(self, gallery: str, after: int, types: Sequence[str]) -> Stream:
        """The stream of a gallery's events."""
        params = {"after": after, "types": list(types)}
        return Stream(f"/v1/galleries/{quoted(gallery)}/events/stream", params, self.retries)

    def job_of(self, gallery: str, job: str) -> Stream:
        """The stream of how far a job is."""
        path = f"/v1/galleries/{quoted(gallery)}/jobs/{quoted(job)}/stream"
        return Stream(path, {}, self.retries)

    def prepared(self, call: Call[Any]) -> tuple[dict[str, Any], bool]:
        """What is sent, and whether it may be sent twice."""
        request = call.request()
        if call.keyed:
            request["headers"].setdefault("Idempotency-Key", str(uuid.uuid4()))
        return request, call.repeatable or call.keyed


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
    return Answer(value, got.headers.get("etag"), got.headers.get("x-request-id", ""))

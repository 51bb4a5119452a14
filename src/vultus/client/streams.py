"""Server-sent events, read line by line, and where to go on when the connection is lost."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from vultus.client.errors import FailedError, ServiceError
from vultus.client.retries import Retries

SILENT_S = 60.0
"""The service says something every 15 seconds; after so many without, the connection is dead."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a stream.

    Attributes:
        id: What to go on after.
        data: Its JSON, read.
    """

    id: str
    data: Any


class Stream:
    """A stream that goes on over lost connections, each event once.

    Args:
        path: Of the operation.
        params: Of the first request and all others.
        retries: How patient to be; only tries without any answer between them are counted.
    """

    def __init__(self, path: str, params: dict[str, Any], retries: Retries) -> None:
        self._path, self._params, self._retries = path, params, retries
        self._last: str | None = None
        self._tries = 0
        self._id, self._data = "", list[str]()

    def request(self, timeout_s: float) -> dict[str, Any]:
        """Arguments of the next request of httpx."""
        self._tries += 1
        self._id, self._data = "", []
        headers = {"Accept": "text/event-stream"}
        if self._last is not None:
            headers["Last-Event-ID"] = self._last
        timeout = httpx.Timeout(timeout_s, read=SILENT_S)
        return {
            "method": "GET",
            "url": self._path,
            "params": self._params,
            "headers": headers,
            "timeout": timeout,
        }

    def take(self, line: str) -> Told | None:
        """Take a line; gives the event that it ends, if it ends one.

        Raises:
            FailedError: If the event is no JSON.

        Source:
            WHATWG HTML, 9.2.6.
        """
        self._tries = 0
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                self._data.append(value)
            elif name == "id":
                self._id = value
            return None
        if not self._data:
            return None
        text, self._data = "\n".join(self._data), []
        try:
            told = Told(self._id, json.loads(text))
        except ValueError as error:
            raise FailedError(
                "an event of a stream must be JSON, got something else",
                status=200,
                code="unreadable-answer",
            ) from error
        self._last = told.id or self._last
        return told

    def wait_s(self, error: ServiceError | None) -> float:
        """How long to wait before it is asked for again.

        Args:
            error: Why it ended; None if the service ended it, as it does when it stops.

        Raises:
            ServiceError: The same, if that does not pass by waiting.
        """
        if error is None:
            return self._retries.first_s
        wait_s = self._retries.wait_s(self._tries, error, repeatable=True)
        if wait_s is None:
            raise error
        return wait_s

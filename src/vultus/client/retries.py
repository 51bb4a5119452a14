"""When a request is sent again, and after how long."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from vultus.client.errors import ServiceError, UnreachableError, error_of

_NOT_BEGUN = (429, 503)
BEHIND = "position-not-reached"
_OF_OURS = ("busy", "too-many-requests", BEHIND)
"""Codes of a service that refused before it did anything: whatever was asked may be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How patient a client is.

    Attributes:
        most: How often a request is sent again at most; 0 for never.
        first_s: The first wait; each further one is twice as long. Between half of it and all is
            waited, by chance, so that clients that were refused together do not come together.
        longest_s: No wait is longer. Where the service asks for a longer one, it is not awaited:
            the error says when to come again.
    """

    most: int = 4
    first_s: float = 0.5
    longest_s: float = 30.0

    def wait_s(self, attempt: int, error: ServiceError, *, repeatable: bool) -> float | None:
        """Seconds until it is sent again; None if it is not.

        Args:
            attempt: How often it was sent, from 1.
            error: What came of the last one.
            repeatable: Whether it may be done twice.
        """
        not_begun = error.code in _OF_OURS or isinstance(error.__cause__, _UNSENT)
        passing = error.status in _NOT_BEGUN or error.status == 0
        if attempt > self.most or not passing or not (repeatable or not_begun):
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.longest_s else None
        wait = min(self.first_s * 2.0 ** (attempt - 1), self.longest_s)
        return wait * (0.5 + secrets.randbelow(500) / 1000)


PATIENT = Retries()
"""The default."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def unreachable(error: httpx.TransportError, address: str) -> UnreachableError:
    """The error where no answer came."""
    made = UnreachableError(f"{address} does not answer ({type(error).__name__}); is it running?")
    made.__cause__ = error
    return made


def problem(
    answer: httpx.Response, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> ServiceError:
    """The error that an answer tells; its content was read.

    Args:
        answer: Of status 300 or above.
        now: The time, for a Retry-After that is a date.
    """
    try:
        told = answer.json()
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    errors = told.get("errors")
    return error_of(answer.status_code)(
        str(told.get("detail", f"the answer is HTTP status {answer.status_code}")),
        status=answer.status_code,
        code=str(told.get("code", "no-problem-told")),
        request_id=told.get("request_id") or answer.headers.get("x-request-id"),
        errors=tuple(errors) if isinstance(errors, list) else (),
        retry_after_s=_seconds(answer.headers.get("retry-after"), now),
    )


def _seconds(text: str | None, now: Callable[[], datetime]) -> float | None:
    """RFC 9110, 10.2.3: seconds or a date."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - now()).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None

"""What a service answers when it cannot, or will not, do what was asked; by its status.

ServiceError
├── UnreachableError        nothing answered, or the connection was lost
├── UnchangedError          304: it is as ``if_none_match`` knows it
├── UnauthorisedError       401: no key, or not one of this service
├── ForbiddenError          403: the key may not do that, or not in that gallery
├── NotFoundError           404
├── ConflictError           409, 412: somebody of that name is there, or what was seen has changed
├── RefusedError            411, 413, 415, 422, 428: the request or a photo does not fit
├── BusyError               429, 503: come again after ``retry_after_s``
└── FailedError             500 and others: the service's own fault; its log has ``request_id``
"""

from collections.abc import Mapping
from typing import Any

from vultus.core.errors import VultusError


class ServiceError(VultusError, RuntimeError):
    """A service did not do what was asked.

    Attributes:
        status: Of HTTP; 0 where nothing answered.
        code: Of the problem, stable: ``"no-face"``; ``"unreachable"`` where nothing answered.
        detail: In words.
        request_id: Under which the service's log has it; None where nothing answered.
        errors: Of each part of the request that does not fit, or each photo that was refused.
        retry_after_s: When to come again, if the service said so.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int = 0,
        code: str = "unreachable",
        request_id: str | None = None,
        errors: tuple[Mapping[str, Any], ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        told = detail if request_id is None else f"{detail} ({code}, request {request_id})"
        super().__init__(told)
        self.status, self.code, self.detail = status, code, detail
        self.request_id, self.errors, self.retry_after_s = request_id, errors, retry_after_s


class UnreachableError(ServiceError, ConnectionError):
    """Nothing answered, or the connection was lost before the answer was there."""


class UnchangedError(ServiceError):
    """What was asked for is as ``if_none_match`` knows it; it is not sent again."""


class UnauthorisedError(ServiceError):
    """The service wants a key, and this is none of its keys."""


class ForbiddenError(ServiceError, PermissionError):
    """The key may not do that, or not in that gallery."""


class NotFoundError(ServiceError, LookupError):
    """There is no such gallery, person, photo or key."""


class ConflictError(ServiceError):
    """It contradicts what is there, or what was seen has changed since."""


class RefusedError(ServiceError, ValueError):
    """The request, or a photo of it, does not fit; ``code`` says why."""


class BusyError(ServiceError):
    """Too much at once, or too often; ``retry_after_s`` says when to come again."""


class FailedError(ServiceError):
    """The service failed; its log says why."""


_KINDS: Mapping[int, type[ServiceError]] = {
    304: UnchangedError,
    401: UnauthorisedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
    429: BusyError,
    503: BusyError,
}


def error_of(status: int) -> type[ServiceError]:
    """The kind of error that a status of HTTP, from 300 on, is."""
    return _KINDS.get(status, RefusedError if 400 <= status < 500 else FailedError)

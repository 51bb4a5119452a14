"""A client of the service: typed, in one thread or among tasks; it needs httpx and no model."""

from vultus.client.async_client import AsyncClient
from vultus.client.base import Answer
from vultus.client.client import Client
from vultus.client.errors import (
    BusyError,
    ConflictError,
    FailedError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    ServiceError,
    UnauthorisedError,
    UnchangedError,
    UnreachableError,
)
from vultus.client.retries import Retries

__all__ = [
    "Answer",
    "AsyncClient",
    "BusyError",
    "Client",
    "ConflictError",
    "FailedError",
    "ForbiddenError",
    "NotFoundError",
    "RefusedError",
    "Retries",
    "ServiceError",
    "UnauthorisedError",
    "UnchangedError",
    "UnreachableError",
]

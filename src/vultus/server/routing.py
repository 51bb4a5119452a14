"""Routers of the service: who asks is known before a byte of a body is read."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from vultus.server.context import CallerWith
from vultus.server.idempotency import HEADER_PARAMETER, answered_once, creates, is_streamed
from vultus.server.problems import responses


def make_router(prefix: str, tag: str, *statuses: int) -> APIRouter:
    """A router, every operation of which asks for a key before it reads what is sent.

    Args:
        prefix: Of all addresses.
        tag: Of all operations, in the description of the service.
        statuses: Errors to describe beside those that all operations have.
    """
    return APIRouter(
        prefix=prefix, tags=[tag], responses=responses(*statuses), route_class=_Checked
    )


class _Checked(APIRoute):
    """FastAPI reads a form or a body before it asks dependencies; this asks for the key first.

    What makes something takes an ``Idempotency-Key``. The description has the role as ``x-role``.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        for check in checks_of(self):
            self.openapi_extra = {**(self.openapi_extra or {}), "x-role": check.role.name}
        if creates(self.methods, self.status_code):
            extra = dict(self.openapi_extra or {})
            extra["parameters"] = [*extra.get("parameters", []), HEADER_PARAMETER]
            self.openapi_extra = extra

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answered, checks = super().get_route_handler(), checks_of(self)
        once = creates(self.methods, self.status_code) and not is_streamed(self.endpoint)

        async def checked(request: Request) -> Response:
            for check in checks:
                await check(request)
            return await (answered_once(request, answered) if once else answered(request))

        return checked


def checks_of(route: APIRoute) -> list[CallerWith]:
    """Who may ask an operation, as its dependencies say."""
    return _checks(route.dependant)


def _checks(dependant: Dependant) -> list[CallerWith]:
    inner = [check for part in dependant.dependencies for check in _checks(part)]
    return [dependant.call, *inner] if isinstance(dependant.call, CallerWith) else inner

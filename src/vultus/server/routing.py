"""Routers of the service: who asks is known before a byte of a body is read."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Form
from fastapi.routing import APIRoute

from vultus.server.access import Role
from vultus.server.context import CallerWith
from vultus.server.forms import MemoryRequest, refuse_unknown
from vultus.server.idempotency import HEADER_PARAMETER, answered_once, creates, is_streamed
from vultus.server.positions import HEADER_PARAMETER as POSITION_PARAMETER
from vultus.server.positions import placed, tells_position
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

    What makes something takes an ``Idempotency-Key``, what is of a gallery a ``Vultus-Position``.
    The description has the role as ``x-role``.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        for check in checks_of(self):
            self.openapi_extra = {**(self.openapi_extra or {}), "x-role": check.role.name}
        taken = [HEADER_PARAMETER] if creates(self.methods, self.status_code) else []
        if tells_position(self.path):
            taken.append(POSITION_PARAMETER)
        if taken:
            extra = dict(self.openapi_extra or {})
            extra["parameters"] = [*extra.get("parameters", []), *taken]
            self.openapi_extra = extra

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answered, checks = super().get_route_handler(), checks_of(self)
        once = creates(self.methods, self.status_code) and not is_streamed(self.endpoint)
        parts = list(_parts(self.dependant))
        query = {one.alias for part in parts for one in part.query_params}
        body = [one for part in parts for one in part.body_params]
        fields = {one.alias for one in body}
        is_form = any(isinstance(one.field_info, Form) for one in body)
        of_gallery = tells_position(self.path)
        changes = any(check.role is not Role.reader for check in checks) and self.methods != {"GET"}

        async def worked_on(request: Request) -> Response:
            return await (answered_once(request, answered) if once else answered(request))

        async def checked(request: Request) -> Response:
            for check in checks:
                await check(request)
            refuse_unknown("query", request.query_params, query)
            request = MemoryRequest(request.scope, request.receive)
            try:
                if is_form:
                    refuse_unknown("form", await request.form(), fields)
                elif fields:
                    await request.body()  # else a body that stalls would be called unreadable
                if of_gallery:
                    return await placed(request, worked_on, changes=changes)
                return await worked_on(request)
            finally:
                await request.close()  # the files of a form that nobody else closed

        return checked


def checks_of(route: APIRoute) -> list[CallerWith]:
    """Who may ask an operation, as its dependencies say."""
    return _checks(route.dependant)


def _checks(dependant: Dependant) -> list[CallerWith]:
    inner = [check for part in dependant.dependencies for check in _checks(part)]
    return [dependant.call, *inner] if isinstance(dependant.call, CallerWith) else inner


def _parts(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for part in dependant.dependencies:
        yield from _parts(part)

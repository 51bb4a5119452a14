"""The application: every operation behind the guard."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse

from vultus import __version__
from vultus.server import description, problems
from vultus.server.context import Context
from vultus.server.guard import Guard
from vultus.server.routes import (
    attendance,
    clusters,
    crops,
    events,
    faces,
    galleries,
    health,
    identifying,
    jobs,
    keys,
    live,
    liveness,
    liveness_sessions,
    metrics,
    models,
    monitor_live,
    monitors,
    page,
    people,
    person_photos,
    records,
    retention,
    review,
    session,
    thresholds,
    webhooks,
)

_MODULES = (
    *(health, session, faces, liveness, crops, clusters, models, galleries, thresholds),
    *(identifying, people, person_photos, review, records, retention, events, webhooks),
    *(liveness_sessions, monitors, attendance, jobs, keys, metrics),
)
ROUTERS = tuple(module.router for module in _MODULES)
"""All that the service answers; what is to be answered, too, is added here."""

PAGE = (page.router, live.router, monitor_live.router)
"""What the browser loads; no part of the service's description."""


class _Described(FastAPI):
    """An application that describes itself completely, and answers others meanwhile."""

    def setup(self) -> None:
        """Add the address of the description; FastAPI itself would make it in the event loop."""
        self._describing = threading.Lock()
        self.add_route(
            "/v1/openapi.json", lambda _: JSONResponse(self.openapi()), include_in_schema=False
        )

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        with self._describing:
            if self.openapi_schema is None:
                description.complete(super().openapi())
            return super().openapi()


def make_app(context: Context) -> FastAPI:
    """The application of a service; it closes the galleries when it stops.

    Args:
        context: The service's parts.
    """

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        context.background.start()
        yield
        context.background.close()
        context.galleries.close()
        if context.tracing is not None:
            context.tracing.close()

    app = _routed(lifespan=living)
    app.state.context = context
    problems.install(app)
    app.add_middleware(
        Guard,
        most_bytes=context.settings.most_bytes,
        most_upload_bytes=context.settings.most_upload_bytes,
        in_flight=context.settings.in_flight,
        metrics=context.metrics,
        background=context.background,
        trusted_proxies=context.settings.trusted_proxies,
    )
    if context.tracing is not None:
        app.add_middleware(context.tracing.around)
    return app


def describe() -> dict[str, Any]:
    """What `/v1/openapi.json` tells; it takes no model and no gallery."""
    return _routed().openapi()


def _routed(**settings: Any) -> FastAPI:
    app = _Described(
        title="Vultus",
        version=__version__,
        description="Faces detected, compared, enrolled, identified with a stated error rate.",
        # No pages of documentation: they would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # An address is one, or is none: nobody is sent on, to a host that whoever asks named.
        redirect_slashes=False,
        **settings,
    )
    for router in (*ROUTERS, *PAGE):
        app.include_router(router)
    served = (*ROUTERS, page.router)
    app.state.operations = [route for router in served for route in router.routes]
    return app

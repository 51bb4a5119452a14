"""The service's measures, for Prometheus."""

from typing import Annotated

from fastapi import Depends, Request, Response

from vultus.server.access import Role
from vultus.server.context import Caller, CallerWith, Context
from vultus.server.metrics import CONTENT_TYPE
from vultus.server.problems import ProblemError
from vultus.server.routing import make_router

router = make_router("/metrics", "metrics", 404)


class MayWatch(CallerWith):
    """A dependency: who may read the measures, by the service's ``metrics_for``."""

    def __init__(self) -> None:
        super().__init__(Role.operator, whole_service=True)

    async def __call__(self, request: Request) -> Caller | None:  # type: ignore[override]
        """The caller; None where anybody may.

        Raises:
            ProblemError: If nobody may, or as `CallerWith`.
        """
        context: Context = request.app.state.context
        allowed = context.settings.metrics_for
        if allowed == "nobody":
            raise ProblemError(404, "not-found", "this service tells no metrics")
        if allowed == "anybody":
            return None
        return await CallerWith(Role[allowed], whole_service=True)(request)


@router.get("", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, _: Annotated[Caller | None, Depends(MayWatch())]) -> Response:
    """Requests, photos, decisions and their error rates, in the text format of Prometheus."""
    context: Context = request.app.state.context
    return Response(context.metrics.text(), media_type=CONTENT_TYPE)

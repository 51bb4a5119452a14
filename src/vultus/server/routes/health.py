"""Whether the service runs, and which."""

from fastapi import APIRouter, Request

from vultus import __version__
from vultus.server.context import Context
from vultus.server.problems import failures
from vultus.server.schemas import Ready, Version

router = APIRouter(tags=["health"], responses=failures())


@router.get("/health/live")
def live() -> dict[str, str]:
    """That the process answers."""
    return {"status": "live"}


@router.get("/health/ready")
def ready(request: Request) -> Ready:
    """That models and galleries are open."""
    context: Context = request.app.state.context
    return Ready(galleries=len(context.galleries.ids))


@router.get("/v1/version")
def version(request: Request) -> Version:
    """Which Vultus and which models answer."""
    context: Context = request.app.state.context
    recognizer, passive = context.recognizer, context.liveness
    return Version(
        vultus=__version__,
        model=recognizer.embedder.space.model,
        detector=recognizer.detector_name,
        liveness=[] if passive is None else list(passive.names),
        require_live=recognizer.liveness is not None,
        require_live_session=list(context.settings.require_live_session),
        liveness_lights=context.settings.liveness_lights,
    )

"""Operations of the service: health. Written by scripts/client_operations.py."""

from dataclasses import dataclass
from typing import Any

from vultus.client.call import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """That the service can answer.

    Attributes:
        galleries: Galleries.
        status: Status.
    """

    galleries: int
    status: str = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What runs.

    Attributes:
        vultus: Vultus.
        model: The embedder.
        detector: Detector.
        liveness: What looks for prints and screens; empty if nothing.
        require_live: Whether it looks at the faces of all requests.
        require_live_session: Galleries whose decisions take the token of a liveness session; `*` is all.
        liveness_lights: Whether liveness sessions fill the screen with colours after the movements.
    """

    vultus: str
    model: str
    detector: str
    liveness: tuple[str, ...]
    require_live: bool
    require_live_session: tuple[str, ...]
    liveness_lights: bool


def live() -> Call[dict[str, Any]]:
    """That the process answers."""
    return Call("GET", "/health/live", dict, repeatable=True)


def ready() -> Call[Ready]:
    """That models and galleries are open."""
    return Call("GET", "/health/ready", Ready, repeatable=True)


def version() -> Call[Version]:
    """Which Vultus and which models answer."""
    return Call("GET", "/v1/version", Version, repeatable=True)

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
    """

    vultus: str
    model: str
    detector: str


def live() -> Call[dict[str, Any]]:
    """That the process answers."""
    return Call("GET", "/health/live", dict, repeatable=True)


def ready() -> Call[Ready]:
    """That models and galleries are open."""
    return Call("GET", "/health/ready", Ready, repeatable=True)


def version() -> Call[Version]:
    """Which Vultus and which models answer."""
    return Call("GET", "/v1/version", Version, repeatable=True)

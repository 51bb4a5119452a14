"""What operations share: the service's parts, and who asks for what."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import AccessKey, KeyRing, RateLimit, Role
from vultus.server.background import Background
from vultus.server.galleries import Galleries
from vultus.server.metrics import Metrics
from vultus.server.problems import ProblemError
from vultus.server.sessions import Sessions, key_by_cookie
from vultus.server.settings import ServerSettings

_ROLES = ", ".join(role.name for role in Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of a service.

    Attributes:
        settings: What the operator set.
        recognizer: What judges photos.
        galleries: The galleries that are open.
        keys: Who may do what.
        rates: How often.
        sessions: Who is logged in on the page.
        metrics: What is counted of all that.
        background: What goes on beside requests.
    """

    settings: ServerSettings
    recognizer: Recognizer
    galleries: Galleries
    keys: KeyRing
    rates: RateLimit
    sessions: Sessions
    metrics: Metrics
    background: Background


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by a key that allows it.

    Attributes:
        key: The key.
        context: The service's parts.
    """

    key: AccessKey
    context: Context

    def gallery(self, gallery_id: str) -> Gallery:
        """An open gallery, in which the key is the actor.

        Raises:
            ProblemError: If there is none of that id.
        """
        return self.context.galleries.get(gallery_id, actor=f"key {self.key.id}")


def who_asks(context: Context, asked: HTTPConnection) -> AccessKey | None:
    """The key by which somebody asks; None for a stranger. Nowhere else is that decided.

    Args:
        context: The service's parts.
        asked: A request, or the first of a WebSocket.

    Raises:
        ProblemError: If somebody is logged in, but another page than the service's own asks.
    """
    scheme, _, text = asked.headers.get("authorization", "").partition(" ")
    if not scheme:
        return key_by_cookie(context.sessions, asked)
    return context.keys.find(text.strip()) if scheme.lower() == "bearer" else None


class CallerWith(SecurityBase):
    """A dependency: who asks, if a key of this role or a higher one does.

    What a key may not touch is forbidden before it is said whether it exists. An operation of a
    router of `make_router` asks it before a byte of the body is read.

    Args:
        role: What it takes.
        whole_service: Whether the key must be one for all galleries.
    """

    def __init__(self, role: Role, *, whole_service: bool = False) -> None:
        self.role, self.whole_service = role, whole_service
        self.scheme_name = "key"
        self.model = HTTPBearer(description=f"A key of the service; its roles: {_ROLES}.")

    async def __call__(self, request: Request) -> Caller:
        """The caller; found once in a request.

        Raises:
            ProblemError: If a stranger asks, or a key too often, or one that may not.
        """
        if (known := getattr(request.state, "caller", None)) is not None:
            return cast(Caller, known)
        context: Context = request.app.state.context
        request.state.caller = caller = Caller(self.admitted(context, request), context)
        return caller

    def admitted(self, context: Context, asked: HTTPConnection) -> AccessKey:
        """The key that may do this; the request counts among those of its minute.

        Raises:
            ProblemError: As calling it.
        """
        key = who_asks(context, asked)
        if key is None:
            raise ProblemError(
                401,
                "unauthorised",
                "give a key of this service as Authorization: Bearer, or log in",
                headers={"WWW-Authenticate": "Bearer"},
            )
        asked.state.key_id = key.id
        if wait_s := context.rates.wait_s(key.id):
            raise ProblemError(
                429,
                "too-many-requests",
                f"this key may ask {context.settings.requests_per_minute} times a minute",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )
        if not key.allows(self.role, asked.path_params.get("gallery")):
            raise ProblemError(
                403, "forbidden", f"this takes a key of the role {self.role.name} for this gallery"
            )
        if self.whole_service and key.galleries is not None:
            raise ProblemError(403, "forbidden", "this takes a key for all galleries")
        return key


Reader = Annotated[Caller, Depends(CallerWith(Role.reader))]
Operator = Annotated[Caller, Depends(CallerWith(Role.operator))]
Admin = Annotated[Caller, Depends(CallerWith(Role.admin))]
WholeAdmin = Annotated[Caller, Depends(CallerWith(Role.admin, whole_service=True))]
"""An administrator of some galleries must not make keys, or galleries, that are others."""

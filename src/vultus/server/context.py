"""What operations share: the service's parts, and who asks for what."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from vultus.gallery.gallery import Gallery
from vultus.liveness.passive import PassiveLiveness
from vultus.liveness.session.proof import LiveProof
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import AccessKey, Keys, Rates, Role
from vultus.server.background import Background
from vultus.server.galleries import Galleries
from vultus.server.live_sessions import LivenessSessions, LiveSessions
from vultus.server.metrics import Metrics
from vultus.server.problems import ProblemError
from vultus.server.sessions import Sessions, key_by_cookie
from vultus.server.settings import ServerSettings

if TYPE_CHECKING:
    from vultus.server.tracing import Tracing

_T = TypeVar("_T")
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
        liveness: What looks for presentation attacks; None where the operator gave nothing.
        live_sessions: Active liveness sessions.
        tracing: What makes spans of requests; None where the operator named no collector.
    """

    settings: ServerSettings
    recognizer: Recognizer
    galleries: Galleries
    keys: Keys
    rates: Rates
    sessions: Sessions
    metrics: Metrics
    background: Background
    liveness: PassiveLiveness | None = None
    live_sessions: LivenessSessions = field(default_factory=LiveSessions)
    tracing: "Tracing | None" = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by a key that allows it.

    Attributes:
        key: The key.
        context: The service's parts.
    """

    key: AccessKey
    context: Context

    def live_proof(self, token: str | None, *, audience: str = "") -> LiveProof | None:
        """Spend the token of an accepted liveness session, if one is given.

        Raises:
            LivenessError: If it does not hold for this.
        """
        if token is None:
            return None
        return self.context.live_sessions.proof(token, self.key.id, audience=audience)

    def check_session(self, token: str | None, *, audience: str = "") -> None:
        """Raise where a decision takes the token of a liveness session and none is given.

        Args:
            token: What was given; None for operations that take none.
            audience: The gallery; empty for a comparison of two photos.

        Raises:
            ProblemError: If so.
        """
        if token is None and self.context.settings.demands_session(audience):
            where = f"of gallery {audience!a}" if audience else "about two photos"
            raise ProblemError(
                409,
                "live-session-required",
                f"decisions {where} take live_session, the token of an accepted liveness session "
                "(POST /v1/liveness/sessions); whoever runs this service demands it",
            )

    def gallery(self, gallery_id: str) -> Gallery:
        """An open gallery, in which the key is the actor.

        Raises:
            ProblemError: If there is none of that id.
        """
        return self.context.galleries.get(gallery_id, actor=f"key {self.key.id}")

    def looking(self) -> PassiveLiveness:
        """What looks for presentation attacks.

        Raises:
            ProblemError: If the service has nothing that does.
        """
        if self.context.liveness is None:
            raise ProblemError(
                409,
                "no-liveness",
                "this service has no model that looks for prints and screens; who runs it can "
                "give it one",
            )
        return self.context.liveness

    def recognizer(self, *, require_live: bool) -> Recognizer:
        """What judges photos; if so asked, faces that may be a print or a screen are refused.

        Raises:
            ProblemError: If that is asked for and the service has nothing that looks.
        """
        known = self.context.recognizer
        if not require_live or known.liveness is not None:  # else it looks at all photos anyway
            return known
        strict = copy.copy(known)
        strict.liveness = self.looking()
        return strict


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


async def who_asks_now(context: Context, asked: HTTPConnection) -> AccessKey | None:
    """As `who_asks`, for who must not wait for a database.

    Raises:
        ProblemError: As `who_asks`.
    """
    return await _aside(context, lambda: who_asks(context, asked))


async def _aside(context: Context, look: Callable[[], _T]) -> _T:
    return await run_in_threadpool(look) if context.background.state.shared else look()


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
        request.state.caller = caller = Caller(await self.admit(context, request), context)
        return caller

    async def admit(self, context: Context, asked: HTTPConnection) -> AccessKey:
        """As `admitted`; a database is asked by a thread, not by who serves all others, too.

        Raises:
            ProblemError: As calling it.
        """
        return await _aside(context, lambda: self.admitted(context, asked))

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

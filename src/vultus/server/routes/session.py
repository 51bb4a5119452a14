"""Log-in of the page: an access key for a cookie."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from vultus.server.access import AccessKey
from vultus.server.context import Context
from vultus.server.problems import ProblemError, responses
from vultus.server.proxies import limited_as
from vultus.server.sessions import COOKIE, Session, key_by_cookie, same_origin

router = APIRouter(prefix="/v1/session", tags=["session"], responses=responses(411, 413))


class LogIn(BaseModel):
    """A key that is shown once."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=500, description="An access key of the service.")


class LoggedIn(BaseModel):
    """A log-in, as the page needs to know it."""

    key_id: str
    role: str = Field(description="reader, operator or admin.")
    galleries: list[str] | None = Field(description="Ids that the key may touch; null for all.")
    csrf: str = Field(description="To be sent as X-CSRF-Token with all that changes something.")


def _logged_in(request: Request) -> tuple[Session, AccessKey]:
    context: Context = request.app.state.context
    found = context.sessions.find(request.cookies.get(COOKIE, ""))
    if found is None:
        raise ProblemError(401, "unauthorised", "log in with a key of this service")
    request.state.key_id = found[1].id
    return found


@router.post("", status_code=201)
def log_in(request: Request, response: Response, shown: LogIn) -> LoggedIn:
    """Log in: from now on the cookie stands for the key, in this browser."""
    context: Context = request.app.state.context
    if not same_origin(request):
        raise ProblemError(403, "foreign-origin", "only this service's own page may log in")
    address = limited_as(request.client.host) if request.client is not None else ""
    if wait_s := context.sessions.attempt(address):
        raise ProblemError(
            429,
            "too-many-requests",
            "this was tried too often from this address",
            headers={"Retry-After": str(int(wait_s) + 1)},
        )
    key = context.keys.find(shown.key.strip())
    if key is None:
        raise ProblemError(401, "unauthorised", "this is no key of this service")
    request.state.key_id = key.id
    context.sessions.end(request.cookies.get(COOKIE, ""))
    token, session = context.sessions.begin(key)
    response.set_cookie(
        COOKIE,
        token,
        max_age=context.sessions.lasts_s,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return _told(session, key)


@router.get("")
def who_is_logged_in(
    found: Annotated[tuple[Session, AccessKey], Depends(_logged_in)],
) -> LoggedIn:
    """Whose log-in the cookie stands for."""
    return _told(*found)


@router.delete("", status_code=204)
def log_out(request: Request, response: Response) -> None:
    """Log out: the cookie stands for nothing from now on."""
    context: Context = request.app.state.context
    _logged_in(request)
    key_by_cookie(context.sessions, request)  # refuses what another page sent
    context.sessions.end(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _told(session: Session, key: AccessKey) -> LoggedIn:
    return LoggedIn(
        key_id=key.id,
        role=key.role,
        galleries=None if key.galleries is None else list(key.galleries),
        csrf=session.csrf,
    )

"""Errors as RFC 9457 problems: a stable code, a sentence, and no trace of the inside."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from vultus.core.errors import (
    AlreadyEnrolledError,
    CalibrationError,
    GalleryBusyError,
    GalleryError,
    GallerySpaceError,
    GalleryUncertainError,
    GalleryUnreachableError,
    IdentityNotFoundError,
    ImageError,
    InputError,
    LivenessError,
    NameTakenError,
    NoFaceError,
    OutlierError,
    PersonExpiredError,
    QualityError,
    RepeatedPhotoError,
    SeveralFacesError,
    SpaceMismatchError,
    TooManyFacesError,
    VultusError,
)
from vultus.server.logs import where

MEDIA_TYPE = "application/problem+json"

_CODES: dict[type[VultusError], tuple[int, str]] = {
    AlreadyEnrolledError: (409, "already-enrolled"),
    RepeatedPhotoError: (409, "repeated-photo"),
    OutlierError: (422, "unlike-the-others"),
    PersonExpiredError: (422, "person-expired"),
    LivenessError: (422, "liveness-refused"),
    QualityError: (422, "poor-quality"),
    ImageError: (422, "unreadable-photo"),
    NoFaceError: (422, "no-face"),
    SeveralFacesError: (422, "several-faces"),
    TooManyFacesError: (422, "too-many-faces"),
    CalibrationError: (422, "no-threshold"),
    IdentityNotFoundError: (404, "person-not-found"),
    NameTakenError: (409, "person-exists"),
    GallerySpaceError: (409, "other-model"),
    SpaceMismatchError: (409, "other-model"),
    GalleryBusyError: (503, "gallery-busy"),
    GalleryUnreachableError: (503, "gallery-unreachable"),
    GalleryUncertainError: (503, "gallery-uncertain"),
    GalleryError: (500, "gallery-unusable"),
    InputError: (422, "invalid-input"),
}
_PASSING = {
    "gallery-busy": "others keep the gallery's database busy; come again",
    "gallery-unreachable": "the gallery's database cannot be reached now; come again",
    "gallery-uncertain": "the connection to the gallery's database was lost while a change was "
    "being kept; look whether it was, or ask again with the same Idempotency-Key",
}
_HIDDEN = 500
# What Python called these until 3.12.
_PHRASES = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}
"""From here on what went wrong is the operator's; who asks is told that it did."""

_STATUS_CODES = {
    400: "bad-request",
    401: "unauthorised",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    411: "length-required",
    412: "precondition-failed",
    413: "too-large",
    415: "unsupported-media-type",
    428: "precondition-required",
    429: "too-many-requests",
    503: "busy",
}


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(default="about:blank", description="Always that; `code` tells the kind.")
    title: str = Field(description="The status in words.")
    status: int
    code: str = Field(description="Stable, for programs.", examples=["no-face"])
    detail: str = Field(description="For people.")
    request_id: str = Field(description="As in the header X-Request-ID and the log.")
    errors: list[dict[str, Any]] = Field(
        default_factory=list, description="Of each part of a request that does not fit."
    )


class ProblemError(Exception):
    """An answer of the service that is an error.

    Args:
        status: Of HTTP.
        code: Stable, for programs.
        detail: For people.
        headers: To send along.
        errors: Of each part.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.errors = dict(headers or {}), errors or []


def code_of(error: VultusError) -> tuple[int, str]:
    """The status and the code of an error of the library."""
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return 500, "internal"


def refused_photo(place: int, error: VultusError) -> dict[str, Any]:
    """What is told of one of several photos that could not be used.

    Args:
        place: Among those sent, from 1.
        error: Why.
    """
    return {"photo": place, "code": code_of(error)[1], "detail": str(error)}


def answer(problem: ProblemError, request_id: str) -> JSONResponse:
    """The response that tells of a problem."""
    told = Problem(
        title=_phrase(problem.status),
        status=problem.status,
        code=problem.code,
        detail=problem.detail,
        request_id=request_id,
        errors=problem.errors,
    )
    return JSONResponse(
        told.model_dump(),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def of_library(error: VultusError) -> ProblemError:
    """What is told of an error of the library: its words where who asked can mend it."""
    status, code = code_of(error)
    if code in _PASSING:
        return ProblemError(status, code, _PASSING[code], headers={"Retry-After": "1"})
    if status >= _HIDDEN:
        return ProblemError(status, code, "the service could not do this; its log says more")
    if isinstance(error, IdentityNotFoundError):  # whose message suggests names and tells a path
        return ProblemError(status, code, "nobody with this id is enrolled in this gallery")
    return ProblemError(status, code, str(error))


def install(app: FastAPI) -> None:
    """Make problems of every error of an application, whose state has its `operations`."""

    def told(request: Request, problem: ProblemError) -> JSONResponse:
        request.state.code = problem.code
        return answer(problem, request.state.request_id)

    def library(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, VultusError)  # noqa: S101 - as it was registered
        asked_of = isinstance(error, GalleryError) and code_of(error)[1] not in _PASSING
        problem = _gone(request) if asked_of else None
        problem = of_library(error) if problem is None else problem
        request.state.failure = type(error).__name__
        if problem.status >= _HIDDEN:
            request.state.where = where(error.__traceback__)
        return told(request, problem)

    def stated(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)  # noqa: S101 - as it was registered
        return told(request, error)

    def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - as it was registered
        code = _STATUS_CODES.get(error.status_code, "error")
        headers = dict(error.headers or {})
        if error.status_code == 405:  # the first route that fits would tell of its methods alone
            headers["Allow"] = ", ".join(_methods(request))
        problem = ProblemError(error.status_code, code, str(error.detail), headers=headers)
        return told(request, problem)

    def unfit(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as it was registered
        # Never the input itself: it may be a photo or a name.
        parts = [
            {"where": ".".join(str(step) for step in part["loc"]), "what": part["msg"]}
            for part in error.errors()
        ]
        what = "; ".join(f"{part['where']}: {part['what']}" for part in parts)
        problem = ProblemError(
            422, "invalid-input", f"the request does not fit: {what}", errors=parts
        )
        return told(request, problem)

    def too_deep(request: Request, _: Exception) -> JSONResponse:
        problem = ProblemError(422, "invalid-input", "what was sent is nested too deep")
        return answer(problem, request.state.request_id)

    app.add_exception_handler(RecursionError, too_deep)
    app.add_exception_handler(VultusError, library)
    app.add_exception_handler(ProblemError, stated)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, unfit)


def _gone(request: Request) -> ProblemError | None:
    """What is told of a gallery that was deleted while it was being worked with."""
    asked = request.path_params.get("gallery")
    try:
        if asked is None or request.app.state.context.galleries.is_there(asked):
            return None
    except GalleryError:  # nor can its database be asked
        return None
    return ProblemError(404, "gallery-not-found", "the gallery was deleted meanwhile")


def _methods(request: Request) -> list[str]:
    """Every method that an address takes."""
    told: set[str] = set()
    for route in request.app.state.operations:
        if route.matches(request.scope)[0] is not Match.NONE:
            told |= route.methods
    return sorted(told | {"HEAD"} if "GET" in told else told)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the documentation of an operation: these errors, beside those that all have."""
    with_body = {408} if 411 in statuses else set()
    return _described({400, 401, 403, 422, 429, 500, 503, *with_body, *statuses})


def failures() -> dict[int | str, dict[str, Any]]:
    """For the documentation of an operation that takes no key and nothing else."""
    return _described({500, 503})


def _described(statuses: set[int]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": Problem, "description": _phrase(status)} for status in sorted(statuses)
    }


def _phrase(status: int) -> str:
    """What a status is called: the same whatever Python is at work, which renamed some in 3.13."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase

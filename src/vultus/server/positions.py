"""`Vultus-Position`: which changes of a gallery an answer has seen, and which it must see.

A gallery counts its changes without gaps, whichever process makes them. An answer names the
position up to which it saw them all; a request that names one is not worked on before this service
sees so much. So whoever passes on what they were told sees their own changes, whichever of several
services they ask.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.server.problems import ProblemError

HEADER = "Vultus-Position"
HEADER_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "What an earlier answer told: this one sees all changes up to there, too.",
}
"""For the documentation of what takes it."""
ANSWER_HEADER = {
    "description": "All changes of the gallery up to this position were seen.",
    "schema": {"type": "integer", "minimum": 0},
}
_LONGEST_DIGITS = 18
_PATIENCE_S = 2.0
_LOOK_S = 0.02

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def tells_position(path: str) -> bool:
    """Whether an operation is of one gallery, and so takes and gives `HEADER`."""
    return "{gallery}" in path


async def placed(request: Request, handle: Handler, *, changes: bool) -> Response:
    """The answer of an operation of a gallery, which sees what the request names, and says so.

    Args:
        request: The request, of somebody who may ask.
        handle: The operation.
        changes: Whether it may change people: then the position after it is told, else the one
            before it, as somebody may go on changing the gallery while it is searched.

    Raises:
        ProblemError: 503 if the position is not there within 2 seconds, 422 if it is none.
    """
    wanted = _wanted(request)
    known = await run_in_threadpool(_gallery, request)
    if known is None:
        return await handle(request)
    seen = await _reached(known, wanted)
    answer = await handle(request)
    if changes and answer.status_code < 300:
        seen = await run_in_threadpool(_position_or, known, seen)
    answer.headers[HEADER] = str(seen)
    return answer


def _wanted(request: Request) -> int:
    text = request.headers.get(HEADER, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_DIGITS):
        what = f"must be what an earlier answer told, digits only, got {text[:40]!a}"
        raise ProblemError(
            422,
            "invalid-input",
            f"the request does not fit: header.{HEADER}: {what}",
            errors=[{"where": f"header.{HEADER}", "what": what}],
        )
    return int(text)


def _gallery(request: Request) -> Gallery | None:
    """The gallery that is asked for; None where the operation is to say that there is none."""
    galleries = request.app.state.context.galleries
    try:
        known: Gallery = galleries.get(request.path_params["gallery"], actor="service")
    except ProblemError:
        return None
    return known


async def _reached(known: Gallery, wanted: int) -> int:
    """The gallery's position, once it is at least the one that is wanted."""
    deadline = time.monotonic() + _PATIENCE_S
    while (position := await run_in_threadpool(lambda: known.position)) < wanted:
        if time.monotonic() >= deadline:
            raise ProblemError(
                503,
                "position-not-reached",
                f"this service sees the gallery at position {position}, not yet at {wanted}; come "
                "again, or ask without it if the gallery was put back to an older state",
                headers={"Retry-After": "1"},
            )
        await asyncio.sleep(_LOOK_S)
    return position


def _position_or(known: Gallery, before: int) -> int:
    try:
        return known.position
    except GalleryError:  # what was done was to delete it
        return before

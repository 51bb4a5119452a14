"""Faces named as a camera sees them: frames in, who is on them out, over a WebSocket."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from vultus.core.choices import DEFAULT_FPIR
from vultus.core.errors import VultusError
from vultus.core.results import Identification
from vultus.gallery.decisions import log_decisions
from vultus.gallery.events.decisions import decision_event
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.server.access import Role
from vultus.server.answers import identified
from vultus.server.context import Caller, CallerWith, Context, who_asks_now
from vultus.server.photos import decoded
from vultus.server.problems import ProblemError, of_library

router = APIRouter(include_in_schema=False)

_AT_ONCE = 4
"""Cameras of one service: each takes what the machine has to give."""
_AGAIN_S = 60.0
"""Somebody who stays before the camera is told once in this time."""
_REFUSED, _TRY_LATER = 1008, 1013


@router.websocket("/v1/galleries/{gallery}/live")
async def live(
    socket: WebSocket,
    gallery: str,
    fpir: Annotated[float, Query(gt=0, lt=1)] = DEFAULT_FPIR,
) -> None:
    """Answer each frame (a photo's bytes) by its faces; frames that come meanwhile are let go."""
    context: Context = socket.app.state.context
    try:
        key = await CallerWith(Role.reader).admit(context, socket)
        caller = Caller(key, context)
        await run_in_threadpool(caller.check_session, None, audience=gallery)
        viewer = await run_in_threadpool(_Viewer, caller, gallery, fpir=fpir)
    except ProblemError as problem:
        await socket.close(_REFUSED, problem.detail)
        return
    with _counted(socket) as few_enough:
        if not few_enough:
            await socket.close(_TRY_LATER, "other cameras are being watched; come again")
            return
        await socket.accept()
        newest = _Newest()
        reading = asyncio.create_task(newest.follow(socket))
        try:
            with contextlib.suppress(WebSocketDisconnect):
                await _answer(socket, newest, viewer)
        finally:
            reading.cancel()


async def _answer(socket: WebSocket, newest: "_Newest", viewer: "_Viewer") -> None:
    while (frame := await newest.get()) is not None:
        # A log-in that ended, or a key that was taken back, sees nothing more.
        key = await who_asks_now(viewer.caller.context, socket)
        if key is None or not key.allows(Role.reader, viewer.gallery_id):
            await socket.close(_REFUSED, "the log-in has ended")
            return
        if viewer.gallery_id not in viewer.caller.context.galleries.ids:
            await socket.close(_REFUSED, "the gallery was deleted")
            return
        await socket.send_json(await run_in_threadpool(viewer.seen, frame))


@contextlib.contextmanager
def _counted(socket: WebSocket) -> Iterator[bool]:
    state = socket.app.state
    state.live = now = getattr(state, "live", 0) + 1
    try:
        yield now <= _AT_ONCE
    finally:
        state.live -= 1


class _Newest:
    """The newest frame that came; those before it are let go."""

    def __init__(self) -> None:
        self._frame: bytes | None = None
        self._ended = False
        self._came = asyncio.Event()

    async def follow(self, socket: WebSocket) -> None:
        """Take frames as they come."""
        with contextlib.suppress(WebSocketDisconnect):
            while (message := await socket.receive())["type"] == "websocket.receive":
                if (frame := message.get("bytes")) is not None:
                    self._frame = frame
                    self._came.set()
        self._ended = True
        self._came.set()

    async def get(self) -> bytes | None:
        """Wait for a frame; None when none will come."""
        await self._came.wait()
        self._came.clear()
        if self._ended:
            return None
        frame, self._frame = self._frame, None
        return frame


class _Viewer:
    """Who watches a gallery by a camera, and whom they were told of lately."""

    def __init__(self, caller: Caller, gallery_id: str, *, fpir: float) -> None:
        self.caller, self.gallery_id, self._fpir = caller, gallery_id, fpir
        self._gallery = caller.gallery(gallery_id)
        self._told: dict[str | None, float] = {}

    def seen(self, frame: bytes) -> dict[str, Any]:
        """The faces of a frame, or what is wrong with it."""
        context = self.caller.context
        try:
            image = decoded(frame, what="the frame", most_pixels=context.settings.most_pixels)
            photo = next(context.recognizer.analyse([image]))
            answers = context.recognizer.identify_faces(photo, self._gallery, fpir=self._fpir)
            self._note(answers)
            people = [_uid(self._gallery, answer) for answer in answers]
        except VultusError as error:  # who was named may have been erased meanwhile
            return {"problem": of_library(error).detail}
        told = identified(
            self._gallery, photo.faces, answers, people, signals=photo.liveness
        ).model_dump()
        return {"size_hw": image.shape[:2], **told}

    def _note(self, answers: list[Identification]) -> None:
        """Somebody who comes into view is noted, and a stranger; not each frame of them."""
        fresh = [answer for answer in answers if not answer.refusal and self._fresh(answer)]
        if not fresh:
            return
        log = EventLog(self._gallery)
        with log.transaction():
            log_decisions(self._gallery, fresh)
            if self.caller.context.settings.keep_events:
                events = [decision_event(self._gallery, one, source="live") for one in fresh]
                log.extend(events)

    def _fresh(self, answer: Identification) -> bool:
        now, last = time.monotonic(), self._told.get(answer.identity, -_AGAIN_S)
        # Who stays is not told again and again: the time begins anew while they are seen.
        self._told[answer.identity] = now
        return now - last >= _AGAIN_S


def _uid(gallery: Gallery, answer: Identification) -> str | None:
    return None if answer.identity is None else gallery.person(answer.identity).uid

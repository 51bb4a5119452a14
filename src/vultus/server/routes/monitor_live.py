"""A monitor looked at as it sees: the newest frames over a WebSocket, or as motion JPEG."""

import asyncio
import contextlib
import time

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from vultus.core.errors import VultusError
from vultus.server.access import Role
from vultus.server.context import Caller, CallerWith, Context, Operator, who_asks_now
from vultus.server.fields import GalleryId
from vultus.server.monitors.motion_jpeg import MotionJpeg
from vultus.server.monitors.sight import picture
from vultus.server.monitors.telling import monitor_told, of_those_enrolled, present_now
from vultus.server.problems import ProblemError
from vultus.server.routes.monitors import Longest, Marked, MonitorId, newest_sight

router = APIRouter(include_in_schema=False)

_AT_ONCE = 32
"""Who look on at once, of one service."""
_LONGEST_PX = 960
_LOOK_S = 0.04
_STILL_S = 1.0
"""How a monitor is, is told so often though there is no new frame."""
_REFUSED, _TRY_LATER = 1008, 1013


@router.websocket("/v1/galleries/{gallery}/monitors/{monitor}/live")
async def look_on(socket: WebSocket, gallery: str, monitor: str) -> None:
    """Answer each message by how the monitor is (JSON), then by a newer frame (JPEG), if any."""
    context: Context = socket.app.state.context
    try:
        key = await CallerWith(Role.operator).admit(context, socket)
        onlooker = await run_in_threadpool(_Onlooker, Caller(key, context), gallery, monitor)
        await run_in_threadpool(onlooker.check)
    except ProblemError as problem:
        await socket.close(_REFUSED, problem.detail)
        return
    state = socket.app.state
    if getattr(state, "onlookers", 0) >= _AT_ONCE:
        await socket.close(_TRY_LATER, "as many look on as may; come again")
        return
    state.onlookers = getattr(state, "onlookers", 0) + 1
    try:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await _answer(socket, onlooker)
    finally:
        state.onlookers -= 1


@router.get("/v1/galleries/{gallery}/monitors/{monitor}/stream")
def stream(
    caller: Operator,
    gallery: GalleryId,
    monitor: MonitorId,
    longest: Longest = _LONGEST_PX,
    marked: Marked = True,
) -> MotionJpeg:
    """Frames as motion JPEG, for who cannot speak by a WebSocket; the answer has no end."""
    onlooker = _Onlooker(caller, gallery, monitor)
    onlooker.check()
    keys, key_id = caller.context.keys, caller.key.id

    def allowed() -> bool:
        return any(k.id == key_id and k.allows(Role.operator, gallery) for k in keys.listed())

    return MotionJpeg(
        caller.context.background.streams,
        lambda: onlooker.picture(longest=longest, marked=marked),
        allowed=allowed,
    )


async def _answer(socket: WebSocket, onlooker: "_Onlooker") -> None:
    streams = onlooker.caller.context.background.streams
    while True:
        await socket.receive_text()
        until = time.monotonic() + _STILL_S
        while not onlooker.has_newer() and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
        # A log-in that ended, or a key that was taken back, sees nothing more.
        key = await who_asks_now(onlooker.caller.context, socket)
        if key is None or not key.allows(Role.operator, onlooker.gallery_id) or streams.stopping:
            await socket.close(_REFUSED, "the log-in has ended")
            return
        try:
            told, frame = await run_in_threadpool(onlooker.look)
        except (ProblemError, VultusError):
            await socket.close(_REFUSED, "there is no such monitor any more")
            return
        await socket.send_json(told)
        if frame is not None:
            await socket.send_bytes(frame)


class _Onlooker:
    """Who looks on, and what they saw last."""

    def __init__(self, caller: Caller, gallery_id: str, monitor_id: str) -> None:
        self.caller, self.gallery_id, self._monitor_id = caller, gallery_id, monitor_id
        self._gallery = caller.gallery(gallery_id)
        self._monitors = caller.context.background.monitors
        self._seen = (0, 0)

    def check(self) -> None:
        """Refuse a monitor that is not there."""
        self._monitor = self._monitors.store.get(self.gallery_id, self._gallery, self._monitor_id)

    def has_newer(self) -> bool:
        """Whether there is a frame that was not sent."""
        watching = self._monitors.watching(self._monitor)
        sight = None if watching is None else watching.sights.newest
        return sight is not None and (id(watching), sight.number) != self._seen

    def picture(self, *, longest: int, marked: bool) -> bytes | None:
        """A newer frame, if there is one."""
        if not self.has_newer():
            return None
        watching = self._monitors.watching(self._monitor)
        sight = newest_sight(self._monitors, self._monitor)
        if sight is None:
            return None
        self._seen = id(watching), sight.number
        shown = of_those_enrolled(self._gallery, sight) if marked else sight
        return picture(shown, longest=longest, marked=marked)

    def look(self) -> tuple[dict[str, object], bytes | None]:
        """How the monitor is and who is there; the frame, if there is a newer one."""
        self.check()
        watching = self._monitors.watching(self._monitor)
        sight = newest_sight(self._monitors, self._monitor)
        frame = None
        if sight is not None and (id(watching), sight.number) != self._seen:
            self._seen = id(watching), sight.number
            frame = picture(sight, longest=_LONGEST_PX, marked=False)
        told = {
            "monitor": monitor_told(self._monitors, self._monitor).model_dump(),
            "present": present_now(self._monitors, self._gallery, self._monitor).model_dump(),
            "picture": frame is not None,
        }
        return told, frame

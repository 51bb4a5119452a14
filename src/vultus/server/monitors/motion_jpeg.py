"""What a monitor sees as motion JPEG: an answer that goes on, for an `<img>` or a player."""

import asyncio
import time
from collections.abc import Callable

from fastapi import Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from vultus.server.problems import ProblemError, answer
from vultus.server.streams import Streams, gone

_BOUNDARY = b"vultus"
_LOOK_S = 0.04
_STILL_S = 2.0
"""A frame is sent again after so long: players wait for the next one before they show it."""

NextPicture = Callable[[], "bytes | None"]
"""A newer frame as a JPEG, or None; called by a thread."""


class MotionJpeg(Response):
    """Frames as they come, the newest each time, until who asked goes away.

    Args:
        streams: All who listen or look on.
        picture: Gives the next frame.
        allowed: Whether who asked may still look; asked before each frame.
    """

    media_type = "multipart/x-mixed-replace"

    def __init__(
        self, streams: Streams, picture: NextPicture, *, allowed: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._streams, self._picture, self._allowed = streams, picture, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send frames."""
        try:
            with self._streams.place():
                await self._show(receive, send)
        except ProblemError as problem:
            await answer(problem, scope["state"]["request_id"])(scope, receive, send)

    async def _show(self, receive: Receive, send: Send) -> None:
        kind = b"multipart/x-mixed-replace; boundary=" + _BOUNDARY
        headers = [(b"content-type", kind), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        left = asyncio.create_task(gone(receive))
        last, sent_s = b"", time.monotonic()
        try:
            while not left.done() and not self._streams.stopping:
                found = await run_in_threadpool(self._picture)
                late = time.monotonic() - sent_s >= _STILL_S
                if found is None and not (last and late):
                    await asyncio.sleep(_LOOK_S)
                    continue
                if not await self._streams.ask(self._allowed):
                    break
                last, sent_s = last if found is None else found, time.monotonic()
                await self._send(send, _part(last))
            await self._send(send, b"--" + _BOUNDARY + b"--\r\n", more=False)
        except TimeoutError:
            return  # who does not read is cut
        finally:
            left.cancel()

    async def _send(self, send: Send, data: bytes, *, more: bool = True) -> None:
        message = {"type": "http.response.body", "body": data, "more_body": more}
        await asyncio.wait_for(send(message), self._streams.stall_s)


def _part(jpeg: bytes) -> bytes:
    head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    return head % (_BOUNDARY, len(jpeg)) + jpeg + b"\r\n"

"""What PyAV opens: files, addresses, devices; with one clear error, and no password in it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from vultus.core.errors import MissingDependencyError, VideoError
from vultus.core.faces import Image
from vultus.core.text import install_hint

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_LARGEST_PIXELS = 64_000_000
_USUAL_FRAME_S = 1 / 25


def import_av() -> Any:
    """PyAV.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            f"reading a video needs PyAV; {install_hint('video')}"
        ) from error
    return av


@dataclass(frozen=True, slots=True)
class Opening:
    """How PyAV is to open something.

    Attributes:
        address: A path, an address or a device; may hold a password. Or the open file itself.
        name: The same for messages.
        format: Of the input, where it is not to be guessed.
        options: For FFmpeg.
        timeout_s: How long opening, and each read, may take; None for ever.
    """

    address: str | BinaryIO
    name: str
    format: str | None = None
    options: Mapping[str, str] | None = None
    timeout_s: float | None = None


class Container:
    """An open video; use it as a context manager.

    Args:
        opening: What to open, and how.

    Attributes:
        broken: What was wrong where the video broke off; None if it did not.

    Raises:
        VideoError: If it cannot be opened, or has no picture.
        MissingDependencyError: If PyAV is not installed.
    """

    def __init__(self, opening: Opening) -> None:
        av = import_av()
        self.broken: VideoError | None = None
        self._opening = opening
        self._errors: tuple[type[Exception], ...] = (av.FFmpegError, OSError, ValueError)
        try:
            self._file: InputContainer = av.open(
                opening.address,
                format=opening.format,
                options=dict(opening.options or {}),
                timeout=opening.timeout_s,
                metadata_errors="replace",
            )
        except self._errors as error:
            raise self._refused("cannot be opened", error) from None  # its text has the address
        if not self._file.streams.video:
            self._file.close()
            raise VideoError(
                f"{opening.name} has no picture; it must be a video", code="no-picture"
            )
        self._stream: VideoStream = self._file.streams.video[0]
        size = self._stream.codec_context.width * self._stream.codec_context.height
        if size > _LARGEST_PIXELS:
            self._file.close()
            raise VideoError(
                f"{opening.name} has {size:,} pixels a frame, at most {_LARGEST_PIXELS:,} are read",
                code="too-large",
            )

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def frame_s(self) -> float:
        """Usual time between two frames in seconds; 1 / 25 where nobody says."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate and 0.1 <= rate <= 1000 else _USUAL_FRAME_S

    @property
    def is_finite(self) -> bool:
        """Whether it says how long it is: what was recorded does, what is live does not."""
        return self._file.duration is not None

    @property
    def duration_s(self) -> float | None:
        """How long it says that it is, in seconds; None where it does not."""
        told = self._file.duration
        return None if told is None else told / 1e6  # AV_TIME_BASE

    @property
    def created_at(self) -> datetime | None:
        """When the file says that it was taken; None where it does not."""
        told = {**self._stream.metadata, **self._file.metadata}
        text = next((v for k, v in told.items() if k.lower() == "creation_time"), None)
        with suppress(TypeError, ValueError):
            at = datetime.fromisoformat(str(text))
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return None

    def frames(self) -> Iterator[tuple[float | None, "VideoFrame"]]:
        """The frames as they are decoded, with the stream's time in seconds; `picture` reads them.

        One that breaks ends there, and ``broken`` says so; what came before it is of use.

        Raises:
            VideoError: If nothing can be decoded.
        """
        got = 0
        try:
            for frame in self._file.decode(self._stream):
                got += 1
                yield frame.time, frame
        except self._errors as error:
            if not got:
                raise self._refused("cannot be decoded", error) from None
            self.broken = self._refused(f"breaks after {got:,} frames", error, code="broken-off")
        if not got:
            raise VideoError(
                f"{self._opening.name} holds no frame that can be decoded", code="no-picture"
            )

    def _refused(self, what: str, error: Exception, *, code: str | None = None) -> VideoError:
        reason = getattr(error, "strerror", None) or type(error).__name__
        if _kind_of(error) == "timed-out" and self._opening.timeout_s is not None:
            # FFmpeg says "immediate exit requested", which tells nobody anything.
            reason = f"nothing came for {self._opening.timeout_s:g} s"
        told = f"{self._opening.name} {what}: {_told(reason, self._opening)}"
        return VideoError(told, code=_kind_of(error) if code is None else code)


def picture(frame: "VideoFrame") -> Image:
    """A decoded frame as (h, w, 3) uint8, RGB, turned as it is to be shown."""
    image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    quarter = round((getattr(frame, "rotation", 0) or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter)) if quarter else image


_KINDS = {
    **dict.fromkeys(("HTTPUnauthorizedError", "HTTPForbiddenError"), "unauthorised"),
    **dict.fromkeys(("HTTPNotFoundError", "FileNotFoundError"), "not-found"),
    **dict.fromkeys(
        ("HTTPBadRequestError", "HTTPOtherClientError", "HTTPServerError", "PermissionError"),
        "refused",
    ),
    **dict.fromkeys(("ExitError", "TimeoutError"), "timed-out"),
    **dict.fromkeys(("ConnectionRefusedError", "OSError"), "unreachable"),
    **dict.fromkeys(("BrokenPipeError", "ConnectionResetError", "EOFError"), "broken-off"),
}


def _kind_of(error: Exception) -> str:
    """The kind of trouble, as `VideoError` has it; FFmpeg's errors are told by their classes."""
    return _KINDS.get(type(error).__name__, "unreadable")


def _told(reason: str, opening: Opening) -> str:
    """The reason without the address, which FFmpeg likes to repeat."""
    plain = reason
    if isinstance(opening.address, str):
        plain = reason.replace(opening.address, opening.name)
    return re.sub(r"//[^/\s]*@", "//", plain)

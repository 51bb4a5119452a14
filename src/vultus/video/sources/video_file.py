"""A video file: every frame, in order, the same each time."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from vultus.core.errors import VideoError
from vultus.video.frame import Frame
from vultus.video.sources.container import Container, Opening, picture
from vultus.video.sources.timestamps import MendedTimes


class Film:
    """What was recorded, wherever it lies: every frame, in order, the same each time.

    Args:
        opening: How it is opened; asked anew each time that it is.
        name: What events call it.
        fingerprint: What tells it from another of the same name.
        began_at: When its first frame was taken; None takes what the film says, else ``kept_at``.
        kept_at: When it was last changed, or came.

    Attributes:
        broken_off: What was wrong where the film broke; None if it did not.
        mended: How many frames had no time, or one that could not be.
        duration_s: How long it says that it is, in seconds; None where it does not.

    Raises:
        VideoError: If it is no video.
        MissingDependencyError: If PyAV is not installed.
    """

    is_live = False

    def __init__(
        self,
        opening: Callable[[], Opening],
        *,
        name: str,
        fingerprint: str,
        began_at: datetime | None = None,
        kept_at: datetime,
    ) -> None:
        self.name, self.fingerprint, self._opening = name, fingerprint, opening
        with Container(opening()) as video:
            self.frame_s, self.duration_s = video.frame_s, video.duration_s
            told = video.created_at
        self.began_at = began_at or told or kept_at
        self.broken_off: VideoError | None = None
        self.mended = 0
        self._closed = False

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        """Every frame after one; see `vultus.video.sources.base.Source.frames`."""
        times = MendedTimes(self.frame_s)
        with Container(self._opening()) as video:
            for number, (told_s, frame) in enumerate(video.frames()):
                time_s = times.next(told_s)
                self.mended = times.mended
                if self._closed:
                    return
                if number > after:
                    yield Frame(number, time_s, picture(frame))
            self.broken_off = video.broken

    def close(self) -> None:
        """End `frames` at the next frame."""
        self._closed = True


class VideoFile(Film):
    """A video file, or an animated picture, of any format that FFmpeg reads.

    Args:
        path: The file.
        name: What events call it; None takes the file's name.
        began_at: When its first frame was taken; None takes what the file says, else when it was
            last changed.

    Raises:
        VideoError: If it is not there, or is no video.
        MissingDependencyError: If PyAV is not installed.
    """

    def __init__(
        self, path: str | Path, *, name: str | None = None, began_at: datetime | None = None
    ) -> None:
        file = Path(path)
        try:
            state = file.stat()
            fingerprint = "" if file.is_dir() else file_fingerprint(file, state.st_size)
        except OSError as error:
            code = "not-found" if isinstance(error, FileNotFoundError) else "refused"
            raise VideoError(f"{path} cannot be read: {error.strerror}", code=code) from error
        super().__init__(
            lambda: Opening(str(file), str(file)),
            name=file.name if name is None else name,
            fingerprint=fingerprint,
            began_at=began_at,
            kept_at=datetime.fromtimestamp(state.st_mtime, UTC),
        )


def file_fingerprint(path: Path, size: int) -> str:
    """What tells a file from another: its length, and a digest of its ends."""
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as stream:
        digest.update(stream.read(1 << 16))
        stream.seek(max(0, size - (1 << 16)))
        digest.update(stream.read(1 << 16))
    return digest.hexdigest()[:16]

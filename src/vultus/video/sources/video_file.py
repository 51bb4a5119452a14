"""A video file: every frame, in order, the same each time."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from vultus.core.errors import VideoError
from vultus.video.frame import Frame
from vultus.video.sources.container import Container, Opening, picture
from vultus.video.sources.timestamps import MendedTimes


class VideoFile:
    """A video file, or an animated picture, of any format that FFmpeg reads.

    Args:
        path: The file.
        name: What events call it; None takes the file's name.
        began_at: When its first frame was taken; None takes what the file says, else when it was
            last changed.

    Attributes:
        broken_off: What was wrong where the file broke; None if it did not.
        mended: How many frames had no time, or one that could not be.

    Raises:
        VideoError: If it is not there, or is no video.
        MissingDependencyError: If PyAV is not installed.
    """

    is_live = False

    def __init__(
        self, path: str | Path, *, name: str | None = None, began_at: datetime | None = None
    ) -> None:
        self._path = Path(path)
        try:
            state = self._path.stat()
        except OSError as error:
            raise VideoError(f"{path} cannot be read: {error.strerror}") from error
        self.name = self._path.name if name is None else name
        self._opening = Opening(str(self._path), str(self._path))
        with Container(self._opening) as video:
            self.frame_s = video.frame_s
            told = video.created_at
        changed = datetime.fromtimestamp(state.st_mtime, UTC)
        self.began_at = began_at or told or changed
        self.fingerprint = file_fingerprint(self._path, state.st_size)
        self.broken_off: VideoError | None = None
        self.mended = 0
        self._closed = False

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        """Every frame after one; see `vultus.video.sources.base.Source.frames`."""
        times = MendedTimes(self.frame_s)
        with Container(self._opening) as video:
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


def file_fingerprint(path: Path, size: int) -> str:
    """What tells a file from another: its length, and a digest of its ends."""
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as stream:
        digest.update(stream.read(1 << 16))
        stream.seek(max(0, size - (1 << 16)))
        digest.update(stream.read(1 << 16))
    return digest.hexdigest()[:16]

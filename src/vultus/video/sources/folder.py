"""A folder of frames: photos in the order of their names."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from vultus.core.checks import check_range
from vultus.core.errors import VideoError
from vultus.image.io import list_images, read_image
from vultus.video.frame import Frame


class FrameFolder:
    """Photos of one folder as a video, in the order of their names (2 comes before 10).

    Args:
        path: The folder.
        name: What events call it; None takes the folder's name.
        fps: Frames a second.
        began_at: When the first was taken; None takes when it was last changed.

    Raises:
        ImageError: If there is no photo in or below it.
        VideoError: If there are only some below it.
        InputError: If ``fps`` is not above 0.
    """

    is_live = False

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        fps: float = 25.0,
        began_at: datetime | None = None,
    ) -> None:
        folder = Path(path)
        check_range("fps", fps, low=0, low_open=True)
        self.frame_s = 1 / fps
        found = [Path(photo) for photo in list_images([str(folder)])]
        self._photos = sorted((p for p in found if p.parent == folder), key=_natural)
        if not self._photos:
            raise VideoError(f"{path} holds no photo; a folder of frames holds them itself")
        self.name = folder.resolve().name if name is None else name
        changed = datetime.fromtimestamp(self._photos[0].stat().st_mtime, UTC)
        self.began_at = began_at or changed
        listed = [f"{p.name} {p.stat().st_size}" for p in self._photos]
        digest = hashlib.sha256("\n".join([str(fps), *listed]).encode(errors="surrogateescape"))
        self.fingerprint = digest.hexdigest()[:16]
        self._closed = False

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        """Every frame after one; see `vultus.video.sources.base.Source.frames`.

        Raises:
            ImageError: If a photo cannot be read.
        """
        for number, photo in enumerate(self._photos):
            if self._closed:
                return
            if number > after:
                yield Frame(number, number * self.frame_s, read_image(photo))

    def close(self) -> None:
        """End `frames` at the next frame."""
        self._closed = True


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]

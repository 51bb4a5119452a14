"""What every source of frames offers."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from vultus.video.frame import Frame


class Source(Protocol):
    """Frames of one video, camera or stream.

    Attributes:
        name: What events and messages call it; no password is in it.
        is_live: Frames come when they come: who is slow gets the newest, and none comes twice. Of
            any other source every frame comes, and the same ones each time.
        fingerprint: What tells this video from another of the same name; empty for a live source.
        began_at: When the first frame was taken, UTC, as far as anybody knows.
        frame_s: The usual time between two frames in seconds.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def is_live(self) -> bool: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def began_at(self) -> datetime: ...  # noqa: D102
    @property
    def frame_s(self) -> float: ...  # noqa: D102

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        """The frames in their order.

        Args:
            after: Begin after the frame of this number; live sources begin with what comes.

        Raises:
            VideoError: If the source cannot be read.
        """
        ...

    def close(self) -> None:
        """Let go of it; `frames` ends soon."""
        ...

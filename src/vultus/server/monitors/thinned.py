"""A source of which only each n-th frame is looked at."""

from collections.abc import Iterator
from datetime import datetime

from vultus.video.frame import Frame
from vultus.video.sources.base import Source


class ThinnedSource:
    """Each n-th frame of a source, as a source.

    Args:
        source: The source.
        every: n, at least 1.
    """

    def __init__(self, source: Source, every: int) -> None:
        self._source, self._every = source, every
        self.name: str = source.name
        self.is_live: bool = source.is_live

    @property
    def fingerprint(self) -> str:
        """As `Source`; frames of which others are looked at make another video of it."""
        told = self._source.fingerprint
        return f"{told}-{self._every}" if told else told

    @property
    def began_at(self) -> datetime:
        """As `Source`."""
        return self._source.began_at

    @property
    def frame_s(self) -> float:
        """As `Source`."""
        return self._source.frame_s * self._every

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        """As `Source`: those whose number is a multiple of n."""
        for frame in self._source.frames(after=after):
            if frame.number % self._every == 0:
                yield frame

    def close(self) -> None:
        """As `Source`."""
        self._source.close()

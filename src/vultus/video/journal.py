"""How far a video was watched, written in the transaction that writes its events."""

from typing import Any

from vultus.core.errors import GalleryError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.video.sources.base import Source


class Journal:
    """The note of one video in a gallery.

    It holds no vector and no person: it stays when somebody is erased.

    Args:
        gallery: Where events and the note are written.
        source: The video; another of the same name has a note of its own.

    Attributes:
        log: The events.
        noted: What was noted last; empty before the first.
    """

    def __init__(self, gallery: Gallery, source: Source) -> None:
        self.log = EventLog(gallery)
        self._key = " ".join(filter(None, ("video", source.name, source.fingerprint)))
        self._prefix = "/".join(filter(None, (source.name[:120], source.fingerprint)))
        found = self.log.checkpoint(self._key)
        self.noted: dict[str, Any] = {} if found is None else found

    @property
    def is_finished(self) -> bool:
        """Whether the video was watched to its end."""
        return bool(self.noted.get("finished"))

    @property
    def run(self) -> int:
        """Which run this is, from 1: one that was broken off goes on, a whole one is over."""
        return int(self.noted.get("run", 1))

    @property
    def prefix(self) -> str:
        """Of the ids of its events."""
        return f"{self._prefix}/{self.run}"

    def begin_again(self) -> None:
        """Forget how far it was watched; its events stay."""
        self.noted = {"run": self.run + 1}
        self.log.set_checkpoint(self._key, self.noted)

    def commit(self, events: list[NewEvent], note: dict[str, Any]) -> None:
        """Write events and the note, both or neither.

        An event of somebody who was erased meanwhile is left out.

        Raises:
            GalleryError: If the gallery cannot be written.
        """
        self.noted = {"run": self.run, **note}
        with self.log.transaction():
            self.log.extend([event for event in events if self._may_be_told(event)])
            self.log.set_checkpoint(self._key, self.noted)

    def _may_be_told(self, event: NewEvent) -> bool:
        try:
            return event.person is None or self.log.knows(event.person)
        except GalleryError:
            return False

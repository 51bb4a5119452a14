"""What was done in a gallery, noted in the transaction that did it: known again after a kill.

Where an event tells of it, the event is enough; this is for what no event tells of.
"""

from typing import Any

from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery

MERGES, ENROLMENTS, JOBS = "service merges", "service enrolments", "service jobs"
_MOST = {MERGES: 20, ENROLMENTS: 100, JOBS: 20}
"""Requests and pieces under way that may be asked for again after a kill; older ones give way."""


class Noted:
    """Notes of one kind in a gallery, sealed as its events are.

    Args:
        gallery: The gallery.
        kind: `MERGES`, `ENROLMENTS` or `JOBS`.
    """

    def __init__(self, gallery: Gallery, kind: str) -> None:
        self._log, self._kind = EventLog(gallery), kind

    def find(self, name: str) -> Any:
        """What was noted under a name; None if nothing was."""
        return (self._log.checkpoint(self._kind) or {}).get(name)

    def add(self, name: str, value: Any) -> None:
        """Note something, fit for JSON; inside a writing transaction of the gallery."""
        kept = self._log.checkpoint(self._kind) or {}
        kept.pop(name, None)
        newest = [*kept.items(), (name, value)][-_MOST[self._kind] :]
        self._log.set_checkpoint(self._kind, dict(newest))

"""The events of a source as lines of JSON in a file, each exactly once, killed or not."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from vultus.core.errors import InputError, OutputError
from vultus.core.text import json_text
from vultus.gallery.events.event import Event
from vultus.gallery.events.log import EventLog

_PRIVATE = 0o600
_AT_ONCE = 500


def event_line(event: Event) -> dict[str, Any]:
    """An event of a video as one flat object.

    Returns:
        ``type``, ``person`` (the name, or None), ``track``, ``start_s``, ``end_s``, ``similarity``,
        ``threshold``, ``id``, ``at``, ``source``, ``uid``, ``position``, then what else is known.
    """
    named = ("track", "start_s", "end_s", "similarity", "threshold")
    line: dict[str, Any] = {"type": event.type, "person": event.identity}
    line |= {name: event.data.get(name) for name in named}
    line |= {"id": event.id, "at": event.at, "source": event.source, "uid": event.person}
    line |= {"position": event.position}
    return line | {name: value for name, value in event.data.items() if name not in named}


class SourceEvents:
    """The events of one source as they come.

    Args:
        log: The log.
        source: Only this source's; None for all.
        after: Only events after this position.
    """

    def __init__(self, log: EventLog, *, source: str | None = None, after: int = 0) -> None:
        self._log, self._source, self._after = log, source, after

    def new(self) -> list[Event]:
        """Those since the last call."""
        new: list[Event] = []
        while found := self._log.read(after=self._after, limit=_AT_ONCE):
            self._after = found[-1].position
            new += [e for e in found if self._source is None or e.source == self._source]
        return new


class EventLines:
    """A file of lines that follows a gallery's event log.

    What the log has and the file has not is added when it is opened, so that a kill between the two
    loses nothing; half a line, left by a kill, is removed. It names people: it is for its owner
    only, and who is erased from the gallery is not erased from it.

    Args:
        path: The file; made where there is none.
        log: The log that it follows.
        source: Only this source's events; None for all.
        after: For a new file: only events after this position.

    Raises:
        OutputError: If it cannot be written.
        InputError: If it holds something else.
    """

    def __init__(
        self, path: Path, log: EventLog, *, source: str | None = None, after: int = 0
    ) -> None:
        self._log, self._path = log, path
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._file = os.fdopen(os.open(path, flags, _PRIVATE), "r+b")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error
        try:
            last = max(after, self._go_to_end())
        except BaseException:
            self._file.close()
            raise
        self._events = SourceEvents(log, source=source, after=last)

    def __enter__(self) -> "EventLines":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def catch_up(self) -> list[Event]:
        """Add what is new; the events that were.

        Raises:
            OutputError: If it cannot be written.
        """
        new = self._events.new()
        if new:
            try:
                self._file.write(b"".join(json_text(event_line(e)).encode() + b"\n" for e in new))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                # They are in the log; who opens the file again adds what it lacks.
                raise OutputError(f"{self._path} cannot be written: {error.strerror}") from error
        return new

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        with suppress(OSError):  # of a full disk, which was told when it was written to
            self._file.close()

    def _go_to_end(self) -> int:
        """Remove half a line; the position of the last event that is there."""
        whole = last = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            last = max(last, self._position(line))
        self._file.seek(whole)
        self._file.truncate()
        return last

    def _position(self, line: bytes) -> int:
        with suppress(ValueError, TypeError, KeyError):
            told = json.loads(line)
            event = self._log.find(told["id"]) if told["type"] else None
            # Of an event that was erased, or of another gallery's, the position says nothing.
            return 0 if event is None else event.position
        raise InputError(
            f"{self._path} must be a file of events, one JSON object a line, or a new one; it "
            "holds something else"
        )

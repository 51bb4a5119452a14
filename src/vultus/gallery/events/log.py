"""`EventLog`: the one durable log of what happened, read from where one left off."""

import dataclasses
import functools
import hmac
import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vultus.core.checks import check_range
from vultus.core.errors import GalleryDamagedError, IdentityNotFoundError, InputError
from vultus.gallery.events.checkpoints import Checkpoints
from vultus.gallery.events.event import (
    Event,
    NewEvent,
    check_event_type,
    check_uid,
    event_time,
)
from vultus.gallery.events.sealed import SealedEvents
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.audit import AuditEntry
from vultus.gallery.stores.base import PAGE
from vultus.gallery.stores.event_rows import ANY_EVENT, EventFilter, EventRow

_SETTINGS = "events"
_TAG_BYTES = 32
_LONGEST_DAYS = 36500
_AT_ONCE = 100
POLL_S = 0.2
"""How often who waits looks for what other processes wrote."""


@dataclass(frozen=True, slots=True)
class EventRules:
    """How long a gallery keeps events.

    Attributes:
        days: Above 0; `vultus.gallery.upkeep.retention.expire` deletes what was written earlier
            than so long ago. None keeps them for ever.
    """

    days: float | None = 90.0

    def __post_init__(self) -> None:
        if self.days is not None:
            check_range("days", self.days, low=0, high=_LONGEST_DAYS, low_open=True)


class EventLog:
    """What happened, as whoever sees it writes it: a service, a camera, a command.

    Events have positions that ascend in the order of the commits: whoever reads on after the last
    position that was read misses none and reads none twice, whatever other processes write. An
    event of a person is sealed for that person and vanishes with them, the position is not used
    again; so does what is older than the gallery keeps events. Names are resolved when it is read.

    Args:
        gallery: The gallery.

    Raises:
        GalleryError: From every method, if the gallery is damaged or cannot be used.

    Example::

        log = EventLog(gallery)
        ada = gallery.person("Ada").uid
        log.append(NewEvent(type="recognised", id="door/7/ada/2026-11-30T10", person=ada))
        for event in log.read(after=0, types=["recognised"]):
            print(event.position, event.identity)
    """

    def __init__(self, gallery: Gallery) -> None:
        self._opened, self._store = gallery.opened, gallery.opened.store
        self._events = SealedEvents(gallery.opened)
        self._checkpoints = Checkpoints(gallery.opened)

    def transaction(self) -> AbstractContextManager[None]:
        """What is written inside is on disk whole when the block ends, or not at all.

        Several events, a `set_checkpoint`, and changes of the gallery may be in it. Inside of it
        nobody else writes, so that what `knows` says stays true.
        """
        return self._store.transaction(write=True)

    def append(self, event: NewEvent) -> int:
        """Write an event; the position that it has.

        One of that id that is there already stays as it is: writing again does nothing. It is on
        disk when this returns, or when the `transaction` around it ends.

        Raises:
            IdentityNotFoundError: If its person is not enrolled (any more).
        """
        return self.extend([event])[0]

    def extend(self, events: Sequence[NewEvent]) -> list[int]:
        """Write events, all or none; as `append`."""
        if not events:
            return []
        with self.transaction():
            return [self._events.write(event) for event in events]

    def knows(self, person: str) -> bool:
        """Whether events of a person can be written: whether somebody has that `Person.uid`."""
        return self._opened.roster.find_uid(bytes.fromhex(check_uid(person))) is not None

    def position(self) -> int:
        """Position of the last event written, also if it is gone; 0 before the first.

        It costs the same however many there are.
        """
        return self._store.event_position()

    def read(
        self,
        *,
        after: int = 0,
        limit: int = _AT_ONCE,
        types: Collection[str] | None = None,
        person: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[Event]:
        """Events in the order in which they were written.

        Go on with ``after=events[-1].position`` until fewer than ``limit`` come.

        Args:
            after: Only positions above this.
            limit: How many at most, at least 1.
            types: Of these types only.
            person: Of this person only, by `Person.uid`, with what came by merges.
            since: That happened at this time or later, ISO 8601.
            until: That happened before this time, ISO 8601.

        Raises:
            InputError: If an argument is out of range, or a type unknown.
            IdentityNotFoundError: If nobody has that uid.
        """
        check_range("after", after, low=0)
        check_range("limit", limit, low=1)
        with self._store.transaction():
            which = self._filter(types, person, since, until)
            return self._events.open(self._store.events(which, after=after, limit=limit))

    def find(self, event_id: str) -> Event | None:
        """The event of an id; None if there is none (any more)."""
        return self._events.find(event_id)

    def wait(self, after: int, *, timeout_s: float, poll_s: float = POLL_S) -> bool:
        """Wait until there is an event after a position, whoever writes it.

        Args:
            after: A position.
            timeout_s: How long to wait at most, in seconds; 0 only looks.
            poll_s: How often to look, in seconds.

        Returns:
            Whether there is one.
        """
        end = time.monotonic() + timeout_s
        while self.position() <= after:
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(poll_s, left))
        return True

    def follow(
        self,
        *,
        after: int | None = None,
        types: Collection[str] | None = None,
        person: str | None = None,
        poll_s: float = POLL_S,
        timeout_s: float | None = None,
    ) -> Iterator[Event]:
        """Events as they come.

        Args:
            after: Begin after this position; None begins with what comes next.
            types: As of `read`.
            person: As of `read`.
            poll_s: How often to look, in seconds.
            timeout_s: End when none came for so long, in seconds; None for never.

        Raises:
            IdentityNotFoundError: When the person is erased.
        """
        start = self.position() if after is None else after
        read = functools.partial(self.read, types=types, person=person)
        return self._follow(read, start, poll_s, math.inf if timeout_s is None else timeout_s)

    def counts(self, person: str | None = None) -> dict[str, int]:
        """Type -> how many events there are.

        Args:
            person: Only this person's, by `Person.uid`.

        Raises:
            IdentityNotFoundError: If nobody has that uid.
        """
        with self._store.transaction():
            return self._store.event_counts(None if person is None else self._streams(person))

    def checkpoint(self, source: str) -> Any:
        """What a writer noted of its own last, e.g. how far it came; None if it did not."""
        return self._checkpoints.read(source)

    def set_checkpoint(self, source: str, value: Mapping[str, Any] | None) -> None:
        """Note how far a writer came; in one `transaction` with the events it is true of them.

        It is sealed, but not for a person: neither a name nor a vector belongs in it, since it
        stays when somebody is erased.

        Args:
            source: Who notes it, as in `NewEvent.source`.
            value: JSON; it replaces what was noted. None forgets it.
        """
        with self.transaction():
            self._checkpoints.write(source, value)

    def rules(self) -> EventRules:
        """How long events are kept.

        Raises:
            GalleryDamagedError: If what the gallery says was changed.
        """
        kept = self._store.meta(_SETTINGS)
        if kept is None:
            return EventRules()
        tag, data = kept[:_TAG_BYTES], kept[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._digest(data)):
            raise GalleryDamagedError(
                f"{self._store.location} is damaged: how long it keeps events was changed; restore "
                "a backup"
            )
        return EventRules(**json.loads(data))

    def keep(self, rules: EventRules) -> None:
        """Set how long events are kept, those that are there, too."""
        data = json.dumps(dataclasses.asdict(rules)).encode()
        with self.transaction():
            self._store.set_meta(_SETTINGS, self._digest(data) + data)
            self._log("keep events", **({} if rules.days is None else {"days": round(rules.days)}))

    def expire(self, when: str, *, dry_run: bool = False) -> int:
        """Delete the events that were kept for long enough; how many there are.

        Args:
            when: The time to judge by, ISO 8601.
            dry_run: Only count them.
        """
        days = self.rules().days
        if days is None:
            return 0
        end = datetime.fromisoformat(event_time("when", when)) - timedelta(days=days)
        before = event_time("when", end.isoformat())
        done = after = 0
        while rows := self._older(before, after):
            done, after = done + len(rows), rows[-1].position
            if not dry_run:
                with self.transaction():
                    gone = self._events.delete(rows)
                    self._log("expire", events=gone)
        if done and not dry_run:
            self._store.scrub()
        return done

    def _older(self, before: str, after: int) -> list[EventRow]:
        """A page of the oldest events, as far as they were written before a time."""
        with self._store.transaction():
            rows = self._store.events(after=after, limit=PAGE)
            events = self._events.open(rows)
        # They lie in the order in which they were written.
        fresh = (n for n, event in enumerate(events) if event.written_at > before)
        return rows[: next(fresh, len(rows))]

    def _filter(
        self,
        types: Collection[str] | None,
        person: str | None,
        since: str | None,
        until: str | None,
    ) -> EventFilter:
        if (types, person, since, until) == (None, None, None, None):
            return ANY_EVENT
        if isinstance(types, str):
            raise InputError(f"types must be a list of types, got the text {types!r}")
        for name in types or ():
            check_event_type(name, there=self.counts)
        return EventFilter(
            types=None if types is None else frozenset(types),
            streams=None if person is None else self._streams(person),
            since=None if since is None else event_time("since", since),
            until=None if until is None else event_time("until", until),
        )

    def _streams(self, person: str) -> frozenset[int]:
        member = self._opened.roster.find_uid(bytes.fromhex(check_uid(person)))
        if member is None:
            raise IdentityNotFoundError(
                f"nobody with the uid {person} is enrolled in {self._store.location} (any more)"
            )
        return frozenset(self._events.streams.of(member))

    def _follow(
        self, read: Callable[..., list[Event]], after: int, poll_s: float, timeout_s: float
    ) -> Iterator[Event]:
        last_came = time.monotonic()
        while True:
            # Before reading: what is written meanwhile is not passed over.
            end = self.position()
            events = read(after=after)
            yield from events
            if events:
                after, last_came = events[-1].position, time.monotonic()
            if len(events) < _AT_ONCE:
                after = max(after, end)
            left = timeout_s - (time.monotonic() - last_came)
            if not self.wait(after, timeout_s=left, poll_s=poll_s):
                return

    def _log(self, action: str, **counts: int) -> None:
        self._opened.audit.append(
            AuditEntry(actor=self._opened.actor, action=action, counts=counts)
        )

    def _digest(self, data: bytes) -> bytes:
        return self._opened.vault.audit_digest(b"events " + data)

"""Erasing whoever, and deleting whatever, is kept longer than was agreed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vultus.core.errors import InputError
from vultus.gallery.erasure import ErasureReceipt
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import now, utc_time
from vultus.gallery.security.audit import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Whose time has come.

    Attributes:
        when: The time that was asked for, ISO 8601, UTC.
        people: Their names, in the order of their times.
        items: How many other items: faces to be reviewed, ways to undo.
        events: How many events; not those that go with the people.
        receipts: Of the erasures; empty if they were only looked for.
    """

    when: str
    people: tuple[str, ...]
    items: int
    events: int = 0
    receipts: tuple[ErasureReceipt, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        receipts = [receipt.to_dict() for receipt in self.receipts]
        told = {"when": self.when, "people": list(self.people), "items": self.items}
        return {**told, "events": self.events, "receipts": receipts}


def expire(gallery: Gallery, *, when: str | None = None, dry_run: bool = False) -> Expiry:
    """Erase everybody, every other item and every event whose time to be kept is over.

    Each person is erased on its own, with a receipt; what was done before an error stays done.

    Args:
        gallery: The gallery.
        when: The time to judge by, ISO 8601; None for now. A later one is refused unless
            ``dry_run``, since nobody is to be erased early by a slip.
        dry_run: Only say who it would be.

    Raises:
        InputError: If ``when`` is no time, or is to come and not ``dry_run``.
        GalleryError: If the gallery is damaged or cannot be written.
    """
    time = now() if when is None else utc_time("when", when)
    if time > now() and not dry_run:
        raise InputError(f"when must not be to come unless nothing is erased, got {time}")
    people = tuple(_expired(gallery, time))
    items = _expired_items(gallery, time)
    if dry_run:
        events = EventLog(gallery).expire(time, dry_run=True)
        return Expiry(when=time, people=people, items=len(items), events=events)
    receipts = tuple(gallery.remove(name) for name in people)
    _delete(gallery, items)
    events = EventLog(gallery).expire(time)
    return Expiry(when=time, people=people, items=len(items), events=events, receipts=receipts)


def _expired(gallery: Gallery, when: str) -> Iterator[str]:
    """Names of people whose time is over."""
    store, roster = gallery.opened.store, gallery.opened.roster
    with store.transaction():
        rows = store.expired(when, limit=sum(store.people_by_faces().values()) + 1)
        for row in rows:
            member = roster.get(row.id)
            if member is not None:
                yield member.record.name


def _expired_items(gallery: Gallery, when: str) -> list[int]:
    found, after = [], 0
    while rows := gallery.opened.store.items(after=after):
        found += [r.id for r in rows if r.expires_at is not None and r.expires_at <= when]
        after = rows[-1].id
    return found


def _delete(gallery: Gallery, items: list[int]) -> None:
    store, opened = gallery.opened.store, gallery.opened
    if not items:
        return
    with store.transaction(write=True):
        # Some may have gone with a person, or by another process.
        there = [number for number in items if store.item(number) is not None]
        for number in there:
            store.delete_item(number)
        counts = {"items": len(there)}
        opened.audit.append(AuditEntry(actor=opened.actor, action="expire", counts=counts))
    store.scrub()

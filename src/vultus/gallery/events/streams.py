"""What events are sealed with: a key for each person's events, and one for each day's of nobody.

A stream is an item of the gallery that holds a key. That of a person is sealed with the person's
key: it goes when the person is erased, and its events with it; it can be given to another person
without touching an event, when two people are merged, and back. Events of nobody are of the stream
of the day on which they were written, which has a key of its own and goes with the last of them.
"""

import base64
import json
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.description import check_vault
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.details import now
from vultus.gallery.people.roster import Member
from vultus.gallery.review.items import Items
from vultus.gallery.security.crypto import UID_BYTES, PersonKey
from vultus.gallery.security.sealing import KEY_BYTES
from vultus.gallery.stores.base import ItemRow

PERSON_STREAM = "event stream"
DAY_STREAM = "event day"
_DAY = slice(0, 10)


@dataclass(frozen=True, slots=True)
class Stream:
    """An opened stream.

    Attributes:
        number: Of its item.
        key: What its events are sealed with.
        owner: Whose events they are; None for nobody's.
    """

    number: int
    key: PersonKey
    owner: Member | None


class Streams:
    """The streams of a gallery; what writes must be called inside a writing transaction.

    Args:
        opened: The gallery's parts.

    Raises:
        GalleryDamagedError: From every method, when a row was changed or is gone.
        GalleryKeyError: From every method, when the gallery was given another key meanwhile.
    """

    def __init__(self, opened: OpenedGallery) -> None:
        self._opened, self._store = opened, opened.store
        self._of_people = Items(opened, PERSON_STREAM)
        self._of_days = Items(opened, DAY_STREAM)
        self._today: int | None = None

    def open(self, number: int) -> Stream:
        """A stream by number."""
        with self.told():
            row = self._store.item(number)
            if row is None or row.kind not in (PERSON_STREAM, DAY_STREAM):
                raise GalleryDamagedError("the key of an event is missing")
            if row.kind == DAY_STREAM:
                return self._stream(row, self._of_days.read(number), None)
            owner = self._opened.roster.get(row.key_id)
            if owner is None:
                raise GalleryDamagedError("an event is of a person who is not there")
            return self._stream(row, self._value(row, owner), owner)

    def of(self, member: Member) -> list[int]:
        """Numbers of somebody's streams: those that came by merges, too."""
        return [row.id for row in self._rows(member)]

    def to_write(self, member: Member | None) -> Stream:
        """The stream that takes what happens now to somebody, or to nobody; made where needed."""
        return self._stream_of_day() if member is None else self._own(member)

    def hand_over(self, one: Member, other: Member) -> list[dict[str, Any]]:
        """Let all events of one person be another's; gives what `hand_back` needs, as JSON."""
        with self.told():
            told = []
            for row in list(self._rows(one)):
                value = self._value(row, one)
                told.append({"number": row.id, "own": value["own"]})
                # What happens to the other from now on is not to go back with these.
                self._of_people.move(row.id, {**value, "own": False}, owner=other)
        return told

    def hand_back(self, told: Collection[dict[str, Any]], one: Member, other: Member) -> None:
        """Let events that came to somebody by a merge be another's, who is back.

        Args:
            told: What `hand_over` gave. What is no longer the one's is passed over.
            one: Who has them.
            other: Who gets them.
        """
        with self.told():
            for entry in told:
                row = self._store.item(int(entry["number"]))
                if row is not None and row.kind == PERSON_STREAM and row.key_id == one.id:
                    value = {**self._value(row, one), "own": bool(entry["own"])}
                    self._of_people.move(row.id, value, owner=other)

    def delete_empty(self, numbers: Collection[int]) -> None:
        """Destroy the keys of days without events, but for today's."""
        for number in numbers:
            row = self._store.item(number)
            if row is not None and row.kind == DAY_STREAM and _day(row.created_at) != _day(now()):
                self._store.delete_item(number)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of what is sealed say of which gallery it is."""
        try:
            yield
        except (GalleryDamagedError, ValueError, KeyError, TypeError) as error:
            check_vault(self._store, self._opened.vault)  # not damage, if the keys are others
            location = self._store.location
            what = str(error).removeprefix(f"{location} is damaged: ")
            what = what.removesuffix("; restore a backup")
            raise GalleryDamagedError(f"{location} is damaged: {what}; restore a backup") from error

    def _own(self, member: Member) -> Stream:
        with self.told():
            for row in self._rows(member):
                value = self._value(row, member)
                if value["own"]:
                    return self._stream(row, value, member)
        value = {**_new_key(), "own": True}
        return _opened_stream(self._opened, self._of_people.add(value, owner=member), value, member)

    def _stream_of_day(self) -> Stream:
        row = None if self._today is None else self._store.item(self._today)
        if row is None or row.kind != DAY_STREAM or _day(row.created_at) != _day(now()):
            row = self._last_day()
        if row is not None and _day(row.created_at) == _day(now()):
            self._today = row.id
            with self.told():
                return self._stream(row, self._of_days.read(row.id), None)
        value = _new_key()
        self._today = self._of_days.add(value, owner=None)
        return _opened_stream(self._opened, self._today, value, None)

    def _last_day(self) -> ItemRow | None:
        last, after = None, 0
        while rows := self._store.items(DAY_STREAM, after=after):
            last, after = rows[-1], rows[-1].id
        return last

    def _rows(self, member: Member) -> Iterator[ItemRow]:
        after = 0
        while rows := self._store.items(PERSON_STREAM, key_id=member.id, after=after):
            yield from rows
            after = rows[-1].id

    def _value(self, row: ItemRow, owner: Member) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(owner.key.open(row.kind, row.id, row.body))
        return value

    def _stream(self, row: ItemRow, value: dict[str, Any], owner: Member | None) -> Stream:
        return _opened_stream(self._opened, row.id, value, owner)


def _new_key() -> dict[str, Any]:
    return {
        "key": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        "uid": secrets.token_hex(UID_BYTES),
    }


def _opened_stream(
    opened: OpenedGallery, number: int, value: dict[str, Any], owner: Member | None
) -> Stream:
    key = PersonKey(
        base64.b64decode(value["key"]),
        gallery_id=opened.vault.gallery_id,
        uid=bytes.fromhex(value["uid"]),
    )
    return Stream(number, key, owner)


def _day(when: str) -> str:
    return when[_DAY]

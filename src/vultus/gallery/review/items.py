"""Sealed items of a gallery: of a person, with whom they are erased, or with a key of their own."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from vultus.core.errors import GalleryDamagedError, InputError
from vultus.gallery.description import check_vault
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.details import now
from vultus.gallery.people.roster import Member
from vultus.gallery.security.crypto import PersonKey
from vultus.gallery.stores.base import ItemRow

_TIMES = "kept from, until"
"""Where the sealed value repeats what stands beside it, to be looked up by."""


def item_value(row: ItemRow, data: bytes) -> dict[str, Any]:
    """What an item holds.

    Args:
        row: As it is stored.
        data: Its body, opened.

    Raises:
        GalleryDamagedError: If the times of the row are not those that it was kept with, or it is
            no item of ours.
    """
    try:
        value: dict[str, Any] = dict(json.loads(data))
    except (TypeError, ValueError) as error:
        raise GalleryDamagedError("an item holds something else than it must") from error
    # Items of versions that did not repeat them have none.
    if value.pop(_TIMES, None) not in (None, [row.created_at, row.expires_at]):
        raise GalleryDamagedError("the times of an item do not fit what is sealed in it")
    return value


class Items:
    """Items of one kind, as JSON.

    What writes must be called inside a writing transaction of the store.

    Args:
        opened: The gallery's parts.
        kind: Of the items, e.g. ``"review"``.
    """

    def __init__(self, opened: OpenedGallery, kind: str) -> None:
        self._opened, self._store = opened, opened.store
        self.kind = kind

    def add(
        self, value: Mapping[str, Any], *, owner: Member | None, expires_at: str | None = None
    ) -> int:
        """Keep an item; gives its number.

        Args:
            value: Fit for JSON.
            owner: With whom it is erased; None gives it a key of its own.
            expires_at: ISO 8601, UTC, or None.
        """
        if owner is None:
            check_vault(self._store, self._opened.vault)
            key, wrapped = self._opened.vault.new_person_key()
            key_id = self._store.add_key(key.uid, wrapped)
        else:
            key, key_id = owner.key, owner.id
        row = ItemRow(
            id=0,
            kind=self.kind,
            key_id=key_id,
            created_at=now(),
            expires_at=expires_at,
            body=b"",
        )
        number = self._store.add_item(row)  # what it is sealed with names its number
        self._write(dataclasses.replace(row, id=number), key, value)
        return number

    def rewrite(self, number: int, value: Mapping[str, Any]) -> None:
        """Keep something else under a number."""
        row = self._row(number)
        self._write(row, self._key(row), value)

    def move(self, number: int, value: Mapping[str, Any], *, owner: Member) -> None:
        """Give a person's item to another person, with what is kept from now on."""
        row = dataclasses.replace(self._row(number), key_id=owner.id)
        self._write(row, owner.key, value)

    def delete(self, number: int) -> None:
        """Delete an item, with its key unless that is a person's."""
        self._row(number)
        self._store.delete_item(number)

    def read(self, number: int) -> dict[str, Any]:
        """What is kept under a number.

        Raises:
            InputError: If there is no item of this kind under it.
            GalleryDamagedError: If it was changed.
        """
        with self._store.transaction():
            return self._open(self._row(number))

    def all(
        self, *, owner: Member | None = None, after: int = 0
    ) -> Iterator[tuple[ItemRow, dict[str, Any]]]:
        """Every item of this kind (of one person), in the order in which they were added.

        Args:
            owner: Whose; None for everybody's.
            after: Only those of higher numbers.
        """
        key_id = None if owner is None else owner.id
        with self._store.transaction():
            while rows := self._store.items(self.kind, key_id=key_id, after=after):
                for row in rows:
                    yield row, self._open(row)
                after = rows[-1].id

    def _row(self, number: int) -> ItemRow:
        row = self._store.item(number)
        if row is None or row.kind != self.kind:
            raise InputError(
                f"{self._store.location} has no {self.kind} item {number}; list them to see which "
                "there are"
            )
        return row

    def _write(self, row: ItemRow, key: PersonKey, value: Mapping[str, Any]) -> None:
        told = {**value, _TIMES: [row.created_at, row.expires_at]}
        body = key.seal(self.kind, row.id, json.dumps(told, separators=(",", ":")).encode())
        self._store.update_item(dataclasses.replace(row, body=body))

    def _open(self, row: ItemRow) -> dict[str, Any]:
        try:
            value = item_value(row, self._key(row).open(self.kind, row.id, row.body))
        except GalleryDamagedError:
            check_vault(
                self._store, self._opened.vault
            )  # not damage, if the keys are others by now
            raise
        return value

    def _key(self, row: ItemRow) -> PersonKey:
        stored = self._store.key(row.key_id)
        if stored is None:
            raise GalleryDamagedError(
                f"{self._store.location} is damaged: the key of an item is missing; restore a "
                "backup"
            )
        return self._opened.vault.person_key(stored.wrapped, stored.uid)

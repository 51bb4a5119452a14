"""What a store of galleries must do: rows of sealed bytes, written all or nothing.

A store knows nothing of faces, names or keys: what it is given as ``bytes`` was sealed by
`vultus.gallery.security.crypto` and comes back as it was. What it may read are numbers, times, the
names of groups and the keyed tags by which people are looked up.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vultus.core.registry import Registry
from vultus.gallery.stores.event_rows import AT_ONCE, EventStore

GALLERY_STORES: "Registry[GalleryStore]" = Registry("gallery_stores")
"""Name of a store -> ``factory(location, *, create=False)``.

``create`` makes an empty gallery where there is none, and opens what is there otherwise.
"""

PAGE = AT_ONCE
"""Rows that are read at once by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """What is kept of one person, but for the template, the faces and the key.

    Attributes:
        id: Number of the person, which is also that of their key; never used again.
        uid: 16 random bytes that what is sealed is bound to.
        name_tag: Keyed digest of the name, 32 bytes; one person per tag.
        external_tag: Keyed digest of the id elsewhere, or None; one person per tag.
        n_faces: How many faces are kept.
        enrolled_at: ISO 8601, UTC.
        expires_at: ISO 8601, UTC, when the person is to be erased; None for never.
        record: Sealed: name and everything else.
    """

    id: int
    uid: bytes
    name_tag: bytes
    external_tag: bytes | None
    n_faces: int
    enrolled_at: str
    expires_at: str | None
    record: bytes


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """What is needed to open one person's template.

    Attributes:
        person_id: Whose.
        uid: As in `PersonRow`.
        key: The person's key, wrapped.
        body: Sealed.
    """

    person_id: int
    uid: bytes
    key: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The key of a person, or of an item that is nobody's.

    Attributes:
        id: Number of the key, and of the person.
        uid: 16 random bytes that the key and what is sealed with it are bound to.
        wrapped: The key, wrapped.
    """

    id: int
    uid: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class FaceRow:
    """One face of a person.

    Attributes:
        person_id: Whose.
        number: Running number among that person's faces, given by who adds it.
        body: Sealed.
    """

    person_id: int
    number: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRows:
    """All that is to stand for one person from now on, as another model sees them.

    Attributes:
        person_id: Whose.
        record: Sealed.
        faces: Number -> sealed; all that the person is to have.
        gone: Numbers that the person has, and is not to have.
        template: Sealed; None deletes it.
        before: As of `GalleryStore.set_template`.
    """

    person_id: int
    record: bytes
    faces: Mapping[int, bytes]
    gone: Sequence[int]
    template: bytes | None
    before: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """Anything else that is kept: a face to be reviewed, a crop, how to undo a merge.

    Attributes:
        id: Number; never used again.
        kind: What it is, e.g. ``"review"``.
        key_id: The key that it is sealed with: a person's, with whom it is erased, or its own.
        created_at: ISO 8601, UTC.
        expires_at: ISO 8601, UTC, or None.
        body: Sealed.
    """

    id: int
    kind: str
    key_id: int
    created_at: str
    expires_at: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """That somebody was enrolled or altered (else: erased).

    Attributes:
        position: Where in the order of changes, from 1; there may be gaps.
        person_id: Who.
        erased: Whether the person is gone.
        before: What was told of the template that stood before the first of the changes, by who
            replaced or erased it; empty if there was none. None if it is still the same template.
    """

    position: int
    person_id: int
    erased: bool
    before: bytes | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry of the audit log.

    Attributes:
        position: From 1, without gaps.
        at: ISO 8601, UTC.
        entry: What is told, as it was digested.
        digest: Chained to the entry before.
    """

    position: int
    at: str
    entry: bytes
    digest: bytes


class GalleryStore(EventStore, Protocol):
    """Keeps one gallery. Threads may share it; any number of processes may open the same gallery.

    One transaction writes at a time; who comes meanwhile waits some seconds and is then told that
    the gallery is in use. What a writing transaction returned from is on disk.

    Raises:
        GalleryError: From every method, when the gallery is missing, foreign, damaged, of another
            version, in use, cannot be written or was closed.
    """

    @property
    def location(self) -> str:
        """What messages call the gallery."""

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here."""

    def close(self) -> None:
        """Close; closing twice is fine."""

    def transaction(self, *, write: bool = False) -> AbstractContextManager[None]:
        """One consistent state to read, or one change that is done whole or not at all.

        One inside another of the same thread is part of it; a writing one inside one that reads is
        an error. Methods that write may only be called inside a writing one.
        """

    def meta(self, key: str) -> bytes | None:
        """A fact about the gallery."""

    def set_meta(self, key: str, value: bytes | None) -> None:
        """Keep a fact; None removes it."""

    def position(self) -> int:
        """Position of the last change; 0 before the first."""

    def changes(self, since: int) -> list[Change] | None:
        """The last change of each person who changed after a position, in order.

        None where changes so long ago are no longer known: read everybody anew then. A store
        forgets by itself what is further back than there are people, and some thousands.
        """

    def prune_changes(self, before: int) -> None:
        """Forget the changes up to and including a position."""

    def people_by_faces(self, groups: Sequence[str] | None = None) -> Mapping[int, int]:
        """Number of faces -> how many people (of some groups) have so many; without zeros.

        Without groups it takes no longer with more people.
        """

    def person(self, person_id: int) -> PersonRow | None:
        """One person by number."""

    def person_by_uid(self, uid: bytes) -> PersonRow | None:
        """One person by the random bytes."""

    def person_by_name(self, tag: bytes) -> PersonRow | None:
        """One person by the tag of the name."""

    def person_by_external(self, tag: bytes) -> PersonRow | None:
        """One person by the tag of the id elsewhere."""

    def people(self, *, after: int = 0, limit: int = PAGE) -> list[PersonRow]:
        """People in the order of their numbers, which is that of enrolment.

        Args:
            after: Only numbers above this.
            limit: How many at most.
        """

    def expired(self, when: str, *, limit: int = PAGE) -> list[PersonRow]:
        """People whose ``expires_at`` is at or before a time."""

    def add_person(self, row: PersonRow) -> None:
        """Add somebody under the number that `add_key` gave.

        ``row.n_faces`` must be 0: `add_faces` counts. Logs a change.
        """

    def update_person(self, row: PersonRow) -> None:
        """Write everything anew but id, uid, n_faces and enrolled_at. Logs a change."""

    def erase_person(self, person_id: int, *, before: bytes) -> dict[str, int]:
        """Destroy a person's key and delete all that is sealed with it. Logs a change.

        Args:
            person_id: Whose.
            before: What `Change.before` is to tell of the template that goes, e.g. a digest.

        Returns:
            How many rows of each kind are gone: people, keys, templates, faces, groups, items,
            events.
            When `scrub` says True after the transaction, no byte of the key is left.
        """

    def add_key(self, uid: bytes, wrapped: bytes) -> int:
        """Keep a new key; gives its number, which grows and is never used again."""

    def key(self, key_id: int) -> KeyRow | None:
        """A key; None if there is none or it was destroyed."""

    def keys(self, *, after: int = 0, limit: int = PAGE) -> list[KeyRow]:
        """Keys in order, without those destroyed."""

    def set_key(self, key_id: int, wrapped: bytes) -> None:
        """Overwrite a key where it stands; the length must be the same."""

    def destroy_key(self, key_id: int) -> None:
        """Overwrite a key with zeros where it stands."""

    def template(self, person_id: int) -> TemplateRow | None:
        """One person's template."""

    def templates(self, *, after: int = 0, limit: int = PAGE) -> list[TemplateRow]:
        """Templates in the order of the people."""

    def set_template(self, person_id: int, body: bytes, *, before: bytes) -> None:
        """Keep or replace a person's template. Logs a change.

        Args:
            person_id: Whose.
            body: Sealed.
            before: What `Change.before` is to tell of the template that is replaced.
        """

    def delete_template(self, person_id: int, *, before: bytes) -> None:
        """Delete a person's template. Logs a change.

        Args:
            person_id: Whose.
            before: What `Change.before` is to tell of the template that goes.
        """

    def faces(self, person_id: int) -> list[FaceRow]:
        """A person's faces in the order of their numbers."""

    def add_faces(self, person_id: int, bodies: Mapping[int, bytes]) -> None:
        """Add faces under numbers that the person does not have yet."""

    def update_face(self, row: FaceRow) -> None:
        """Replace what is kept of a face."""

    def delete_faces(self, person_id: int, numbers: Iterable[int]) -> None:
        """Delete faces; their bytes may stay until the person's key is replaced or destroyed."""

    def take_over(self, rows: Sequence[NextRows]) -> None:
        """Replace records, faces and templates of many people at once. Logs a change of each."""

    def set_groups(self, person_id: int, names: Iterable[str]) -> None:
        """Replace a person's groups. Logs a change."""

    def groups(self, person_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Groups in alphabetical order, of those of some people who are in any."""

    def group_sizes(self) -> dict[str, int]:
        """Name of each group -> how many people are in it."""

    def members(self, group: str) -> list[int]:
        """Numbers of the people of a group, ascending."""

    def add_item(self, row: ItemRow) -> int:
        """Keep an item; gives its number (``row.id`` is not looked at)."""

    def item(self, item_id: int) -> ItemRow | None:
        """One item by number."""

    def items(
        self,
        kind: str | None = None,
        *,
        key_id: int | None = None,
        after: int = 0,
        limit: int = PAGE,
    ) -> list[ItemRow]:
        """Items in the order of their numbers: of a kind, of a key, or all."""

    def update_item(self, row: ItemRow) -> None:
        """Replace an item's kind, key, expires_at and body."""

    def delete_item(self, item_id: int) -> None:
        """Delete an item and its events, and destroy its key unless that is a person's."""

    def delete_items(self, kind: str) -> int:
        """Delete all items of a kind, as `delete_item` does with one; how many there were."""

    def append_audit(self, row: AuditRow) -> None:
        """Add an entry; its position must follow on the last one's."""

    def audit(self, *, after: int = 0, limit: int = PAGE) -> list[AuditRow]:
        """Entries of the audit log in order."""

    def last_audit(self) -> AuditRow | None:
        """The last entry of the audit log."""

    def scrub(self) -> bool:
        """Make sure that no file of the store still holds what was overwritten.

        Cheap where there is nothing to do; outside of transactions only.

        Returns:
            Whether nothing is left. If not, a reader is in the way: it is tried again at the next
            write, opening or closing.
        """

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file for its owner only, while others go on writing.

        Raises:
            OutputError: If the file exists or cannot be written.
        """

    def check(self) -> list[str]:
        """What is wrong with the store as such; empty if nothing is."""

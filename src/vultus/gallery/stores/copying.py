"""Copying a gallery from one store to another: what is sealed stays as it is."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from vultus.core.errors import GalleryError
from vultus.core.files import appearing
from vultus.gallery.stores.base import AuditRow, FaceRow, GalleryStore, KeyRow, PersonRow
from vultus.gallery.stores.bound_counts import KEPT

_OF_A_PLACE = frozenset(["erasures"])
"""Facts that tell of the place where a gallery is, not of the gallery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The last numbers that were ever given, which are never used again.

    Attributes:
        key: Of a key, and so of a person.
        item: Of an item.
        event: Position of an event.
    """

    key: int = 0
    item: int = 0
    event: int = 0


class CopiedStore(GalleryStore, Protocol):
    """A store of which a copy can be made, and which can be one."""

    def facts(self) -> dict[str, bytes]:
        """All facts that were set, without those that the store keeps for itself."""

    def numbers(self) -> Numbers:
        """The last numbers that were ever given."""

    def pass_numbers(self, upto: Numbers) -> None:
        """Give no new number up to these: keys are there then as if destroyed, in a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedPerson:
    """All rows of one person.

    Attributes:
        row: The person.
        faces: Their photos.
        template: Body of the template, if there is one.
        groups: Names.
    """

    row: PersonRow
    faces: Sequence[FaceRow]
    template: bytes | None
    groups: Sequence[str]


@runtime_checkable
class ManyStore(Protocol):
    """A store to which many rows are best given at once, as each statement crosses a network."""

    def add_keys(self, rows: Sequence[KeyRow]) -> None:
        """Add keys with their numbers, ascending above all before; others between are destroyed."""

    def add_people(self, rows: Sequence[CopiedPerson]) -> None:
        """Add people whose keys are there, with all their rows."""

    def add_audit(self, rows: Sequence[AuditRow]) -> None:
        """Add entries of the audit log, which follow on those that are there."""


def copy_gallery(source: CopiedStore, target: CopiedStore) -> None:
    """Copy all of a gallery into an empty store, numbers too: rows are sealed for their numbers.

    The log of changes begins anew. Call it in a transaction that reads the one, and in one that
    writes the other, so that the copy is one state, whole or not there.

    Args:
        source: The gallery.
        target: An empty store.

    Raises:
        GalleryError: If the target is not empty.
    """
    if target.facts() or target.last_audit() is not None or target.people(limit=1):
        raise GalleryError(f"there is a gallery at {target.location}; take an empty place")
    for key, value in source.facts().items():
        if key not in _OF_A_PLACE:
            target.set_meta(key, value)
    _copy_keys(source, target)
    _copy_people(source, target)
    _copy_items(source, target)
    _copy_events(source, target)
    target.pass_numbers(source.numbers())
    for fact in KEPT.values():
        if (kept := source.meta(fact)) is not None:  # with its digest, which no store can make
            target.set_meta(fact, kept)
    after = 0
    while rows := source.audit(after=after):
        if isinstance(target, ManyStore):
            target.add_audit(rows)
        for row in () if isinstance(target, ManyStore) else rows:
            target.append_audit(row)
        after = rows[-1].position


def write_file(source: CopiedStore, path: Path) -> None:
    """Copy a gallery into a new file of the store ``sqlite``, for its owner only.

    Raises:
        OutputError: If the file exists or cannot be written.
    """
    from vultus.gallery.stores.sqlite import SqliteStore

    with (
        appearing(path, private=True) as part,
        closing(SqliteStore(part, create=True)) as copy,
        copy.transaction(write=True),
    ):
        copy_gallery(source, copy)


def _copy_keys(source: CopiedStore, target: CopiedStore) -> None:
    after = 0
    while rows := source.keys(after=after):
        if isinstance(target, ManyStore):
            target.add_keys(rows)
        for row in () if isinstance(target, ManyStore) else rows:
            target.pass_numbers(Numbers(key=row.id - 1))
            target.add_key(row.uid, row.wrapped)
        after = rows[-1].id


def _copy_people(source: CopiedStore, target: CopiedStore) -> None:
    after = 0
    while rows := source.people(after=after):
        in_groups = source.groups([row.id for row in rows])
        copies = [_copied(source, row, in_groups.get(row.id, ())) for row in rows]
        if isinstance(target, ManyStore):
            target.add_people(copies)
        else:
            for copy in copies:
                _add(target, copy)
        after = rows[-1].id


def _copied(source: CopiedStore, row: PersonRow, groups: Sequence[str]) -> CopiedPerson:
    template = source.template(row.id)
    return CopiedPerson(
        row=row,
        faces=source.faces(row.id),
        template=None if template is None else template.body,
        groups=groups,
    )


def _add(target: CopiedStore, copy: CopiedPerson) -> None:
    number = copy.row.id
    target.add_person(copy.row)
    target.add_faces(number, {face.number: face.body for face in copy.faces})
    if copy.template is not None:
        target.set_template(number, copy.template, before=b"")
    if copy.groups:
        target.set_groups(number, copy.groups)


def _copy_items(source: CopiedStore, target: CopiedStore) -> None:
    after = 0
    while rows := source.items(after=after):
        for row in rows:
            target.pass_numbers(Numbers(item=row.id - 1))
            target.add_item(row)
        after = rows[-1].id


def _copy_events(source: CopiedStore, target: CopiedStore) -> None:
    after = 0
    while rows := source.events(after=after):
        for row in rows:
            target.pass_numbers(Numbers(event=row.position - 1))
            target.add_event(row)
        after = rows[-1].position

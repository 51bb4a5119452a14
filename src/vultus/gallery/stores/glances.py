"""What is asked of a store at once: what a search must know, people together with their keys.

Each question to a store in a database crosses a network, and several are of one state only inside
of a transaction, which crosses it twice more. A store that can answer them in one says so by its
methods; every other one is asked one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from vultus.gallery.stores.base import PAGE, GalleryStore, KeyRow, PersonRow

By = Literal["id", "uid", "name", "external"]
"""What a person is looked up by."""
KeyedPerson = tuple[PersonRow, KeyRow | None]
"""A person, and the key as `GalleryStore.key` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One state of a store.

    Attributes:
        position: Of the last change.
        expired: Numbers of the people whose ``expires_at`` is at or before the time asked for.
        fact: The fact that was asked for.
        people_by_faces: As the method of a store, of everybody.
        members: Numbers of the people of the groups that were asked for; None if none were.
        members_by_faces: As ``people_by_faces``, of those.
    """

    position: int
    expired: frozenset[int]
    fact: bytes | None
    people_by_faces: Mapping[int, int]
    members: frozenset[int] | None = None
    members_by_faces: Mapping[int, int] | None = None


@runtime_checkable
class GlancedStore(Protocol):
    """A store that answers at once what `glance` and `keyed_people` ask."""

    def glance(self, fact: str, when: str, groups: Sequence[str] | None) -> Glance:
        """One state, as `glance` says."""

    def keyed_people(self, by: By, values: Sequence[int] | Sequence[bytes]) -> list[KeyedPerson]:
        """Those of the people who are there, with their keys, of one state; in any order."""

    def keyed_page(self, *, after: int, limit: int) -> list[KeyedPerson]:
        """People with their keys, of one state, as `GalleryStore.people` gives them."""


def glance(
    store: GalleryStore, fact: str, *, when: str = "", groups: Sequence[str] | None = None
) -> Glance:
    """What a search must know of a store, of one state.

    Args:
        store: The store.
        fact: Name of a fact.
        when: A time, ISO 8601, UTC; empty for nobody in ``expired``.
        groups: Names of groups; None for none.
    """
    if isinstance(store, GlancedStore):
        return store.glance(fact, when, groups)
    with store.transaction():
        seen = Glance(
            position=store.position(),
            expired=_expired(store, when),
            fact=store.meta(fact),
            people_by_faces=store.people_by_faces(),
            members=None
            if groups is None
            else frozenset(number for name in groups for number in store.members(name)),
            members_by_faces=None if groups is None else store.people_by_faces(groups),
        )
    return seen


def keyed_people(
    store: GalleryStore, by: By, values: Sequence[int] | Sequence[bytes]
) -> list[KeyedPerson]:
    """Those of some people who are there, with their keys, of one state; in any order.

    Args:
        store: The store.
        by: What ``values`` are.
        values: Numbers of people; or random bytes, or tags, as `PersonRow` has them.
    """
    if isinstance(store, GlancedStore):
        return store.keyed_people(by, values) if values else []
    with store.transaction():
        found = [_person(store, by, value) for value in values]
        return [(row, store.key(row.id)) for row in found if row is not None]


def keyed_page(store: GalleryStore, *, after: int, limit: int) -> list[KeyedPerson]:
    """People with their keys, of one state, as `GalleryStore.people` gives them.

    Args:
        store: The store.
        after: Only numbers above this.
        limit: How many at most.
    """
    if isinstance(store, GlancedStore):
        return store.keyed_page(after=after, limit=limit)
    with store.transaction():
        rows = store.people(after=after, limit=limit)
        return [(row, store.key(row.id)) for row in rows]


def _person(store: GalleryStore, by: By, value: int | bytes) -> PersonRow | None:
    if isinstance(value, int):
        return store.person(value)
    looks = {
        "uid": store.person_by_uid,
        "name": store.person_by_name,
        "external": store.person_by_external,
    }
    return looks[by](value)


def _expired(store: GalleryStore, when: str) -> frozenset[int]:
    limit = PAGE
    while when and len(rows := store.expired(when, limit=limit)) == limit:
        limit *= 10
    return frozenset(row.id for row in rows) if when else frozenset()

"""The switch: everybody's vectors replaced by those of the next model, whole or not at all."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from vultus.gallery.description import Description, write_description
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import REVIEW_CROP, KeptCrops
from vultus.gallery.moving.next_faces import NextFaces
from vultus.gallery.people.faces import PhotoRule
from vultus.gallery.people.roster import Member, Roster
from vultus.gallery.people.summary import Summary, write_summary
from vultus.gallery.searching.templates import wipe_index
from vultus.gallery.stores.base import GalleryStore

_OF_THE_MODEL = ("review", "not this person")
"""Kinds of items that hold a vector of the model before, and nothing to make another of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What was done.

    Attributes:
        model: The model now.
        people: How many people it knows.
        photos: How many photos it has of them.
        photos_left: How many photos of the model before it does not have.
        without: Who stays enrolled without a photo, by name.
        deleted: How many items of the model before are gone: faces that waited for review, and
            what was said of whom they are not.
    """

    model: str
    people: int
    photos: int
    photos_left: int
    without: tuple[str, ...]
    deleted: int

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return asdict(self)

    @staticmethod
    def clean(store: GalleryStore) -> None:
        """After it is on disk: nothing of the model before stays beside the gallery."""
        if not store.read_only:
            wipe_index(store.location)
        store.scrub()


def switch(gallery: Gallery, description: Description) -> Switch:
    """Replace the vectors of everybody, in a writing transaction.

    Args:
        gallery: The gallery, of the model before.
        description: What is fixed from now on.
    """
    opened = gallery.opened
    write_description(opened.store, opened.vault, description)
    work = _Switching(gallery, description)
    after = 0
    while rows := opened.store.people(after=after):
        for row in rows:
            member = opened.roster.get(row.id)
            if member is not None:
                work.take(member)
        after = rows[-1].id
    return work.end()


class _Switching:
    def __init__(self, gallery: Gallery, description: Description) -> None:
        opened = gallery.opened
        self._opened, self._description = opened, description
        self._next = NextFaces(opened, dim=description.space.dim)
        self._crops = KeptCrops(gallery)
        self._roster = Roster(
            opened.store,
            opened.vault,
            dim=description.space.dim,
            generation=description.generation,
        )
        self._rule = PhotoRule(description.space, description.outlier_similarity)
        self._counts: Counter[int] = Counter()
        self._sum = self._left = 0
        self._without: list[str] = []

    def take(self, member: Member) -> None:
        """Replace one person's vectors."""
        seen = self._next.of(member)
        name = member.record.name
        # Nobody is lost because the next model finds two photos less alike than the one before.
        faces = dict(
            zip(
                sorted(seen),
                self._rule.taken(name, [seen[number].face for number in sorted(seen)])
                if seen
                else [],
                strict=True,
            )
        )
        template = self._rule.fused(name, list(faces.values())) if faces else None
        before = self._opened.roster
        self._left += member.record.n_faces - sum(not kept.extra for kept in seen.values())
        self._sum += self._roster.take_over(member, faces, template, source=before)
        self._crops.forget_others(member, faces)  # of photos that are not kept
        if faces:
            self._counts[len(faces)] += 1
        else:
            self._without.append(name)

    def end(self) -> Switch:
        """Write what all add up to, and delete what is of no use any more."""
        self._next.delete_all()
        deleted = sum(_delete(self._opened.store, kind) for kind in _OF_THE_MODEL)
        _delete(self._opened.store, REVIEW_CROP)  # of the faces that were counted
        summary = Summary(dict(self._counts), n_without=len(self._without)).plus(self._sum)
        write_summary(self._opened.store, self._opened.vault, summary)
        return Switch(
            model=self._description.space.model,
            people=self._counts.total(),
            photos=sum(n * people for n, people in self._counts.items()),
            photos_left=self._left,
            without=tuple(self._without),
            deleted=deleted,
        )


def _delete(store: GalleryStore, kind: str) -> int:
    deleted = 0
    while rows := store.items(kind):
        for row in rows:
            store.delete_item(row.id)
        deleted += len(rows)
    return deleted

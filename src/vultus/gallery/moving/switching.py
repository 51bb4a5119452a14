"""The switch: everybody's vectors replaced by those of the next model, whole or not at all."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.description import Description, write_description
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import REVIEW_CROP
from vultus.gallery.moving.next_faces import NEXT
from vultus.gallery.moving.preparation import Preparation
from vultus.gallery.people.summary import write_summary
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


def switch(gallery: Gallery, description: Description, ready: Preparation) -> Switch:
    """Replace the vectors of everybody, in a writing transaction.

    Args:
        gallery: The gallery, of the model before.
        description: What is fixed from now on.
        ready: Everybody, made ready, up to this moment.

    Raises:
        GalleryDamagedError: If people are missing.
    """
    opened, status = gallery.opened, ready.status()
    store, before = opened.store, opened.roster.summary()
    if before.n_people != status.people:
        raise GalleryDamagedError(
            f"{store.location} is damaged: it has {status.people} people, and there must be "
            f"{before.n_people}; restore a backup"
        )
    write_description(store, opened.vault, description)
    summary = replace(ready.write(), bound=before.bound)
    store.delete_items(NEXT)
    deleted = sum(store.delete_items(kind) for kind in _OF_THE_MODEL)
    store.delete_items(REVIEW_CROP)  # of the faces that were counted
    write_summary(store, opened.vault, summary)
    return Switch(
        model=description.space.model,
        people=summary.n_people - summary.n_without,
        photos=sum(n * people for n, people in summary.people_by_faces.items()),
        photos_left=status.photos_left,
        without=tuple(person.identity for person in status.missing),
        deleted=deleted,
    )

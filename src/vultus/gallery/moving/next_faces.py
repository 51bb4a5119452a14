"""The faces of people as the model sees them to which a gallery is being brought."""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vultus.gallery.moving.crops import CROP
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.faces import StoredFace
from vultus.gallery.people.roster import Member
from vultus.gallery.review.items import Items

NEXT = "next face"
"""Kind of the items that hold a face of the next model."""


@dataclass(frozen=True, slots=True, eq=False)
class NextFace:
    """One photo of a person.

    Attributes:
        face: As it will be kept.
        extra: Whether it was taken for the next model, so that the present one has no vector of it.
    """

    face: StoredFace
    extra: bool


class NextFaces:
    """Faces of the next model, sealed with their people's keys; none is searched before the switch.

    What writes must be called inside a writing transaction of the store.

    Args:
        opened: The gallery's parts.
        dim: Length of the next model's vectors.
    """

    def __init__(self, opened: OpenedGallery, *, dim: int) -> None:
        self._opened, self._items, self._dim = opened, Items(opened, NEXT), dim

    def of(self, member: Member) -> dict[int, NextFace]:
        """Number of the photo -> its face, of one person."""
        return {
            value["face"]: NextFace(
                StoredFace.from_bytes(base64.b64decode(value["data"]), dim=self._dim),
                value["extra"],
            )
            for _, value in self._items.all(owner=member)
        }

    def add(self, member: Member, number: int, face: StoredFace, *, extra: bool = False) -> None:
        """Keep a face of somebody."""
        data = base64.b64encode(face.to_bytes()).decode()
        self._items.add({"face": number, "extra": extra, "data": data}, owner=member)

    def delete_all(self) -> int:
        """Delete those of everybody; how many there were."""
        return self._opened.store.delete_items(NEXT)


def extra_numbers(opened: OpenedGallery, member: Member) -> list[int]:
    """Numbers of somebody's photos of which only the next model has a vector, ascending."""
    kept = Items(opened, NEXT).all(owner=member)
    return sorted(value["face"] for _, value in kept if value["extra"])


def forget(opened: OpenedGallery, member: Member, numbers: Collection[int]) -> None:
    """Delete crops and faces of the next model of some photos, in a writing transaction."""
    for items in _carried(opened):
        for row, value in list(items.all(owner=member)):
            if value["face"] in numbers:
                items.delete(row.id)


def carry(opened: OpenedGallery, one: Member, other: Member, numbers: Mapping[int, int]) -> None:
    """Let crops and faces of the next model follow photos to another person.

    Args:
        opened: The gallery's parts; in a writing transaction.
        one: Whose they were.
        other: Whose they are now.
        numbers: Of the photos: before -> now.
    """
    for items in _carried(opened):
        for row, value in list(items.all(owner=one)):
            if value["face"] in numbers:
                moved = {**value, "face": numbers[value["face"]]}
                items.move(row.id, moved, owner=other)


def _carried(opened: OpenedGallery) -> Sequence[Items]:
    return Items(opened, CROP), Items(opened, NEXT)

"""Who is ready for the next model: what it knows of each person, and what is to become of it."""

from dataclasses import dataclass

from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.moving.next_faces import NextFace, NextFaces
from vultus.gallery.moving.status import MigrationStatus, MissingPerson, Target
from vultus.gallery.people.roster import Member


@dataclass(frozen=True, slots=True)
class Look:
    """One person before the switch.

    Attributes:
        seen: Number of the photo -> what the next model has of it.
        waiting: Numbers of the photos whose crop is still to be embedded.
        n_left: How many photos the next model will not have.
        needless: Items that hold crops of photos that will not be kept.
    """

    seen: dict[int, NextFace]
    waiting: frozenset[int]
    n_left: int
    needless: tuple[int, ...]


class Looks:
    """Looks at people of one gallery, in a transaction of its store.

    Args:
        gallery: The gallery.
        target: Where it is brought.
    """

    def __init__(self, gallery: Gallery, target: Target) -> None:
        self._target = target
        self._crops = KeptCrops(gallery)
        self._next = NextFaces(gallery.opened, dim=target.space.dim)

    def at(self, member: Member) -> Look:
        """What there is of one person."""
        seen, crops = self._next.of(member), self._crops.places(member)
        template = self._target.template
        waiting = {number for _, number, of in crops if of == template} - set(seen)
        known = {number for number, face in seen.items() if not face.extra}
        return Look(
            seen,
            frozenset(waiting),
            member.record.n_faces - len(known | waiting),
            tuple(item for item, number, _ in crops if number not in seen),
        )


class Readiness:
    """What looks at people add up to; who changed meanwhile is looked at again."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int, int]] = {}
        self._missing: dict[int, MissingPerson] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, member: Member, look: Look) -> None:
        """Count somebody, in place of an earlier look."""
        self.forget(member.id)
        self._counts[member.id] = int(bool(look.seen)), len(look.waiting), look.n_left
        if not (look.seen or look.waiting):
            self._missing[member.id] = MissingPerson(
                identity=member.record.name,
                external_id=member.record.external_id,
                n_photos=member.record.n_faces,
            )

    def forget(self, person_id: int) -> None:
        """Count somebody no more."""
        self._counts.pop(person_id, None)
        self._missing.pop(person_id, None)

    def status(self, gallery: Gallery, target: Target) -> MigrationStatus:
        """As it is told; who is missing in the order of enrolment."""
        ready, pending, n_left = (
            map(sum, zip(*self._counts.values(), strict=True)) if self._counts else (0, 0, 0)
        )
        return MigrationStatus(
            before=gallery.space.model,
            model=target.space.model,
            began_at=target.began_at,
            people=len(self._counts),
            ready=ready,
            pending=pending,
            photos_left=n_left,
            reviewed=len(gallery.opened.store.items("review")),
            missing=tuple(self._missing[number] for number in sorted(self._missing)),
        )

"""One person of a gallery, opened."""

from dataclasses import dataclass

from vultus.gallery.people.details import Person, Record
from vultus.gallery.security.crypto import PersonKey
from vultus.gallery.stores.base import PersonRow


@dataclass(frozen=True, slots=True)
class Member:
    """One person, opened.

    Attributes:
        row: As it is stored.
        key: What opens and seals what is this person's.
        record: What the row's record holds.
    """

    row: PersonRow
    key: PersonKey
    record: Record

    @property
    def id(self) -> int:
        """Number of the person in the store."""
        return self.row.id

    @property
    def without_photos(self) -> bool:
        """Whether there were photos once, and none of the gallery's present model is left."""
        return not self.record.n_faces and self.record.next_face > 0

    def person(self) -> Person:
        """As it is told outside."""
        record = self.record
        return Person(
            identity=record.name,
            uid=self.row.uid.hex(),
            n_photos=record.n_faces,
            enrolled_at=record.enrolled_at,
            external_id=record.external_id,
            metadata=record.metadata,
            groups=record.groups,
            consent=record.consent,
            retain_until=record.retain_until,
            expires_at=record.expires_at,
        )

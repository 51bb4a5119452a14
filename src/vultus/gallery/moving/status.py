"""How far a migration has come, and who is missing."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.text import argument
from vultus.gallery.gallery import Gallery


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a gallery is being brought.

    Attributes:
        space: Of the next model.
        outlier_similarity: As in `Description`, for that space.
        template: Of the alignment of the crops that the next model takes.
        began_at: ISO 8601, UTC.
    """

    space: EmbeddingSpace
    outlier_similarity: float
    template: str
    began_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPerson:
    """Somebody whom the next model does not know, and no kept crop shows.

    Attributes:
        identity: The name.
        external_id: The id elsewhere, or None.
        n_photos: How many photos the present model has.
    """

    identity: str
    external_id: str | None
    n_photos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """How far a migration has come.

    Attributes:
        before: The model that answers.
        model: The next one.
        began_at: ISO 8601, UTC.
        people: How many are enrolled.
        ready: How many of them the next model knows.
        pending: How many photos have a kept crop that is still to be embedded.
        photos_left: How many photos of the present model the next one will not have.
        reviewed: How many faces wait for review; they are of the present model, and go.
        missing: Who must be photographed again.
    """

    before: str
    model: str
    began_at: str
    people: int
    ready: int
    pending: int
    photos_left: int
    reviewed: int
    missing: tuple[MissingPerson, ...]

    @property
    def complete(self) -> bool:
        """Whether it can be finished with everybody."""
        return not (self.missing or self.pending or self.reviewed)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**dataclasses.asdict(self), "complete": self.complete}


def check_ready(status: MigrationStatus, *, without_missing: bool) -> None:
    """Refuse to finish a migration of which something is left to do.

    Raises:
        InputError: If crops are still to be embedded; or somebody is missing or faces wait for
            review, and that is not allowed.
    """
    if status.pending:
        raise InputError(
            f"{status.pending} photos have a kept crop that {status.model} has not seen; embed "
            "them first"
        )
    if without_missing:
        return
    allowed = argument("without_missing", True)
    if status.missing:
        raise InputError(
            f"{len(status.missing)} of {status.people} people must be photographed again, e.g. "
            f"{status.missing[0].identity!r}; do that, or switch without them ({allowed}): they "
            "stay enrolled, and are not found until then"
        )
    if status.reviewed:
        raise InputError(
            f"{status.reviewed} faces wait for review, and the next model cannot compare them; "
            f"assign or dismiss them, or let them be deleted ({allowed})"
        )


def people_without_photos(gallery: Gallery) -> list[MissingPerson]:
    """Who is enrolled without a photo of the gallery's model, and cannot be found."""
    return [
        MissingPerson(identity=person.identity, external_id=person.external_id, n_photos=0)
        for person in gallery.people()
        if not person.n_photos
    ]

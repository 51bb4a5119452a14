"""Decisions of a service, noted in the gallery's audit log."""

from collections.abc import Sequence
from contextlib import suppress

from vultus.core.errors import IdentityNotFoundError
from vultus.core.results import Identification
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.audit import AuditEntry, AuditHead


def log_decisions(
    gallery: Gallery, answers: Sequence[Identification], *, action: str = "identify"
) -> AuditHead | None:
    """Note who was named, who was unknown and who could not be judged; all entries or none.

    A person who was named is told by pseudonym; whom an unknown face resembles is not told.

    Args:
        gallery: The gallery that gave the answers.
        answers: One entry each.
        action: What the entries are called, e.g. ``"check-in"``.

    Returns:
        The last entry's place in the log; None if there are no answers.

    Raises:
        GalleryError: If the gallery cannot be written.
    """
    head = None
    if answers:
        with gallery.opened.store.transaction(write=True):
            for answer in answers:
                head = gallery.audit.append(_entry(gallery, answer, action))
    return head


def _entry(gallery: Gallery, answer: Identification, action: str) -> AuditEntry:
    subject = None
    if answer.identity is not None:
        with suppress(IdentityNotFoundError):  # erased since: then nothing leads to them
            subject = gallery.opened.subject(gallery.person(answer.identity))
    known = "unknown" if answer.identity is None else "accepted"
    return AuditEntry(
        actor=gallery.opened.actor,
        action=action,
        subject=subject,
        decision="not judged" if answer.refusal else known,
        similarity=answer.candidates[0].similarity if answer.candidates else None,
        threshold=answer.threshold.similarity,
        fpir=answer.fpir,
        model=gallery.space.model,
        gallery_size=answer.gallery_size,
    )

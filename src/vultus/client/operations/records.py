"""Operations of the service: records. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTold:
    """An entry of the audit log.

    Attributes:
        position: Position.
        at: At.
        actor: Actor.
        action: Action.
        digest: Digest.
        subject: Pseudonym of the person whom it is about.
        decision: Decision.
        similarity: Similarity.
        threshold: Threshold.
        fpir: Fpir.
        model: Model.
        gallery_size: Gallery size.
        counts: Counts.
    """

    position: int
    at: str
    actor: str
    action: str
    digest: str
    subject: str | None = None
    decision: str | None = None
    similarity: float | None = None
    threshold: float | None = None
    fpir: float | None = None
    model: str | None = None
    gallery_size: int | None = None
    counts: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntries:
    """Some entries, the oldest first.

    Attributes:
        entries: Entries.
        next: The cursor of the next page; null at the end.
        head: The end of the log, to be kept elsewhere.
    """

    entries: tuple[AuditTold, ...]
    next: str | None
    head: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJudged:
    """Whether the log is as it was written.

    Attributes:
        sound: Sound.
        entries: How many are sound, from the first on.
        head: Head.
        fault: Fault.
        message: Message.
    """

    sound: bool
    entries: int
    head: str | None
    fault: str | None = None
    message: str | None = None


def read_audit(
    gallery: str,
    *,
    cursor: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    subject: str | Unset = UNSET,
    action: str | Unset = UNSET,
) -> Call[AuditEntries]:
    """Who did and decided what, page by page.

    Args:
        gallery: The gallery's id.
        cursor: `next` of the page before; empty for the first.
        limit: So many at most.
        subject: Only of this pseudonym, as entries tell it.
        action: Only of this action.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/audit",
        AuditEntries,
        query={"cursor": cursor, "limit": limit, "subject": subject, "action": action},
        repeatable=True,
    )


def verify_audit(gallery: str, *, heads: Sequence[str] | Unset = UNSET) -> Call[AuditJudged]:
    """Whether every entry is there, unchanged and in its place.

    Args:
        gallery: The gallery's id.
        heads: POSITION:DIGEST, as `head` was told.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/audit/verify",
        AuditJudged,
        body={"heads": heads},
        repeatable=True,
    )


def export_gallery(gallery: str) -> Call[bytes]:
    """A whole copy of the gallery, sealed as it is; `vultus gallery restore` takes it.

    Args:
        gallery: The gallery's id.
    """
    return Call("GET", f"/v1/galleries/{quoted(gallery)}/export", bytes, repeatable=True)


def export_all_about(gallery: str, person: str) -> Call[bytes]:
    """Everything that is held about one person, as a zip for whoever asks for it.

    Args:
        gallery: The gallery's id.
        person: The person's id: 32 hexadecimal digits.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/people/{quoted(person)}/export",
        bytes,
        repeatable=True,
    )

"""Operations of the service: review. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from vultus.client.call import UNSET, Call, Unset, quoted
from vultus.client.operations.galleries import Deleted
from vultus.client.operations.identify import RankedPerson
from vultus.client.operations.people import PersonTold
from vultus.client.operations.photos import ThresholdTold


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the gallery may keep of faces that nobody could name.

    Attributes:
        days: So long, then they are deleted.
        doubtful_within: Faces that were named by less than this above the threshold wait, too.
    """

    days: float = 30.0
    doubtful_within: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFace:
    """A face that waits.

    Attributes:
        number: Number.
        kept_at: Kept at.
        expires_at: Expires at.
        source: Source.
        quality: Quality.
        suggestions: Who it may be, best first.
        crop: Whether the aligned face is kept.
    """

    number: int
    kept_at: str
    expires_at: str | None
    source: str | None
    quality: float | None
    suggestions: tuple[RankedPerson, ...]
    crop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFaces:
    """Faces that wait, the oldest first.

    Attributes:
        rules: What may be kept; null for nothing.
        faces: Faces.
        next: The cursor of the next page; null at the end.
    """

    rules: Rules | None
    faces: tuple[WaitingFace, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceGroups:
    """Faces that wait, by likeness; the largest group first.

    Attributes:
        groups: Groups.
        threshold: Threshold.
    """

    groups: tuple[tuple[int, ...], ...]
    threshold: ThresholdTold


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftWaiting:
    """A face that was not taken and goes on waiting.

    Attributes:
        face: Face.
        reasons: Reasons.
    """

    face: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentDone:
    """The person with the faces that were taken.

    Attributes:
        person: Person.
        added: Added.
        left: Left.
    """

    person: PersonTold
    added: int
    left: tuple[LeftWaiting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeTold:
    """A merge that can be undone.

    Attributes:
        number: Number.
        merged_at: Merged at.
        identity: Who was merged into somebody else.
        into: Into whom, by the present name.
        photos: Photos.
    """

    number: int
    merged_at: str
    identity: str
    into: str
    photos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merges:
    """Merges that can be undone, the oldest first.

    Attributes:
        merges: Merges.
        next: The cursor of the next page; null at the end.
    """

    merges: tuple[MergeTold, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeDone:
    """Who remains, and the number by which the merge is undone.

    Attributes:
        number: Number.
        person: Person.
    """

    number: int
    person: PersonTold


def list_waiting(
    gallery: str, *, cursor: str | Unset = UNSET, limit: int | Unset = UNSET
) -> Call[WaitingFaces]:
    """Faces that wait for somebody to say who they are, page by page.

    Args:
        gallery: The gallery's id.
        cursor: `next` of the page before; empty for the first.
        limit: So many at most.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/review",
        WaitingFaces,
        query={"cursor": cursor, "limit": limit},
        repeatable=True,
    )


def allow(
    gallery: str, *, days: float | Unset = UNSET, doubtful_within: float | Unset = UNSET
) -> Call[Rules]:
    """Let the gallery keep faces that nobody could name, from now on.

    Args:
        gallery: The gallery's id.
        days: So long, then they are deleted.
        doubtful_within: Faces that were named by less than this above the threshold wait, too.
    """
    return Call(
        "PUT",
        f"/v1/galleries/{quoted(gallery)}/review",
        Rules,
        body={"days": days, "doubtful_within": doubtful_within},
        repeatable=True,
    )


def forbid(gallery: str) -> Call[Deleted]:
    """Let it keep none any more, and delete those that wait.

    Args:
        gallery: The gallery's id.
    """
    return Call("DELETE", f"/v1/galleries/{quoted(gallery)}/review", Deleted, repeatable=True)


def group_waiting(gallery: str, *, fmr: float | Unset = UNSET) -> Call[FaceGroups]:
    """The faces that wait, by likeness: those of one group are probably of one person.

    Args:
        gallery: The gallery's id.
        fmr: False match rate, at most.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/review/groups",
        FaceGroups,
        query={"fmr": fmr},
        repeatable=True,
    )


def waiting_crop(gallery: str, number: int) -> Call[bytes]:
    """The aligned face of one that waits, where the gallery keeps crops.

    Args:
        gallery: The gallery's id.
        number: As lists tell it.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/review/{quoted(number)}/crop",
        bytes,
        repeatable=True,
    )


def assign(
    gallery: str,
    *,
    faces: Sequence[int],
    person: str | Unset | None = UNSET,
    name: str | Unset | None = UNSET,
    force: bool | Unset = UNSET,
) -> Call[AssignmentDone]:
    """Say who faces are: they become photos of that person.

    Args:
        gallery: The gallery's id.
        faces: As the list tells them.
        person: The id of who it is; or:
        name: Of a new person.
        force: Take faces unlike the person's other photos, too.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/review/assign",
        AssignmentDone,
        body={"faces": faces, "person": person, "name": name, "force": force},
    )


def deny(gallery: str, *, face: int, person: str) -> Call[None]:
    """Say who a face is not: that person is not suggested for it, or for one more like it.

    Args:
        gallery: The gallery's id.
        face: Face.
        person: Person.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/review/deny",
        type(None),
        body={"face": face, "person": person},
    )


def dismiss(gallery: str, *, faces: Sequence[int]) -> Call[Deleted]:
    """Delete faces that wait; all of them or none.

    Args:
        gallery: The gallery's id.
        faces: As the list tells them.
    """
    return Call(
        "POST", f"/v1/galleries/{quoted(gallery)}/review/dismiss", Deleted, body={"faces": faces}
    )


def list_merges(
    gallery: str, *, cursor: str | Unset = UNSET, limit: int | Unset = UNSET
) -> Call[Merges]:
    """The merges that can be undone, page by page.

    Args:
        gallery: The gallery's id.
        cursor: `next` of the page before; empty for the first.
        limit: So many at most.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/merges",
        Merges,
        query={"cursor": cursor, "limit": limit},
        repeatable=True,
    )


def merge_people(
    gallery: str, *, person: str, into: str, idempotency_key: str | Unset = UNSET
) -> Call[MergeDone]:
    """Make one person of two, until it is undone.

    Args:
        gallery: The gallery's id.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        person: Who is gone then.
        into: Who remains, with all photos.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/merges",
        MergeDone,
        headers={"Idempotency-Key": idempotency_key},
        body={"person": person, "into": into},
        keyed=True,
    )


def undo_merge(gallery: str, number: int, *, name: str | Unset | None = UNSET) -> Call[PersonTold]:
    """Make two of them again; gives the person who is back.

    Args:
        gallery: The gallery's id.
        number: As lists tell it.
        name: Null for the old name.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/merges/{quoted(number)}/undo",
        PersonTold,
        body={"name": name},
    )

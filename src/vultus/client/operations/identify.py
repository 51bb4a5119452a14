"""Operations of the service: identify. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from vultus.client.call import UNSET, Call, Unset, quoted
from vultus.client.operations.photos import LivenessTold, RefusedPhoto, ThresholdTold
from vultus.client.photos import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedPerson:
    """Whom a face resembles.

    Attributes:
        identity: The name.
        person: The id; null if just now erased.
        similarity: Cosine, [-1, 1]; no confidence.
    """

    identity: str
    person: str | None
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedFace:
    """A face of a photo, named or unknown.

    Attributes:
        identity: The name; null is unknown.
        person: The id of who it is; null is unknown.
        candidates: Whom it resembles, best first.
        threshold: The rule, with what its rates stand on.
        fpir: The chance that a stranger is given a name.
        fpir_high: The upper end of its interval.
        fnir: The share of the enrolled that is missed.
        gallery_size: Gallery size.
        refusal: Why the face cannot be judged; empty if it can.
        notes: Notes.
        box_xyxy: In pixels of the photo.
        review: The number under which it waits for review; null if it does not.
        liveness: What a look for prints and screens said; null if none was taken.
    """

    identity: str | None
    person: str | None
    candidates: tuple[RankedPerson, ...]
    threshold: ThresholdTold
    fpir: float | None
    fpir_high: float | None
    fnir: float | None
    gallery_size: int
    refusal: tuple[str, ...]
    notes: tuple[str, ...]
    box_xyxy: tuple[float, ...]
    review: int | None = None
    liveness: LivenessTold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedFaces:
    """The faces of a photo, named or unknown.

    Attributes:
        faces: Faces.
    """

    faces: tuple[IdentifiedFace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedFacesOfPhoto:
    """The faces of one of several photos, named or unknown.

    Attributes:
        faces: Faces.
        photo: Its place among those sent, from 1.
        problem: Why it could not be read; else null.
    """

    faces: tuple[IdentifiedFace, ...]
    photo: int
    problem: RefusedPhoto | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedFacesOfPhotos:
    """The faces of several photos, named or unknown, in the order in which they were sent.

    Attributes:
        photos: Photos.
    """

    photos: tuple[IdentifiedFacesOfPhoto, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedPerson:
    """One unknown person by several photos.

    Attributes:
        identity: The name; null is unknown.
        person: The id of who it is; null is unknown.
        candidates: Whom it resembles, best first.
        threshold: The rule, with what its rates stand on.
        fpir: The chance that a stranger is given a name.
        fpir_high: The upper end of its interval.
        fnir: The share of the enrolled that is missed.
        gallery_size: Gallery size.
        refusal: Why the face cannot be judged; empty if it can.
        notes: Notes.
        photos: How many were taken together.
        refused: Refused.
    """

    identity: str | None
    person: str | None
    candidates: tuple[RankedPerson, ...]
    threshold: ThresholdTold
    fpir: float | None
    fpir_high: float | None
    fnir: float | None
    gallery_size: int
    refusal: tuple[str, ...]
    notes: tuple[str, ...]
    photos: int
    refused: tuple[RefusedPhoto, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceLikeness:
    """A face of a photo, and whom it resembles; nothing is decided.

    Attributes:
        box_xyxy: In pixels of the photo.
        score: How sure the detector is, [0, 1].
        refusal: Why it is too poor to be compared; empty if not.
        candidates: Best first.
        more: Whether further people are as alike as was asked for.
    """

    box_xyxy: tuple[float, ...]
    score: float
    refusal: tuple[str, ...]
    candidates: tuple[RankedPerson, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesSearched:
    """The faces of a photo, and whom they resemble.

    Attributes:
        faces: Faces.
        gallery_size: Gallery size.
        notes: Notes.
    """

    faces: tuple[FaceLikeness, ...]
    gallery_size: int
    notes: tuple[str, ...]


def identify(
    gallery: str,
    *,
    photo: Photo,
    fpir: float | Unset = UNSET,
    group: Sequence[str] | Unset = UNSET,
    require_live: bool | Unset = UNSET,
    live_session: str | Unset = UNSET,
) -> Call[IdentifiedFaces]:
    """Name every face of a photo, or call it unknown; with a liveness session only its person's.

    Args:
        gallery: The gallery's id.
        fpir: Chance that a stranger is given a name, at most.
        group: Only people of this group; again for more.
        require_live: Refuse faces that may be a print or a screen, or of which that cannot be judged; some attacks pass.
        live_session: Token of an accepted liveness session: its person must be meant. Holds once.
        photo: Photo.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/identify",
        IdentifiedFaces,
        query={
            "fpir": fpir,
            "group": group,
            "require_live": require_live,
            "live_session": live_session,
        },
        form={},
        files={"photo": photo},
        repeatable=True,
    )


def identify_photos(
    gallery: str,
    *,
    photos: Sequence[Photo],
    fpir: float | Unset = UNSET,
    group: Sequence[str] | Unset = UNSET,
    require_live: bool | Unset = UNSET,
) -> Call[IdentifiedFacesOfPhotos]:
    """Name every face of several photos; each answer is that of the photo alone.

    Args:
        gallery: The gallery's id.
        fpir: Chance that a stranger is given a name, at most.
        group: Only people of this group; again for more.
        require_live: Refuse faces that may be a print or a screen, or of which that cannot be judged; some attacks pass.
        photos: Once for each photo.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/identify/photos",
        IdentifiedFacesOfPhotos,
        query={"fpir": fpir, "group": group, "require_live": require_live},
        form={},
        files={"photos": photos},
        repeatable=True,
    )


def identify_one(
    gallery: str,
    *,
    photos: Sequence[Photo],
    fpir: float | Unset = UNSET,
    group: Sequence[str] | Unset = UNSET,
    require_live: bool | Unset = UNSET,
) -> Call[IdentifiedPerson]:
    """Name one unknown person by several photos, or say that nobody enrolled is meant.

    Args:
        gallery: The gallery's id.
        fpir: Chance that a stranger is given a name, at most.
        group: Only people of this group; again for more.
        require_live: Refuse faces that may be a print or a screen, or of which that cannot be judged; some attacks pass.
        photos: Once for each photo.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/identify/person",
        IdentifiedPerson,
        query={"fpir": fpir, "group": group, "require_live": require_live},
        form={},
        files={"photos": photos},
        repeatable=True,
    )


def search(
    gallery: str,
    *,
    photo: Photo,
    top_k: int | Unset = UNSET,
    min_similarity: float | Unset = UNSET,
    group: Sequence[str] | Unset = UNSET,
) -> Call[FacesSearched]:
    """List whom each face of a photo resembles, best first; nothing is decided.

    Args:
        gallery: The gallery's id.
        top_k: So many people at most, a face.
        min_similarity: Only people who are at least so alike: a cosine similarity.
        group: Only people of this group; again for more.
        photo: Photo.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/search",
        FacesSearched,
        query={"top_k": top_k, "min_similarity": min_similarity, "group": group},
        form={},
        files={"photo": photo},
        repeatable=True,
    )

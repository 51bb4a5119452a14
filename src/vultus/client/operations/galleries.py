"""Operations of the service: galleries. Written by scripts/client_operations.py."""

from dataclasses import dataclass
from typing import Any

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryTold:
    """A gallery.

    Attributes:
        id: Id.
        people: People.
        model: Model.
        sealed: Sealed.
        groups: Groups.
        keeps_crops: Whether aligned faces of photos are kept.
        keeps_unknown: Whether faces that nobody could name are kept.
    """

    id: str
    people: int
    model: str
    sealed: bool
    groups: dict[str, Any]
    keeps_crops: bool
    keeps_unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryList:
    """Galleries that the key may touch.

    Attributes:
        galleries: Galleries.
    """

    galleries: tuple[GalleryTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryDeleted:
    """What was deleted with a gallery; the receipt of it.

    Attributes:
        id: Id.
        gallery: What no other gallery is called by: 32 hexadecimal digits.
        deleted_at: Deleted at.
        deleted_by: Deleted by.
        people: People.
        photos: Photos.
        audit: The end of its audit log, whose last entry is this.
        audit_file: Where the log is kept, in the folder of the service.
    """

    id: str
    gallery: str
    deleted_at: str
    deleted_by: str
    people: int
    photos: int
    audit: str
    audit_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """How many faces were deleted.

    Attributes:
        deleted: Deleted.
    """

    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCalibration:
    """What this site measured of the model.

    Attributes:
        created_at: Created at.
        people: People.
        photos: Photos.
        searches: Whether searches were measured, not comparisons alone.
    """

    created_at: str
    people: int
    photos: int
    searches: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTold:
    """The threshold at a rate, or why there is none.

    Attributes:
        asked: The rate: FMR of a comparison, or FPIR of a search.
        threshold: With what its rate stands on; or null.
        refusal: Why nobody can promise this rate; else null.
        fpir_high: Upper end of the interval.
        fnir: The share that is missed.
        fnir_high: Fnir high.
    """

    asked: float
    threshold: dict[str, Any] | None
    refusal: str | None
    fpir_high: float | None = None
    fnir: float | None = None
    fnir_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesOfSize:
    """The thresholds of searches among so many people.

    Attributes:
        people: People.
        searches: Searches.
    """

    people: int
    searches: tuple[RuleTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What rates mean for a gallery.

    Attributes:
        model: Model.
        people: People.
        calibration: Null: what came with the model.
        comparisons: 1:1, by false match rate.
        searches: In this gallery as it is, by FPIR.
        sizes: In other ones, with as many photos a person.
    """

    model: str
    people: int
    calibration: SiteCalibration | None
    comparisons: tuple[RuleTold, ...]
    searches: tuple[RuleTold, ...]
    sizes: tuple[RulesOfSize, ...]


def list_galleries() -> Call[GalleryList]:
    """The galleries that the key may touch."""
    return Call("GET", "/v1/galleries", GalleryList, repeatable=True)


def make_gallery(*, id: str, idempotency_key: str | Unset = UNSET) -> Call[GalleryTold]:
    """Make a gallery of the service's model.

    Args:
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        id: 1 to 64 letters, digits, `_`, `.` or `-`, a letter or digit first.
    """
    return Call(
        "POST",
        "/v1/galleries",
        GalleryTold,
        headers={"Idempotency-Key": idempotency_key},
        body={"id": id},
        keyed=True,
    )


def gallery_told(gallery: str, *, if_none_match: str | Unset = UNSET) -> Call[GalleryTold]:
    """How many people are in a gallery, of which model, whether it is sealed.

    Args:
        gallery: The gallery's id.
        if_none_match: The ETag of what is known: if it is still so, the answer is 304, without it.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}",
        GalleryTold,
        headers={"If-None-Match": if_none_match},
        repeatable=True,
    )


def delete_gallery(
    gallery: str, *, confirm: str | Unset = UNSET, if_match: str | Unset = UNSET
) -> Call[GalleryDeleted]:
    """Delete a gallery with everybody in it, its jobs and webhooks; keys for it touch it no more.

    Args:
        gallery: The gallery's id.
        confirm: The gallery's id once more.
        if_match: The header ETag of what was seen; `*` for whatever there is.
    """
    return Call(
        "DELETE",
        f"/v1/galleries/{quoted(gallery)}",
        GalleryDeleted,
        query={"confirm": confirm},
        headers={"If-Match": if_match},
        repeatable=True,
    )


def keep_crops(gallery: str) -> Call[GalleryTold]:
    """Keep the aligned faces of photos that are enrolled from now on.

    Args:
        gallery: The gallery's id.
    """
    return Call("PUT", f"/v1/galleries/{quoted(gallery)}/crops", GalleryTold, repeatable=True)


def forget_crops(gallery: str) -> Call[Deleted]:
    """Keep none any more, and erase those that are kept.

    Args:
        gallery: The gallery's id.
    """
    return Call("DELETE", f"/v1/galleries/{quoted(gallery)}/crops", Deleted, repeatable=True)


def thresholds(gallery: str) -> Call[Thresholds]:
    """The threshold at each rate, for comparisons and for searches in a gallery of this size.

    Args:
        gallery: The gallery's id.
    """
    return Call("GET", f"/v1/galleries/{quoted(gallery)}/thresholds", Thresholds, repeatable=True)

"""Which photos of a person are taken into a gallery."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings
from vultus.core.errors import AlreadyEnrolledError, InputError
from vultus.core.results import Candidate
from vultus.core.text import argument
from vultus.core.thresholds import Threshold
from vultus.matching.fusion import fuse

REPEATED = "enrolled already"
"""Why a photo adds nothing."""

ALREADY = "this face is already"
"""How the reason of a photo begins that shows somebody else who is enrolled."""

_SAME_PHOTO = 1 - 1e-5


@dataclass(frozen=True, slots=True)
class EnrolledPerson:
    """One person of a gallery.

    Attributes:
        identity: The name.
        n_photos: How many photos are stored.
        enrolled_at: When the first was, ISO 8601, UTC.
    """

    identity: str
    n_photos: int
    enrolled_at: str

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Resemblance:
    """A photo that is as like somebody else as photos of one person are.

    Attributes:
        place: Of the photo among those given, from 0.
        candidate: Who else, and the similarity to that template.
        threshold: From which similarity on this is said, with its false match rate.
        nearest: Whether nobody is more like the photo, the person enrolled included.
    """

    place: int
    candidate: Candidate
    threshold: Threshold
    nearest: bool = True

    @property
    def reason(self) -> str:
        """Why the photo is not taken unless it is forced."""
        other = self.candidate
        known = "FMR unknown" if self.threshold.fmr is None else f"FMR {self.threshold.fmr:.3g}"
        return (
            f"{ALREADY} {other.identity!r} (similarity {other.similarity:.4f}, from "
            f"{self.threshold.similarity:.4f} on one person's: {known})"
        )


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What `Gallery.enroll` did with each photo.

    Attributes:
        identity: The name as stored.
        reasons: Why each photo was left out; an empty tuple where it was added.
        resemblances: Photos that look like somebody else, if that was asked; they were added only
            if they were forced.
    """

    identity: str
    reasons: tuple[tuple[str, ...], ...]
    resemblances: tuple[Resemblance, ...] = ()

    @property
    def added(self) -> int:
        """How many photos were added."""
        return sum(not reasons for reasons in self.reasons)


def judge_photos(
    new: Embeddings,
    known: Embeddings,
    *,
    identity: str,
    outlier_similarity: float | None,
    refused: Sequence[tuple[str, ...]] = (),
) -> tuple[tuple[str, ...], ...]:
    """Why each new photo of a person is to be left out; an empty tuple where it is fit.

    A photo is left out when its vector is there already (but for rounding: a runtime need not give
    the same bits in another batch), or when it differs from the majority of all photos (see
    `vultus.matching.fusion.fuse`; None leaves out none for that).

    Args:
        new: One row a photo.
        known: The person's photos.
        identity: The name.
        outlier_similarity: Or None.
        refused: Why each new photo is not to be taken, as `refusals` gives it; empty for none.

    Raises:
        AlreadyEnrolledError: If every photo is refused, and none is there already.
        InputError: If no majority agrees, or every new photo differs from those known.
    """
    # Against all known photos and the new ones before it.
    same = new.vectors @ np.concatenate([known.vectors, new.vectors]).T >= _SAME_PHOTO
    before = np.tri(len(new), len(known) + len(new), len(known) - 1, dtype=np.bool_)
    repeated = (same & before).any(axis=1)
    reasons = list(refused) if refused else [()] * len(new)
    reasons = [(REPEATED,) if row else why for row, why in zip(repeated, reasons, strict=True)]
    if refused and all(reasons) and not repeated.any():
        raise AlreadyEnrolledError(
            f"nothing was enrolled of {identity!r}: {reasons[0][0]}; enrol it under that name, or "
            f"take it all the same ({argument('force', True)})"
        )
    fresh = [i for i, why in enumerate(reasons) if not why]
    if not fresh or outlier_similarity is None:
        return tuple(reasons)
    everything = Embeddings.concatenate([known, new[fresh]])
    fusion = fuse(everything, identity=identity, outlier_similarity=outlier_similarity)
    for i, why in zip(fresh, fusion.reasons[len(known) :], strict=True):
        reasons[i] = why
    fit = [i for i in fresh if not reasons[i]]
    if not fit:
        raise InputError(
            f"no photo is like those of {identity!r} enrolled before (similarity below "
            f"{outlier_similarity:.4f}); if it is somebody else, give another name, "
            f"else take them all the same ({argument('force', True)})"
        )
    if len(fit) < len(fresh):
        # What is stored must fuse without the photos left out, for whoever reads it later.
        stored = Embeddings.concatenate([known, new[fit]])
        fuse(stored, identity=identity, outlier_similarity=outlier_similarity)
    return tuple(reasons)


def resemblances(
    identity: str, found: Sequence[tuple[Candidate, ...]], alike: Threshold
) -> tuple[Resemblance, ...]:
    """Which photos of a person are as like somebody else's template as one person's photos are.

    Args:
        identity: The person, who may be among those found.
        found: The two best for each photo.
        alike: From which similarity on.
    """
    told = []
    for place, candidates in enumerate(found):
        best = next((other for other in candidates if other.identity != identity), None)
        if best is not None and best.similarity >= alike.similarity:
            told.append(Resemblance(place, best, alike, nearest=best == candidates[0]))
    return tuple(told)


def refusals(like: Sequence[Resemblance], *, n_photos: int) -> list[tuple[str, ...]]:
    """Why each photo is not taken: it shows somebody else who is enrolled.

    Args:
        like: What `resemblances` found. Photos that are more like the person stay.
        n_photos: How many photos there are.
    """
    reasons: list[tuple[str, ...]] = [()] * n_photos
    for found in like:
        if found.nearest:
            reasons[found.place] = (found.reason,)
    return reasons

"""Which photos of a person are taken into a gallery."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.results import Candidate
from vultus.core.thresholds import Threshold
from vultus.matching.fusion import fuse

REPEATED = "enrolled already"
"""Why a photo adds nothing."""

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
    """A photo that was added, and is as like somebody else as photos of one person are.

    Attributes:
        place: Of the photo among those given, from 0.
        candidate: Who else, and the similarity to that template.
        threshold: From which similarity on this is said, with its false match rate.
    """

    place: int
    candidate: Candidate
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What `Gallery.enroll` did with each photo.

    Attributes:
        identity: The name as stored.
        reasons: Why each photo was left out; an empty tuple where it was added.
        resemblances: Photos that were added and look like somebody else, if that was asked.
    """

    identity: str
    reasons: tuple[tuple[str, ...], ...]
    resemblances: tuple[Resemblance, ...] = ()

    @property
    def added(self) -> int:
        """How many photos were added."""
        return sum(not reasons for reasons in self.reasons)


def judge_photos(
    new: Embeddings, known: Embeddings, *, identity: str, outlier_similarity: float
) -> tuple[tuple[str, ...], ...]:
    """Why each new photo of a person is to be left out; an empty tuple where it is fit.

    A photo is left out when its vector is there already (but for rounding: a runtime need not give
    the same bits in another batch), or when it differs from the majority of all photos (see
    `vultus.matching.fusion.fuse`).

    Raises:
        InputError: If no majority agrees, or every new photo differs from those known.
    """
    # Against all known photos and the new ones before it.
    same = new.vectors @ np.concatenate([known.vectors, new.vectors]).T >= _SAME_PHOTO
    before = np.tri(len(new), len(known) + len(new), len(known) - 1, dtype=np.bool_)
    reasons: list[tuple[str, ...]] = [
        (REPEATED,) if row else () for row in (same & before).any(axis=1)
    ]
    fresh = [i for i, why in enumerate(reasons) if not why]
    if not fresh:
        return tuple(reasons)
    everything = Embeddings.concatenate([known, new[fresh]])
    fusion = fuse(everything, identity=identity, outlier_similarity=outlier_similarity)
    for i, why in zip(fresh, fusion.reasons[len(known) :], strict=True):
        reasons[i] = why
    fit = [i for i in fresh if not reasons[i]]
    if not fit:
        raise InputError(
            f"no photo is like those of {identity!r} enrolled before (similarity below "
            f"{outlier_similarity:.4f}); if it is somebody else, give another name"
        )
    # What is stored must fuse without the photos left out, for whoever reads it later.
    stored = Embeddings.concatenate([known, new[fit]])
    fuse(stored, identity=identity, outlier_similarity=outlier_similarity)
    return tuple(reasons)


def resemblances(
    identity: str,
    added: Sequence[int],
    found: Sequence[tuple[Candidate, ...]],
    alike: Threshold,
) -> tuple[Resemblance, ...]:
    """Which photos of a person are as like somebody else's template as one person's photos are.

    Args:
        identity: The person, who may be among those found.
        added: Places of the photos that were looked for.
        found: The two best for each of them.
        alike: From which similarity on.
    """
    told = []
    for place, candidates in zip(added, found, strict=True):
        best = next((other for other in candidates if other.identity != identity), None)
        if best is not None and best.similarity >= alike.similarity:
            told.append(Resemblance(place, best, alike))
    return tuple(told)

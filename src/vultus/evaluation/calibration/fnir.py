"""How often enrolled people are missed: everybody searched for in templates of their own photos."""

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration.fpir import MIN_PEOPLE, PHOTO_LEVELS
from vultus.evaluation.measures.intervals import percentile_interval, resampled
from vultus.matching.fnir_curves import FnirCurves, FnirLevel
from vultus.matching.fusion import fuse

_THRESHOLDS = np.round(np.arange(0, 1.001, 0.02), 2)
_DRAWS = 300


def fit_fnir_curves(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
    origin: str,
) -> FnirCurves:
    """Search every photo of a person among templates of 1, 2, 3, 5 ... other photos of theirs.

    A search misses when the similarity is below the threshold; that a stranger may come first is
    not counted, since thresholds for galleries let few reach them at all. People weigh the same,
    however many photos they brought.

    Args:
        embeddings: One face a row, of people who did not set the thresholds.
        identities: (n,) int64, whose each is.
        generator: Source of randomness: which photos go into a template, and the bootstrap.
        origin: Whose photos these are, in words.

    Returns:
        Levels for as many photos as 30 people have one more of.

    Raises:
        CalibrationError: If fewer than 30 people have two photos.
    """
    counts = np.unique(identities, return_counts=True)[1]
    if (n := int((counts > 1).sum())) < MIN_PEOPLE:
        raise CalibrationError(
            f"FNIR takes {MIN_PEOPLE} people with two photos or more, there are {n}: "
            f"{MIN_PEOPLE - n} more"
        )
    levels = [
        _level(embeddings, identities, photos_per_person=k, generator=generator)
        for k in PHOTO_LEVELS
        if (counts > k).sum() >= MIN_PEOPLE
    ]
    return FnirCurves(tuple(levels), origin)


def _level(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    photos_per_person: int,
    generator: np.random.Generator,
) -> FnirLevel:
    people, counts = np.unique(identities, return_counts=True)
    shares, n_searches = [], 0
    for person in people[counts > photos_per_person]:
        places = np.flatnonzero(identities == person)
        scores = [
            _mate_score(
                embeddings, int(place), places[places != place], photos_per_person, generator
            )
            for place in places
        ]
        shares.append((np.array(scores)[:, None] < _THRESHOLDS).mean(axis=0))
        n_searches += len(scores)
    missed = np.array(shares)
    draws = resampled_means(missed, generator=generator)
    highs = [percentile_interval(column).high for column in draws.T]
    return FnirLevel(
        photos_per_person,
        len(missed),
        n_searches,
        _THRESHOLDS,
        np.maximum.accumulate(missed.mean(axis=0)),
        np.maximum.accumulate(np.maximum(highs, missed.mean(axis=0))),
    )


def resampled_means(
    values: npt.NDArray[np.float64], *, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(draws, k) means of (people, k) values when people are drawn anew."""
    drawn: list[npt.NDArray[np.float64]] = []

    def keep(came: npt.NDArray[np.float64]) -> None:
        drawn.append(came @ values / len(values))

    resampled(keep, len(values), generator=generator, draws=_DRAWS)
    return np.array(drawn)


def _mate_score(
    embeddings: Embeddings,
    place: int,
    others: npt.NDArray[np.int64],
    photos_per_person: int,
    generator: np.random.Generator,
) -> float:
    chosen = generator.choice(others, photos_per_person, replace=False)
    fusion = fuse(embeddings[chosen], identity="mate", outlier_similarity=None)
    return float(embeddings.vectors[place] @ fusion.template.vector)

"""How often enrolled people are missed: everybody searched for in templates of their own photos."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration.fpir import MIN_PEOPLE, PHOTO_LEVELS
from vultus.evaluation.calibration.stretch import FUSED_PHOTOS
from vultus.evaluation.measures.intervals import percentile_interval, resampled
from vultus.matching.fnir_curves import FnirCurves, FnirLevel
from vultus.matching.fusion import fuse_rows

_THRESHOLDS = np.round(np.arange(0, 1.001, 0.02), 2)
_DRAWS = 300


def fit_fnir_curves(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
    origin: str,
    probes: Sequence[int] = (1,),
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
        probes: How many photos are fused to search with, rising from 1; each photo leads one such
            search, with others drawn to it.

    Returns:
        Levels for as many photos as 30 people have, those to search with not among them.

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
        _level(embeddings, identities, photos=(k, m), generator=generator)
        for k in probes
        for m in (PHOTO_LEVELS if k == 1 else FUSED_PHOTOS)
        if (counts >= k + m).sum() >= MIN_PEOPLE
    ]
    return FnirCurves(tuple(levels), origin)


def _level(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    photos: tuple[int, int],
    generator: np.random.Generator,
) -> FnirLevel:
    """``photos``: per probe, and per person."""
    people, counts = np.unique(identities, return_counts=True)
    shares, n_searches = [], 0
    for person in people[counts >= sum(photos)]:
        places = np.flatnonzero(identities == person)
        scores = _mate_scores(embeddings, places, photos, generator)
        shares.append((scores[:, None] < _THRESHOLDS).mean(axis=0))
        n_searches += len(scores)
    missed = np.array(shares)
    draws = resampled_means(missed, generator=generator)
    highs = [percentile_interval(column).high for column in draws.T]
    return FnirLevel(
        photos[1],
        len(missed),
        n_searches,
        _THRESHOLDS,
        np.maximum.accumulate(missed.mean(axis=0)),
        np.maximum.accumulate(np.maximum(highs, missed.mean(axis=0))),
        photos_per_probe=photos[0],
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


def _mate_scores(
    embeddings: Embeddings,
    places: npt.NDArray[np.int64],
    photos: tuple[int, int],
    generator: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Of each photo of a person, with others drawn to it, and a template of others again."""
    more = photos[0] - 1
    drawn = np.array(
        [
            generator.choice(places[places != place], more + photos[1], replace=False)
            for place in places
        ]
    )
    probes = embeddings.vectors[places]
    if more:
        probes = fuse_rows(embeddings, np.column_stack([drawn[:, :more], places]))
    templates = fuse_rows(embeddings, drawn[:, more:])
    return np.asarray((probes * templates).sum(axis=1), np.float32)

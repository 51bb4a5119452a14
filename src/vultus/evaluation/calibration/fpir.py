"""FPIR by gallery size and photos per person: counted, with a tail fit where counts run out."""

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration.searches import (
    BINS_PER_UNIT,
    StrangerSearches,
    stranger_searches,
)
from vultus.evaluation.calibration.tail import fit_pareto_tail
from vultus.matching.fpir_curves import FpirCurve, FpirCurves, PhotoLevel

PHOTO_LEVELS = (1, 2, 3, 5, 10, 20)
MIN_PEOPLE = 30
_MAX_SHARE = 0.5
"""Thresholds that more than half of all strangers reach are nobody's choice, and not kept."""

_POINTS_PER_DECADE = 8
_TAIL_ERRORS = 50
"""A rate on fewer false matches than this is read off the tail fit, not counted."""


def fit_fpir_curves(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
    origin: str,
) -> FpirCurves:
    """Measure everybody's photos against everybody else's templates of 1, 2, 3, 5, 10, 20 photos.

    Args:
        embeddings: One face a row.
        identities: (n,) int64, whose each is.
        generator: Source of randomness: which photos go into a template.
        origin: Where the faces come from, in words.

    Returns:
        Levels for as many photos as 30 people have.

    Raises:
        CalibrationError: If there are fewer than 30 people.
    """
    counts = np.unique(identities, return_counts=True)[1]
    if len(counts) < MIN_PEOPLE:
        raise CalibrationError(
            f"FPIR takes {MIN_PEOPLE} people to calibrate on, there are {len(counts)}: "
            f"{MIN_PEOPLE - len(counts)} more"
        )
    levels = [
        fit_level(
            stranger_searches(embeddings, identities, photos_per_person=k, generator=generator)
        )
        for k in PHOTO_LEVELS
        if (counts >= k).sum() >= MIN_PEOPLE
    ]
    return FpirCurves(tuple(levels), origin)


def fit_level(searches: StrangerSearches) -> PhotoLevel:
    """FPIR against the threshold at galleries of 1, 2, 5, 10 ... people."""
    sizes = _sizes(searches.largest)
    curves = []
    for size, rates in zip(sizes, searches.fpirs(sizes), strict=True):
        curves.append(_curve(size, rates, pairs=_pairs_of_people(searches)))
    return PhotoLevel(
        searches.photos_per_person,
        tuple(curves),
        len(searches.templates),
        searches.n_strangers,
        len(searches.probes),
    )


def _pairs_of_people(searches: StrangerSearches) -> float:
    enrolled = len(searches.templates)
    return enrolled * (enrolled - 1) / 2 + enrolled * (searches.n_strangers - enrolled)


def _sizes(largest: int) -> list[int]:
    steps = [step * 10**power for power in range(8) for step in (1, 2, 5)]
    return [*(size for size in steps if size < 0.9 * largest), largest]


def _curve(size: int, rates: npt.NDArray[np.float64], *, pairs: float) -> FpirCurve:
    """Thresholds at rates that fall in equal steps, down to where the pairs end (3 / pairs)."""
    smallest = min(3 * size / pairs, _MAX_SHARE / 2)
    n_points = max(2, 1 + round(_POINTS_PER_DECADE * float(np.log10(_MAX_SHARE / smallest))))
    wanted = np.geomspace(_MAX_SHARE, smallest, n_points)
    anchor = min(_TAIL_ERRORS * size / pairs, _MAX_SHARE)
    thresholds = np.where(wanted >= anchor, _counted(rates, wanted), _fitted(rates, wanted, anchor))
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(thresholds)) > 0])
    kept = rising & (thresholds <= 1)
    return FpirCurve(size, thresholds[kept], wanted[kept])


def _counted(
    rates: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Thresholds where a counted curve takes these rates, straight between bins in logarithms."""
    positive = int((rates > 0).sum())
    logs = np.log(rates[:positive])[::-1]
    edges = (np.arange(positive) / BINS_PER_UNIT - 1)[::-1]
    return np.interp(np.log(wanted), logs, edges)


def _fitted(
    rates: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], anchor: float
) -> npt.NDArray[np.float64]:
    """Thresholds at rates below ``anchor`` by a generalised Pareto tail that begins there."""
    start = float(_counted(rates, np.array([anchor]))[0])
    first = int(np.floor((start + 1) * BINS_PER_UNIT)) + 1
    bounds = np.concatenate([[start], np.arange(first, len(rates)) / BINS_PER_UNIT - 1])
    survival = np.concatenate([[anchor], rates[first:], [0.0]])
    middles = bounds - start + np.diff(np.append(bounds, 1.0)) / 2
    tail = fit_pareto_tail(middles, -np.diff(survival))
    return start + tail.quantile(np.minimum(wanted / anchor, 1.0))

"""The figures of BLUFR: mean and deviation over trials."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vultus.evaluation.measures.allpairs import AllPairs
from vultus.evaluation.measures.identification import open_set_curve
from vultus.evaluation.measures.intervals import Interval, mean_rate_interval, trials_interval
from vultus.evaluation.measures.rates import OperatingPoint, operating_point
from vultus.evaluation.measures.summary import default_fmr
from vultus.evaluation.protocols.figures import (
    IdentificationTrials,
    TrialFigures,
    VerificationTrials,
)
from vultus.evaluation.protocols.search_figures import GallerySearches, identified


def verification_figures(
    tables: Sequence[AllPairs],
    people: Sequence[npt.NDArray[np.int64]],
    *,
    far: float,
    generator: np.random.Generator,
) -> VerificationTrials | None:
    """TAR at a FAR over trials.

    Args:
        tables: All pairs of each trial's test set.
        people: (n,) int64 of each trial, who is on the photos of its test set; the same number for
            a person in every trial.
        far: The rate, or the strictest that every trial carries.
        generator: Source of randomness of the interval.

    Returns:
        The figures; None where the trials carry no rate at all.
    """
    rate = default_fmr(min(table.n_impostor for table in tables), usual=far)
    if rate is None:
        return None
    points = [operating_point(table.curve(), fmr=rate) for table in tables]
    n_people = 1 + max(int(numbers.max()) for numbers in people)
    hits = np.zeros((len(tables), n_people), np.int64)
    trials = np.zeros_like(hits)
    for row, (table, numbers, point) in enumerate(zip(tables, people, points, strict=True)):
        # A table numbers the people of its own test set, in their order.
        own = np.unique(numbers)
        matched = table.genuine_identities[table.genuine >= point.threshold]
        hits[row, own] = np.bincount(matched, minlength=len(own))
        trials[row, own] = table.genuine_trials
    interval = mean_rate_interval(hits, trials, generator=generator)
    return VerificationTrials(
        far=rate,
        tar=tuple(point.tar for point in points),
        n_genuine=tuple(table.n_genuine for table in tables),
        n_impostor=tuple(table.n_impostor for table in tables),
        **vars(_over_trials(points, interval)),
    )


def open_set_figures(
    galleries: Sequence[GallerySearches], *, fpir: float, generator: np.random.Generator
) -> IdentificationTrials | None:
    """Detection and identification rate at rank 1 over trials.

    Args:
        galleries: The searches of each trial.
        fpir: The rate, or the strictest that every trial carries.
        generator: Source of randomness of the interval.

    Returns:
        The figures; None where the trials carry no rate at all.
    """
    curves = [open_set_curve(gallery.searches) for gallery in galleries]
    rate = default_fmr(min(curve.n_impostor for curve in curves), usual=fpir)
    if rate is None:
        return None
    points = [operating_point(curve, fmr=rate) for curve in curves]
    found = [
        gallery.of_mates(identified(gallery.searches, point, rank=1))
        for gallery, point in zip(galleries, points, strict=True)
    ]
    interval = trials_interval(found, generator=generator)
    return IdentificationTrials(
        fpir=rate,
        rank=1,
        dir=tuple(point.tar for point in points),
        n_enrolled=tuple(gallery.n_enrolled for gallery in galleries),
        n_mated=tuple(curve.n_genuine for curve in curves),
        n_strangers=tuple(curve.n_impostor for curve in curves),
        **vars(_over_trials(points, interval)),
    )


def _over_trials(points: Sequence[OperatingPoint], interval: Interval) -> TrialFigures:
    rates = [point.tar for point in points]
    mean = float(np.mean(rates))
    std = float(np.std(rates, ddof=1)) if len(rates) > 1 else None
    return TrialFigures(
        mean=mean,
        std=std,
        mean_minus_std=None if std is None else mean - std,
        interval=interval,
        thresholds=tuple(point.finite_threshold for point in points),
    )

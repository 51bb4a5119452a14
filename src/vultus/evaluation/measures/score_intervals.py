"""Intervals of the figures that sum up two sets of scores: EER, AUC, d'."""

import math

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import (
    BOOTSTRAP_DRAWS,
    Z_95,
    Floats,
    Interval,
    percentile_interval,
    rate_bounds,
    resampled,
)
from vultus.evaluation.measures.rates import RocCurve, area_under_curve, crossing
from vultus.evaluation.measures.scores import Scores, check_scores

_LEVEL = 0.95


def equal_error_interval(curve: RocCurve) -> Interval:
    """95 % interval of the EER, comparisons taken as independent.

    Its ends are the equal error rates of the lower and of the upper bounds of FMR and FNMR
    (`rate_interval` at every threshold). At the true threshold both rates are the EER, so that
    two upper bounds that hold there cross at or above it.
    """
    fmr = rate_bounds(curve.n_false_matches, curve.n_impostor)
    fnmr = rate_bounds(curve.n_genuine - curve.n_true_matches, curve.n_genuine)
    low, high = (crossing(rising, falling) for rising, falling in zip(fmr, fnmr, strict=True))
    return Interval(low, high, _LEVEL, "Wilson bounds, crossed")


def area_interval(curve: RocCurve) -> Interval:
    """95 % interval of the AUC, comparisons taken as independent; exact on ties.

    On the scale of ``log(a / (1 - a))``, so that it stays in [0, 1]. Where no impostor reaches a
    genuine score there is no variance to see, and the rule of three of the smaller set stands in.

    Args:
        curve: Of `roc_curve`; one with thresholds left out counts scores between two as equal.

    Source:
        E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44, 1988.
    """
    area = area_under_curve(curve)
    matches, accepted = curve.n_false_matches, curve.n_true_matches
    genuine, impostor = np.diff(accepted), np.diff(matches)
    # Of a genuine score: the share of impostors below it, and half of those equal to it.
    below = 1 - (matches[:-1] + impostor / 2) / curve.n_impostor
    above = (accepted[:-1] + genuine / 2) / curve.n_genuine
    failed = curve.n_genuine - int(accepted[-1])
    variance = 0.0
    for places, counts, n in (
        (np.append(below, 0.0), np.append(genuine, failed), curve.n_genuine),
        (above, impostor, curve.n_impostor),
    ):
        if n > 1:
            variance += float(counts @ (places - area) ** 2) / (n - 1) / n
    if variance == 0 or not 0 < area < 1:
        bound = min(1.0, -math.log(1 - _LEVEL) / min(curve.n_genuine, curve.n_impostor))
        return Interval(max(0.0, area - bound), min(1.0, area + bound), _LEVEL, "rule of three")
    middle = math.log(area / (1 - area))
    half = Z_95 * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(middle + sign * half))) for sign in (-1, 1))
    return Interval(low, high, _LEVEL, "DeLong")


def d_prime_interval(
    genuine: Scores,
    impostor: Scores,
    *,
    genuine_people: npt.NDArray[np.int64],
    impostor_people: npt.NDArray[np.int64],
    generator: np.random.Generator,
    draws: int = BOOTSTRAP_DRAWS,
) -> Interval:
    """95 % interval of d' by the bootstrap over identities.

    A draw takes as many people as there are, with replacement; a comparison counts as often as its
    person came, one of two people as often as the product of both.

    Args:
        genuine: (g,) floating, finite.
        impostor: (i,) floating, finite.
        genuine_people: (g,) int64, whose each is.
        impostor_people: (i, 2) int64, the two people of each.
        generator: Source of randomness.
        draws: How many times to draw.

    Raises:
        InputError: If lengths do not match, or no draw held two scores of either kind that vary.
    """
    check_scores("genuine", genuine, failures=False)
    check_scores("impostor", impostor, failures=False)
    check_array("genuine_people", genuine_people, dtype=np.int64, shape=(len(genuine),))
    check_array("impostor_people", impostor_people, dtype=np.int64, shape=(len(impostor), 2))
    units, flat = np.unique(
        np.concatenate([genuine_people, impostor_people.ravel()]), return_inverse=True
    )
    own, pairs = flat[: len(genuine)], flat[len(genuine) :].reshape(-1, 2)

    def d_prime(came: Floats) -> float | None:
        g = _moments(genuine, came[own])
        i = _moments(impostor, came[pairs[:, 0]] * came[pairs[:, 1]])
        if g is None or i is None or g[1] + i[1] <= 0:
            return None
        return (g[0] - i[0]) / math.sqrt((g[1] + i[1]) / 2)

    values = resampled(d_prime, len(units), generator=generator, draws=draws)
    if not len(values):
        raise InputError("the bootstrap needs people whose scores vary, no draw held any")
    return percentile_interval(values)


def _moments(scores: Scores, weights: Floats) -> tuple[float, float] | None:
    """Mean and variance of scores that count several times; None for fewer than two."""
    total = float(weights.sum())
    if total < 2:
        return None
    mean = float(weights @ scores) / total
    return mean, float(weights @ (scores - mean) ** 2) / (total - 1)

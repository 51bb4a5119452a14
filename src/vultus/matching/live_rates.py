"""Whether strangers resemble the enrolled as the calibration says: live FPIR, and drift.

A search that ends in "unknown" has a position: the FPIR at which its best candidate would just have
been named (`vultus.matching.fpir_curves.FpirCurves.fpir` at its similarity). If those who are
unknown are strangers like the calibration's, positions are uniform between the FPIR of the
threshold and 1, whatever the gallery's size. How they really lie says what the rate is now.
"""

import math
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range

_BAND_FACTOR, _BAND_LEAST, _BAND_MOST = 10.0, 0.1, 0.5
"""The band above the threshold in which positions are counted: up to ten times its FPIR, at least
0.1; and at most 0.5, where curves begin."""

_EDGES = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0])
_LEAST_EXPECTED = 5.0
"""Expected in the band before a rate is told: fewer carry none."""

_Z = 1.96
_EXPONENTS = 0.01, 20.0
_BISECTIONS = 50

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LiveFpir:
    """The FPIR as the searches of late have it.

    Attributes:
        fpir: The estimate, in (0, 1).
        low: The lower end of its 95 % interval, of counting alone.
        high: The upper end.
        stated: What the calibration says of the same thresholds, on average.
        n_searches: Searches for unknown people that it stands on.
    """

    fpir: float
    low: float
    high: float
    stated: float
    n_searches: int


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the positions of unknown people are from the calibration's.

    Attributes:
        psi: Population stability index over seven bands of positions, at least 0. By custom up
            to 0.1 is no change, above 0.25 a large one; chance alone gives about 6 / n.
        ks: Largest difference between the two distributions at the bands' ends, in [0, 1].
        n_searches: Searches that it stands on.
    """

    psi: float
    ks: float
    n_searches: int


class UnknownSearches:
    """The last searches that named nobody; threads may share it.

    Args:
        most: How many are kept.

    Example:
        >>> seen = UnknownSearches()
        >>> for position in np.linspace(0.0101, 1, 1000):
        ...     seen.add(stated=0.01, position=position)
        >>> found = seen.live_fpir()
        >>> f"{found.fpir:.3f} of {found.stated:.3f} stated"
        '0.010 of 0.010 stated'
    """

    def __init__(self, most: int = 10_000) -> None:
        self._kept: deque[tuple[float, float]] = deque(maxlen=check_positive_int("most", most))
        self._lock = threading.Lock()

    def add(self, *, stated: float, position: float) -> None:
        """Note a search.

        Args:
            stated: FPIR of the threshold that was applied, by the calibration, in [0, 1].
            position: FPIR at the similarity of its best candidate, in [0, 1]; 1 where there was
                none.

        Raises:
            InputError: If a value is out of range.
        """
        check_range("stated", stated, low=0, high=1)
        check_range("position", position, low=0, high=1)
        with self._lock:
            self._kept.append((float(f"{stated:.3g}"), position))

    def live_fpir(self) -> LiveFpir | None:
        """The FPIR that the positions speak for; None where too few searches do.

        In the band just above the threshold so many are counted, and the exponent e is found with
        which as many are expected if P(position <= x) = x^e. The calibration holds where e is 1;
        the rate beyond the threshold is then stated^e. It is assumed that who is unknown is a
        stranger (enrolled people who were missed lie in the band, too, and make it higher), that
        the tail goes on as it begins, and that searches are independent: one person before a
        camera for an hour is one person many times.
        """
        stated, positions = self._arrays()
        fit = (stated > 0) & (stated < _BAND_MOST / 2)
        stated, positions = stated[fit], positions[fit]
        ends = _band_end(stated)
        rates, counts = np.unique(stated, return_counts=True)
        if _expected(1.0, rates, counts) < _LEAST_EXPECTED:
            return None
        seen = int(((positions > stated) & (positions <= ends)).sum())
        # A lower count speaks for a higher exponent, and for a lower rate.
        fpir, low, high = (
            float(np.average(rates ** _exponent(count, rates, counts), weights=counts))
            for count in (float(seen), *_poisson_interval(seen))
        )
        return LiveFpir(fpir, low, high, float(stated.mean()), len(stated))

    def drift(self) -> Drift | None:
        """How far the positions are from uniform; None without searches."""
        stated, positions = self._arrays()
        fit = stated < _EDGES[-2]
        stated, positions = stated[fit], np.maximum(positions, stated)[fit]
        n = len(stated)
        if not n:
            return None
        lows = np.maximum(_EDGES[:-1, None], stated)
        widths = np.maximum(_EDGES[1:, None] - lows, 0) / (1 - stated)
        expected = widths.sum(axis=1) / n
        # As np.histogram, but a band has its upper end: a position at a threshold is above it.
        places = np.clip(np.searchsorted(_EDGES, positions) - 1, 0, len(_EDGES) - 2)
        seen = np.bincount(places, minlength=len(_EDGES) - 1) / n
        ks = float(np.abs(np.cumsum(seen) - np.cumsum(expected)).max())
        known = expected > 0
        least = 0.5 / n  # an empty band is no infinite surprise
        a, b = np.maximum(seen[known], least), np.maximum(expected[known], least)
        return Drift(float(((a - b) * np.log(a / b)).sum()), ks, n)

    def _arrays(self) -> tuple[Floats, Floats]:
        with self._lock:
            kept = np.array(self._kept, np.float64).reshape(-1, 2)
        return kept[:, 0], kept[:, 1]


def _band_end(stated: Floats) -> Floats:
    return np.minimum(np.maximum(_BAND_FACTOR * stated, _BAND_LEAST), _BAND_MOST)


def _expected(exponent: float, rates: Floats, counts: npt.NDArray[np.int64]) -> float:
    """How many of the searches lie in their bands."""
    below = rates**exponent
    shares = (_band_end(rates) ** exponent - below) / (1 - below)
    return float((shares * counts).sum())


def _exponent(seen: float, rates: Floats, counts: npt.NDArray[np.int64]) -> float:
    """With which so many are expected; the end of its range where none does."""
    low, high = _EXPONENTS
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        if _expected(middle, rates, counts) > seen:
            low = middle
        else:
            high = middle
    return high


def _poisson_interval(count: int) -> tuple[float, float]:
    """Byar's approximation of the 95 % interval (Rothman and Boice 1979)."""

    def end(n: int, z: float) -> float:
        return n * (1 - 1 / (9 * n) + z / (3 * math.sqrt(n))) ** 3 if n else 0.0

    return max(end(count, -_Z), 0.0), end(count + 1, _Z)

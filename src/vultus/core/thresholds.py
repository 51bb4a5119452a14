"""Thresholds on similarity, each with the false match rate that it was measured at."""

import dataclasses
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import CalibrationError, InputError
from vultus.core.text import argument, rounded_up

_ROUNDING = 1e-3
"""Rates are written down rounded."""

COUNTED_PAIRS, EXTRAPOLATED_PAIRS = 3.0, 0.1
"""To how many of the comparisons a rate must amount at least, to be counted and to be read off the
fitted tail of their scores: the rule of three, and a tenth of one comparison."""


@dataclass(frozen=True, slots=True)
class SearchRates:
    """What to expect of a search among the people of a gallery, at its threshold.

    Attributes:
        fpir: The false positive identification rate asked for, in (0, 1).
        fpir_high: The upper end of its 95 % interval, people drawn anew; None where it was not
            measured (comparisons taken as independent).
        fnir: The share of searches for enrolled people that miss them (similarity below the
            threshold), in [0, 1]; None where nobody measured it.
        fnir_high: The upper end of its 95 % interval, the highest among the kinds of people that
            were measured; None likewise.
        fnir_origin: On whose photos, in words.
    """

    fpir: float
    fpir_high: float | None = None
    fnir: float | None = None
    fnir_high: float | None = None
    fnir_origin: str = ""

    def __str__(self) -> str:
        said = f"FPIR {self.fpir:.2g}"
        said += "" if self.fpir_high is None else f" (at most {self.fpir_high:.2g})"
        if self.fnir is None:
            return f"{said}; nobody measured how many of the enrolled are missed"
        high = "" if self.fnir_high is None else f" (up to {self.fnir_high:.0%})"
        return f"{said}; misses {self.fnir:.0%}{high} of the enrolled, {self.fnir_origin}"

    def to_dict(self) -> dict[str, Any]:
        """The fields, fit for JSON."""
        return {
            "fpir": self.fpir,
            "fpir_high": self.fpir_high,
            "fnir": self.fnir,
            "fnir_high": self.fnir_high,
            "fnir_origin": self.fnir_origin,
        }


@dataclass(frozen=True, slots=True)
class Threshold:
    """A decision rule: "same person" when the similarity is at least ``similarity``.

    Attributes:
        similarity: Cosine similarity in [-1, 1].
        fmr: False match rate in [0, 1] that is promised at this threshold; None if nobody measured
            it (a threshold set by hand). Where it is extrapolated, the upper end of its interval.
        n_impostor: How many impostor comparisons the rate was measured on; None with ``fmr`` None.
        origin: Where the number comes from, in words.
        n_false: How many of these comparisons reached the threshold; None where that is not told.
        fmr_by_tail: The rate itself by a Pareto tail fitted to the highest scores, where counting
            ends; None where ``fmr`` was counted.
        search: With the threshold of a gallery: what to expect there. None for a comparison.
    """

    similarity: float
    fmr: float | None = None
    n_impostor: int | None = None
    origin: str = "set by hand"
    n_false: int | None = None
    fmr_by_tail: float | None = None
    search: SearchRates | None = None

    def __post_init__(self) -> None:
        check_range("threshold similarity", self.similarity, low=-1, high=1)
        if (self.fmr is None) != (self.n_impostor is None):
            raise InputError(
                "a threshold states fmr and n_impostor together or neither, "
                f"got fmr={self.fmr} and n_impostor={self.n_impostor}"
            )
        if self.fmr is not None and self.n_impostor is not None:
            check_range("fmr", self.fmr, low=0, high=1)
            check_positive_int("n_impostor", self.n_impostor)
        self._check_evidence()

    def _check_evidence(self) -> None:
        if self.n_false is not None and not 0 <= self.n_false <= (self.n_impostor or 0):
            raise InputError(
                f"n_false must be 0 to n_impostor ({self.n_impostor}), got {self.n_false}"
            )
        if self.fmr_by_tail is not None and not 0 <= self.fmr_by_tail <= (self.fmr or 0):
            raise InputError(
                "fmr_by_tail must be 0 to fmr, the upper end of its interval "
                f"({self.fmr}), got {self.fmr_by_tail}"
            )

    @property
    def extrapolated(self) -> bool:
        """Whether ``fmr`` is read off a fitted tail, beyond what was counted."""
        return self.fmr_by_tail is not None

    def raised(self, by: float) -> "Threshold":
        """The same rule for faces that need more similarity: what is stated holds all the more.

        Args:
            by: How much, at least 0.
        """
        check_range("by", by, low=0, high=2)
        return dataclasses.replace(self, similarity=min(1.0, self.similarity + by))

    def __str__(self) -> str:
        if self.fmr is None:
            return f"{self.similarity:.4f} (no false match rate known: {self.origin})"
        if self.fmr_by_tail is not None:
            seen = "" if self.n_false is None else f", of which {self.n_false} reach it"
            return (
                f"{self.similarity:.4f} (FMR {self.fmr:.1e} at most, {self.fmr_by_tail:.1e} by the "
                f"fitted tail of {self.n_impostor:,} impostor pairs{seen}; {self.origin})"
            )
        return (
            f"{self.similarity:.4f} (FMR {self.fmr:.1e} on {self.n_impostor:,} impostor pairs, "
            f"{self.origin})"
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields but ``search``, fit for JSON; what is not known is left out."""
        values: dict[str, Any] = {
            "similarity": self.similarity,
            "fmr": self.fmr,
            "n_impostor": self.n_impostor,
            "origin": self.origin,
        }
        if self.n_false is not None:
            values["n_false"] = self.n_false
        if self.fmr_by_tail is not None:
            values["fmr_by_tail"] = self.fmr_by_tail
        return values


@dataclass(frozen=True, slots=True)
class ThresholdTable:
    """The thresholds of one model at several measured false match rates.

    Nothing is interpolated, and extrapolated only where a point says so itself: `at_fmr` answers
    with a point whose rate is at most the one asked for, or refuses.

    Attributes:
        points: Measured thresholds, in any order.

    Raises:
        InputError: If a point states a rate that its comparisons cannot carry (fewer than
            3 / fmr, the rule of three; 0.1 / fmr where it is extrapolated) or that no faces have,
            or a higher threshold states a higher rate than a lower one.
    """

    points: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        if any(point.fmr is None for point in self.points):
            raise InputError(
                "every threshold of a table must state the fmr that it was measured at"
            )
        ordered = tuple(sorted(self.points, key=lambda point: point.similarity))
        for point in ordered:
            _check_claim(point)
        rates = [stated_rate(point) for point in ordered]
        if rates != sorted(rates, reverse=True):
            raise InputError(f"a higher threshold cannot have a higher FMR, got {rates}")
        for before, after in pairwise(ordered):
            if before.similarity == after.similarity:
                raise InputError(f"one threshold must have one FMR, got {before} and {after}")
        object.__setattr__(self, "points", ordered)

    def at_fmr(self, fmr: float) -> Threshold:
        """The lowest measured threshold whose false match rate is at most ``fmr``.

        Args:
            fmr: Target false match rate in (0, 1].

        Raises:
            InputError: If ``fmr`` is outside (0, 1].
            CalibrationError: If no measured point is that strict.
        """
        check_range("fmr", fmr, low=0, high=1, low_open=True)
        for point in self.points:
            if stated_rate(point) <= fmr:
                return point
        if not self.points:
            raise CalibrationError(
                "this model has no calibrated thresholds; decide by "
                f"{argument('threshold')}, set by hand, or calibrate it (`vultus calibrate`)"
            )
        strictest = self.points[-1]
        least = argument("fmr", float(rounded_up(stated_rate(strictest), digits=3)))
        raise CalibrationError(
            f"no threshold is measured at FMR <= {fmr:.3g}; the strictest known is {strictest}. "
            f"Ask for that ({least}), decide by {argument('threshold')}, set by hand, or calibrate "
            "on more people (`vultus calibrate`)"
        )

    def per_decade(self) -> float | None:
        """How much higher a threshold is for a tenth of the false match rate, on average.

        Returns:
            The mean step between the counted points of FMR 1e-2 to 1e-4, in cosine similarity,
            above 0: how close together a model's similarities lie. None where there are not two.
        """
        usual = [p for p in self.points if not p.extrapolated and 9e-5 <= stated_rate(p) <= 1.1e-2]
        if len(usual) < 2:
            return None
        first, last = usual[0], usual[-1]
        decades = math.log10(stated_rate(first) / stated_rate(last))
        return (last.similarity - first.similarity) / decades if decades > 0 else None


def smallest_claim(n: int) -> float:
    """The lowest rate that ``n`` comparisons can carry: 3 / n (rule of three at 95 %)."""
    return COUNTED_PAIRS / check_positive_int("n", n)


def smallest_extrapolation(n: int) -> float:
    """The lowest rate that may be read off the fitted tail of ``n`` comparisons: 0.1 / n."""
    return EXTRAPOLATED_PAIRS / check_positive_int("n", n)


def _check_claim(point: Threshold) -> None:
    rate, n_impostor = stated_rate(point), point.n_impostor or 1
    smallest = smallest_extrapolation if point.extrapolated else smallest_claim
    carried = min(1.0, smallest(n_impostor))
    if rate < carried * (1 - _ROUNDING):
        bound = (
            "0.1 / n_impostor, however it is extrapolated"
            if point.extrapolated
            else "3 / n_impostor (the rule of three)"
        )
        raise InputError(
            f"a threshold's fmr must be at least {bound}, got {point}: "
            f"{n_impostor:,} comparisons carry {carried:.2g}"
        )
    # The cosines of all pairs of unit vectors are not below 0 on average, so that at t < 0 a share
    # of at least |t| / (1 + |t|) is accepted.
    below = max(0.0, -point.similarity)
    least = below / (1 + below)
    if rate < least * (1 - _ROUNDING):
        raise InputError(
            f"a threshold of {point.similarity:g} accepts at least {least:.2g} of all strangers, "
            f"got {point}"
        )


def stated_rate(point: Threshold) -> float:
    """The false match rate of a point of a table; 1 where none is known."""
    return 1.0 if point.fmr is None else point.fmr

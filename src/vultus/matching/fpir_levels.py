"""FPIR against the threshold, at some numbers of photos: what `FpirCurves` is made of."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_similarities
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.core.settings_reader import Numbers


@dataclass(frozen=True, slots=True, eq=False)
class FpirCurve:
    """FPIR against the threshold, for one size of gallery.

    Attributes:
        size: How many people are enrolled.
        similarities: (k,) float64 thresholds, rising.
        fpirs: (k,) float64 in (0, 1), falling.

    Raises:
        InputError: If shapes, dtypes, orders or ranges are others.
    """

    size: int
    similarities: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    fpirs: Annotated[npt.NDArray[np.float64], Numbers("float64")]

    def __post_init__(self) -> None:
        check_positive_int("size", self.size)
        check_array("similarities", self.similarities, dtype=np.float64, shape=("k",))
        check_array("fpirs", self.fpirs, dtype=np.float64, shape=self.similarities.shape)
        ordered = (np.diff(self.similarities) > 0).all() and (np.diff(self.fpirs) < 0).all()
        if not len(self.fpirs) or not ordered:
            raise InputError("a curve must hold rising similarities with falling fpirs, got others")
        check_similarities("similarities", self.similarities)
        if not 0 < self.fpirs[-1] <= self.fpirs[0] < 1:
            raise InputError("fpirs must be in (0, 1), got others")
        freeze_arrays(self)

    def log_hazard(self, similarity: float) -> float:
        """ln(-ln(1 - FPIR)) at a threshold; never lower than what was measured.

        Below the first threshold the rate may be anything (``inf``); above the last it is at most
        the last one's.
        """
        if similarity < self.similarities[0]:
            return math.inf
        logs = np.log(-np.log1p(-self.fpirs))
        return float(np.interp(similarity, self.similarities, logs))


@dataclass(frozen=True, slots=True, eq=False)
class RateSpread:
    """How far a rate may lie from what was measured, by the threshold: 95 %, people drawn anew.

    Attributes:
        similarities: (k,) float64 thresholds, rising.
        lows: (k,) float64, the lower end of the false match rate there, over the rate: in [0, 1].
        highs: (k,) float64, the upper end over the rate: at least 1.

    Raises:
        InputError: If shapes, dtypes, orders or ranges are others.
    """

    similarities: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    lows: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    highs: Annotated[npt.NDArray[np.float64], Numbers("float64")]

    def __post_init__(self) -> None:
        check_array("similarities", self.similarities, dtype=np.float64, shape=("k",))
        if not len(self.similarities) or not (np.diff(self.similarities) > 0).all():
            raise InputError("similarities must be rising, at least one, got others")
        check_similarities("similarities", self.similarities)
        for name in ("lows", "highs"):
            check_array(name, getattr(self, name), dtype=np.float64, shape=self.similarities.shape)
        if not ((self.lows >= 0) & (self.lows <= 1) & (self.highs >= 1)).all():
            raise InputError("lows must be in [0, 1] and highs at least 1, got others")
        freeze_arrays(self)

    def factors(self, similarity: float) -> tuple[float, float]:
        """Lower and upper end over the rate at a threshold; beyond the ends as there."""
        low = float(np.interp(similarity, self.similarities, self.lows))
        return low, float(np.interp(similarity, self.similarities, self.highs))


@dataclass(frozen=True, slots=True)
class PhotoLevel:
    """What was measured with templates of so many photos each.

    Attributes:
        photos_per_person: How many photos were fused into each template.
        curves: At rising gallery sizes.
        n_people: How many people had a template.
        n_strangers: How many people were searched for.
        n_searches: With how many photos.

    Raises:
        InputError: If there is no curve, sizes do not rise, or a count is not positive.
    """

    photos_per_person: int
    curves: tuple[FpirCurve, ...]
    n_people: int
    n_strangers: int
    n_searches: int

    def __post_init__(self) -> None:
        for name in ("photos_per_person", "n_people", "n_strangers", "n_searches"):
            check_positive_int(name, getattr(self, name))
        sizes = [curve.size for curve in self.curves]
        if not sizes or sizes != sorted(set(sizes)):
            raise InputError(f"curves must be of rising sizes, got {sizes}")
        if self.n_searches < self.n_strangers:
            raise InputError(
                f"n_searches must be at least n_strangers ({self.n_strangers}), each was searched "
                f"for, got {self.n_searches}"
            )

    @property
    def largest(self) -> int:
        """The largest gallery that was measured directly."""
        return self.curves[-1].size

    def stretched(self, factor: float, *, photos_per_person: int | None = None) -> "PhotoLevel":
        """The same rates at thresholds farther from zero by a factor.

        Args:
            factor: By how much, above 0.
            photos_per_person: Of whom it speaks then; None leaves it.
        """
        curves = []
        for curve in self.curves:
            ends = np.where(curve.similarities > 0, factor, 1 / factor)
            thresholds = curve.similarities * ends
            kept = thresholds <= 1
            curves.append(FpirCurve(curve.size, thresholds[kept], curve.fpirs[kept]))
        photos = self.photos_per_person if photos_per_person is None else photos_per_person
        return replace(self, photos_per_person=photos, curves=tuple(curves))

    def hazard(self, similarity: float, *, gallery_size: int) -> float:
        """-ln(1 - FPIR) in a gallery of N people.

        Between measured sizes on straight lines of logarithms. Beyond the largest, n, it grows
        with N / n: as if other people resembled other strangers, though they resemble the same
        ones. That is an upper bound (Jensen: E (1 - q)^N >= (E (1 - q)^n)^(N / n)).
        """
        after = bisect_left(self.curves, gallery_size, key=lambda curve: curve.size)
        if after == len(self.curves):
            return math.exp(self.curves[-1].log_hazard(similarity)) * gallery_size / self.largest
        above = self.curves[after]
        below = self.curves[max(after - 1, 0)]
        logs = below.log_hazard(similarity), above.log_hazard(similarity)
        if above.size == below.size or math.inf in logs:
            return math.exp(logs[1])
        share = math.log(gallery_size / below.size) / math.log(above.size / below.size)
        return math.exp(logs[0] + share * (logs[1] - logs[0]))

"""How often a stranger resembles somebody of a gallery, by its size and its photos per person.

Measured by `vultus.evaluation.calibration`, used where an identification needs its threshold.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import CalibrationError, InputError
from vultus.core.text import argument, rounded_up
from vultus.core.thresholds import COUNTED_PAIRS, SearchRates, Threshold
from vultus.matching.fpir_levels import PhotoLevel, RateSpread
from vultus.matching.stretch import Stretch, stretch_of, unmeasured

_OF_USE = 0.5
"""Where every second stranger is given a name, the rate is not offered."""
_BISECTIONS = 60
_ROUNDING = 1e-12
"""So that 3 / 49 is carried by 49 people."""

_MOST_PEOPLE = 10**12


def people_for_fpir(fpir: float, *, gallery_size: int, least_pairs: float = COUNTED_PAIRS) -> int:
    """How many people a calibration needs to carry an FPIR: the rule of three, twice.

    Every person is a stranger once and enrolled once. So many strangers must be searched that
    3 / n <= fpir, and so many pairs of people be compared that 3 / pairs <= fpir / N. More
    than 10^12 are not told apart: nobody has them.

    Args:
        fpir: In (0, 1).
        gallery_size: N, how many people are enrolled.
        least_pairs: To how many pairs of people a rate must amount; fewer than 3 where a fitted
            tail is followed (`FpirCurves.least_pairs`).

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> people_for_fpir(0.01, gallery_size=100), people_for_fpir(0.01, gallery_size=4000)
        (300, 1550)
    """
    check_range("fpir", fpir, low=0, high=1, low_open=True, high_open=True)
    check_positive_int("gallery_size", gallery_size)
    pairs = least_pairs * gallery_size / fpir
    wanted = max(3 / fpir, (1 + math.sqrt(1 + 8 * pairs)) / 2)
    if wanted >= _MOST_PEOPLE:  # infinitely many, for the smallest of numbers
        return _MOST_PEOPLE
    n = max(2, math.floor(wanted) - 1)
    while smallest_fpir(n, gallery_size=gallery_size, least_pairs=least_pairs) > fpir * (
        1 + _ROUNDING
    ):
        n += 1
    return n


def smallest_fpir(n_people: int, *, gallery_size: int, least_pairs: float = COUNTED_PAIRS) -> float:
    """The lowest FPIR that so many people carry; may be above 1."""
    if n_people < 2:
        return math.inf
    return max(3 / n_people, 2 * least_pairs * gallery_size / (n_people * (n_people - 1)))


@dataclass(frozen=True, slots=True)
class FpirCurves:
    """FPIR by threshold, gallery size and photos per person.

    Attributes:
        levels: At rising numbers of photos per person, the first with one photo.
        origin: Where the numbers come from, in words.
        spread: How uncertain the rates are; None where that was not measured.
        least_pairs: To how many pairs of people a rate must amount to be carried: 3 where they are
            counted, 0.1 where the curves follow a tail fitted to the highest scores.
        stretches: By how much thresholds rise where photos of the probe or of the enrolled are
            fused, at every pair of some numbers of photos; empty where nobody measured it.

    Raises:
        InputError: If the levels are others.
    """

    levels: tuple[PhotoLevel, ...]
    origin: str
    spread: RateSpread | None = None
    least_pairs: float = COUNTED_PAIRS
    stretches: tuple[Stretch, ...] = ()

    def __post_init__(self) -> None:
        counts = [level.photos_per_person for level in self.levels]
        if counts[:1] != [1] or counts != sorted(set(counts)):
            raise InputError(f"levels must be of rising photos per person from 1, got {counts}")

    def for_probes(
        self, photos_per_probe: int, *, stretches: Sequence[Stretch] | None = None
    ) -> "FpirCurves":
        """The curves where so many photos of each stranger are fused before they are searched.

        Args:
            photos_per_probe: How many; more than were measured count as the most that were.
            stretches: What was measured of that; None takes those of these curves.

        Raises:
            InputError: If the number is not positive.
            CalibrationError: If several photos were not measured.
        """
        if check_positive_int("photos_per_probe", photos_per_probe) == 1:
            return self
        known = self.stretches if stretches is None else stretches
        levels = []
        for level in self.levels:
            both, alone = (
                stretch_of(known, photos_per_probe=k, photos_per_person=level.photos_per_person)
                for k in (photos_per_probe, 1)
            )
            if both is None or alone is None:
                raise CalibrationError(unmeasured(photos_per_probe))
            levels.append(level.stretched(max(1.0, both.factor / alone.factor)))
        counts = sorted({x.photos_per_probe for x in known})
        # As `stretch_of` takes them: the next more, or the most.
        as_many = next((k for k in counts if k >= photos_per_probe), counts[-1])
        n = min(x.n_people for x in known if x.photos_per_probe == as_many)
        taken = "" if as_many == photos_per_probe else f" taken as {as_many}"
        origin = f"{photos_per_probe} photos of the probe{taken} fused, as of {n:,} people"
        return replace(
            self,
            levels=tuple(levels),
            origin=f"{origin}; {self.origin}",
            spread=self._spread_for(photos_per_probe, known),
        )

    def _spread_for(self, photos_per_probe: int, known: Sequence[Stretch]) -> RateSpread | None:
        """The spread, wider by what is not known of the factor."""
        factor = stretch_of(known, photos_per_probe=photos_per_probe, photos_per_person=1)
        if self.spread is None or factor is None:
            return None
        curve = self.levels[0].curves[0]
        single = self.spread.similarities
        here, above, below = (
            np.interp(single * by, curve.similarities, np.log(-np.log1p(-curve.fpirs)))
            for by in (1.0, factor.factor / factor.high, factor.factor / factor.low)
        )
        return RateSpread(
            np.minimum(single * factor.factor, 1 - 1e-9 * np.arange(len(single))[::-1]),
            self.spread.lows * np.exp(np.minimum(below - here, 0)),
            self.spread.highs * np.exp(np.maximum(above - here, 0)),
        )

    def fpir(self, similarity: float, *, people_by_photos: Mapping[int, int]) -> float:
        """The chance that a stranger is given a name, in [0, 1].

        Args:
            similarity: The threshold.
            people_by_photos: Photos per person -> how many people have so many. A number between
                two measured ones counts as the higher, one above all as the highest.

        Raises:
            InputError: If a count is not a positive integer, or there are none.
        """
        _check_counts(people_by_photos)
        shares = _shares(people_by_photos, self.levels)
        size = sum(people_by_photos.values())
        return -math.expm1(-self._hazard(similarity, shares, gallery_size=size))

    def interval(self, fpir: float, *, gallery_size: int) -> tuple[float, float] | None:
        """The 95 % interval of an FPIR among so many people; None where it was not measured."""
        if self.spread is None:
            return None
        hazard = -math.log1p(-fpir)
        # Where single photos have that rate: the uncertainty was measured on these.
        single = self._lowest(hazard, {self.levels[0]: 1.0}, gallery_size=gallery_size)
        low, high = self.spread.factors(single)
        return -math.expm1(-hazard * low), -math.expm1(-hazard * high)

    def threshold(self, fpir: float, *, people_by_photos: Mapping[int, int]) -> Threshold:
        """The lowest threshold that keeps the FPIR of a gallery at or below a target.

        Args:
            fpir: Target in (0, 1).
            people_by_photos: As in `fpir`. Where too few people had as many photos to carry the
                target, the largest number that does carry it stands in; ``origin`` says so.

        Returns:
            Its ``fmr`` is that of one photo of a stranger against one template.

        Raises:
            InputError: If an argument is out of range.
            CalibrationError: If the people of the calibration cannot carry it; the message says
                how many it takes.
        """
        _check_counts(people_by_photos)
        size = sum(people_by_photos.values())
        levels = self.carrying(fpir, gallery_size=size)
        shares = _shares(people_by_photos, levels)
        target = -math.log1p(-fpir)
        high = max(float(x.curves[-1].similarities[-1]) for x in levels)
        if self._hazard(high, shares, gallery_size=size) > target:
            raise CalibrationError(
                f"no similarity up to {high:.4f} keeps FPIR {fpir:.3g} among {size:,} people "
                f"({self.origin}). Strangers that alike are often one person under two names: "
                "look at the most similar pairs of the calibration's photos"
            )
        high = self._lowest(target, shares, gallery_size=size)
        fmr = -math.expm1(-self._hazard(high, shares, gallery_size=1))
        n = min(level.n_searches * (level.n_people - 1) for level in shares)
        most = levels[-1].photos_per_person
        notes = [f"FPIR {fpir:.3g} among {size:,} people"]
        if size > levels[0].largest:
            notes.append(f"extrapolated from {levels[0].largest:,}")
        counted = people_for_fpir(fpir, gallery_size=size)
        if min(level.n_people for level in shares) < counted:
            notes.append("by a tail fitted beyond what is counted")
        if max(people_by_photos) > most:
            notes.append(f"more than {most} photo(s) each taken as {most}")
        ends = self.interval(fpir, gallery_size=size)
        rates = SearchRates(fpir, None if ends is None else ends[1])
        origin = f"{', '.join(notes)}; {self.origin}"
        return Threshold(high, min(fmr, 1.0), n, origin, search=rates)

    def _lowest(
        self, hazard: float, shares: Mapping[PhotoLevel, float], *, gallery_size: int
    ) -> float:
        """The lowest threshold with at most this hazard; the highest known where none has."""
        low, high = -1.0, max(float(x.curves[-1].similarities[-1]) for x in shares)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if self._hazard(middle, shares, gallery_size=gallery_size) > hazard:
                low = middle
            else:
                high = middle
        return high

    def carrying(self, fpir: float, *, gallery_size: int) -> tuple[PhotoLevel, ...]:
        """The levels on people enough for a rate in a gallery of so many people.

        Raises:
            InputError: If an argument is out of range.
            CalibrationError: If there is none; the message says how many people it takes.
        """
        needed = people_for_fpir(fpir, gallery_size=gallery_size, least_pairs=self.least_pairs)
        levels = tuple(level for level in self.levels if level.n_people >= needed)
        if not levels:
            raise self._refusal(fpir, gallery_size)
        return levels

    def _refusal(self, fpir: float, size: int) -> CalibrationError:
        n = self.levels[0].n_people
        reach = smallest_fpir(n, gallery_size=size, least_pairs=self.least_pairs)
        carried = ""
        if reach < _OF_USE:
            said = rounded_up(reach)
            carried = f"They carry FPIR {said}: ask for that ({argument('fpir', float(said))}), "
        return CalibrationError(
            f"FPIR {fpir:.3g} among {size:,} people takes a calibration on "
            f"{people_for_fpir(fpir, gallery_size=size, least_pairs=self.least_pairs):,} people; "
            f"this one stands on {n:,} "
            f"({self.origin}). {carried}decide by {argument('threshold')}, set by hand, or "
            "calibrate on more people (`vultus calibrate`)"
        )

    def _hazard(
        self, similarity: float, shares: Mapping[PhotoLevel, float], *, gallery_size: int
    ) -> float:
        """Of a mixed gallery: the levels' hazards, each by its share of the people.

        For each level the highest among levels of as many photos or fewer: people with many
        photos are few and may be others than those with one, and a threshold must not fall
        because somebody brings another photo.
        """
        total, highest = 0.0, 0.0
        for level in self.levels:
            highest = max(highest, level.hazard(similarity, gallery_size=gallery_size))
            if level in shares:
                total += shares[level] * highest
        return total

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON; what older files do not have is left out where it is as in those."""
        more: dict[str, Any] = {}
        if self.spread is not None:
            more["spread"] = {
                "similarities": self.spread.similarities.tolist(),
                "lows": self.spread.lows.tolist(),
                "highs": self.spread.highs.tolist(),
            }
        if self.least_pairs != COUNTED_PAIRS:
            more["least_pairs"] = self.least_pairs
        if self.stretches:
            more["stretches"] = [stretch.to_dict() for stretch in self.stretches]
        return more | {
            "origin": self.origin,
            "levels": [
                {
                    "photos_per_person": level.photos_per_person,
                    "n_people": level.n_people,
                    "n_strangers": level.n_strangers,
                    "n_searches": level.n_searches,
                    "curves": [
                        {
                            "size": curve.size,
                            "similarities": curve.similarities.tolist(),
                            "fpirs": curve.fpirs.tolist(),
                        }
                        for curve in level.curves
                    ],
                }
                for level in self.levels
            ],
        }


def _check_counts(people_by_photos: Mapping[int, int]) -> None:
    if not people_by_photos:
        raise InputError("people_by_photos must name at least one person, got none")
    for photos, people in people_by_photos.items():
        check_positive_int("photos per person", photos)
        check_positive_int("people", people)


def _shares(
    people_by_photos: Mapping[int, int], levels: tuple[PhotoLevel, ...]
) -> dict[PhotoLevel, float]:
    size = sum(people_by_photos.values())
    shares: dict[PhotoLevel, float] = {}
    for photos, people in people_by_photos.items():
        above = [level for level in levels if level.photos_per_person >= photos]
        level = above[0] if above else levels[-1]
        shares[level] = shares.get(level, 0.0) + people / size
    return shares

"""By how much thresholds rise when several photos of the probe, or of the enrolled, are fused.

Noise that differs from photo to photo draws all similarities towards zero. Fusing photos takes it
away: people look more like themselves, and strangers that look alike do so more, too. A threshold
that was measured on single photos must rise by a factor to keep its rate; that factor is measured
by `vultus.evaluation.calibration.stretch`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vultus.core.checks import check_positive_int
from vultus.core.errors import CalibrationError, InputError
from vultus.core.text import argument
from vultus.core.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was measured of so many photos against so many.

    Attributes:
        photos_per_probe: How many photos of the stranger were fused.
        photos_per_person: How many photos of the enrolled person were fused.
        factor: Thresholds over those of one photo against one, at the same rate; at least 1.
        low: Lower end of its 95 % interval, people drawn anew.
        high: Upper end.
        n_people: How many people had so many photos.

    Raises:
        InputError: If the numbers are others.
    """

    photos_per_probe: int
    photos_per_person: int
    factor: float
    low: float
    high: float
    n_people: int

    def __post_init__(self) -> None:
        for name in ("photos_per_probe", "photos_per_person", "n_people"):
            check_positive_int(name, getattr(self, name))
        if not 0 < self.low <= self.factor <= self.high or self.factor < 1:
            raise InputError(
                "a stretch must have 0 < low <= factor <= high and factor at least 1, got "
                f"{self.low}, {self.factor}, {self.high}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The fields, fit for JSON."""
        return asdict(self)


ONE_PHOTO_EACH = Stretch(1, 1, 1.0, 1.0, 1.0, 1)


def stretch_of(
    stretches: Iterable[Stretch], *, photos_per_probe: int, photos_per_person: int
) -> Stretch | None:
    """What was measured of so many photos, or of the next more; of the most where none is more.

    Args:
        stretches: At every pair of some numbers of photos.
        photos_per_probe: Of the stranger.
        photos_per_person: Of the enrolled person.

    Returns:
        None where several photos meet and nothing was measured.
    """
    if photos_per_probe == photos_per_person == 1:
        return ONE_PHOTO_EACH
    known = {(x.photos_per_probe, x.photos_per_person): x for x in stretches}
    if not known:
        return None
    probes = _next_more(sorted({k for k, _ in known}), photos_per_probe)
    people = _next_more(sorted({m for _, m in known}), photos_per_person)
    return known.get((probes, people))


@dataclass(frozen=True, slots=True)
class Stretches:
    """What is known of several photos fused, from two sides.

    Attributes:
        of_site: Measured on this site's people.
        of_model: Measured of the model, on others.
    """

    of_site: tuple[Stretch, ...] = ()
    of_model: tuple[Stretch, ...] = ()

    def of_probes(self, photos_per_probe: int) -> tuple[Stretch, ...]:
        """The site's, unless only the model's have so many photos of the probe, or more of them."""
        site, model = (
            max((x.photos_per_probe for x in part), default=0)
            for part in (self.of_site, self.of_model)
        )
        return self.of_site if site and site >= min(photos_per_probe, model) else self.of_model

    def raised(
        self, rule: Threshold, *, photos_per_probe: int, photos_per_person: int
    ) -> Threshold:
        """A rule that was measured on single photos, for photos fused on either side.

        Args:
            rule: Its rate is kept.
            photos_per_probe: Of the stranger.
            photos_per_person: Of the enrolled person.

        Returns:
            The rule at the upper end of what thresholds rise by. Where only the enrolled have
            several photos and nobody measured what that does, the rule as it is, and ``origin``
            says so.

        Raises:
            CalibrationError: If nobody measured what several photos of a probe do, or no
                similarity is high enough.
        """
        if photos_per_probe == photos_per_person == 1:
            return rule
        known = self.of_probes(photos_per_probe)
        found = stretch_of(
            known, photos_per_probe=photos_per_probe, photos_per_person=photos_per_person
        )
        if found is None:
            if photos_per_probe > 1:
                raise CalibrationError(unmeasured(photos_per_probe))
            note = f"of single photos, {photos_per_person} enrolled ones fused not measured"
            return replace(rule, origin=f"{note}; {rule.origin}")
        factor = found.high if rule.similarity > 0 else 1 / found.high
        similarity = rule.similarity * factor
        if similarity > 1:
            raise CalibrationError(
                f"no similarity is high enough for {photos_per_probe} photos of the probe against "
                f"{photos_per_person} of the enrolled, at the rate of {rule}"
            )
        origin = (
            f"{photos_per_probe} photo(s) of the probe against {photos_per_person} of the enrolled "
            f"raise it by {found.factor:.3f} (taken as {found.high:.3f}, the upper end), measured "
            f"on {found.n_people:,} people"
        )
        return replace(rule, similarity=similarity, origin=f"{origin}; {rule.origin}")


def unmeasured(photos_per_probe: int) -> str:
    """Why several photos of a probe cannot be judged, and what to do."""
    return (
        f"nobody measured how often a stranger is given a name by {photos_per_probe} photos fused; "
        f"search photo by photo, decide by {argument('threshold')}, set by hand, or calibrate on "
        "people with as many photos (`vultus calibrate`)"
    )


def _next_more(counts: Sequence[int], wanted: int) -> int:
    return next((count for count in counts if count >= wanted), counts[-1])

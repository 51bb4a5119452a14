"""Threshold of a passive look for presentation attacks, with what is known of its errors."""

from dataclasses import asdict, dataclass
from typing import Any

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesRate:
    """How many attacks of one species were not suspected.

    Attributes:
        name: The species, in the words of whom measured.
        n_passed: Attacks that were taken for living faces.
        n: Attacks that got a score, at least 1.
        low: Lower end of the share's 95 % interval, in [0, 1].
        high: Its upper end, in [0, 1].

    Raises:
        InputError: If a number is out of range.
    """

    name: str
    n_passed: int
    n: int
    low: float
    high: float

    def __post_init__(self) -> None:
        check_positive_int("n", self.n)
        check_positive_int("n_passed", self.n_passed, minimum=0)
        if self.n_passed > self.n:
            raise InputError(f"n_passed must be at most n = {self.n}, got {self.n_passed}")
        check_range("low", self.low, low=0, high=1)
        check_range("high", self.high, low=0, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessThreshold:
    """A face whose score is below ``score`` is suspected of being a presentation attack.

    Attributes:
        score: In [0, 1].
        apcer: Share in [0, 1] of attacks that are not suspected, of the species that passes most
            often (ISO/IEC 30107-3); None where nobody measured it.
        apcer_high: Upper end of its 95 % interval; None likewise.
        species: That species, in the words of whom measured; empty likewise.
        n_attacks: Attacks of that species; 0 likewise.
        bpcer: Share in [0, 1] of living faces that are suspected; None where nobody measured it.
        bpcer_high: Upper end of its 95 % interval; None likewise.
        n_bona_fide: Living faces; 0 likewise.
        origin: Where the number comes from, in words.
        by_species: The same for each species, the one that passes most often first; empty where
            nobody counted.

    Raises:
        InputError: If a number is out of range.
    """

    score: float
    apcer: float | None = None
    apcer_high: float | None = None
    species: str = ""
    n_attacks: int = 0
    bpcer: float | None = None
    bpcer_high: float | None = None
    n_bona_fide: int = 0
    origin: str = "set by hand"
    by_species: tuple[SpeciesRate, ...] = ()

    def __post_init__(self) -> None:
        check_range("liveness threshold", self.score, low=0, high=1)
        for name in ("apcer", "apcer_high", "bpcer", "bpcer_high"):
            rate = getattr(self, name)
            if rate is not None:
                check_range(name, rate, low=0, high=1)
        for name in ("n_attacks", "n_bona_fide"):
            check_positive_int(name, getattr(self, name), minimum=0)

    def __str__(self) -> str:
        passed = "not measured"
        if self.apcer is not None:
            passed = f"{_share(self.apcer, self.apcer_high)} of {self.n_attacks} ({self.species})"
        refused = "not measured"
        if self.bpcer is not None:
            refused = f"{_share(self.bpcer, self.bpcer_high)} of {self.n_bona_fide}"
        return f"{self.score:.3f} (APCER {passed}; BPCER {refused}; {self.origin})"

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(self), "by_species": [asdict(one) for one in self.by_species]}


def _share(rate: float, high: float | None) -> str:
    return f"{rate:.1%}" if high is None else f"{rate:.1%} (at most {high:.1%})"

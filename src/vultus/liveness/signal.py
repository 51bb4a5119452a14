"""What a passive look at a face says, and the threshold by which it is judged."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import ConfigError
from vultus.core.files import write_text
from vultus.core.plain_values import parse_json, read_text
from vultus.core.settings_reader import read
from vultus.core.text import json_text

LivenessVerdict = Literal["no attack seen", "attack suspected", "cannot be judged"]


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
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessSignal:
    """What the networks make of one face. Attacks pass it: it is a signal among others.

    Attributes:
        score: Mean over the networks of the probability that they give to a living face, in [0, 1].
        threshold: What it is judged by.
        networks: The score of each network, by the model's name.
        reasons: Why the face cannot be judged; empty where it can.
    """

    score: float
    threshold: LivenessThreshold
    networks: dict[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> LivenessVerdict:
        """What comes of it. "No attack seen" is not "alive"."""
        if self.reasons:
            return "cannot be judged"
        return "attack suspected" if self.score < self.threshold.score else "no attack seen"

    @property
    def refusal(self) -> tuple[str, ...]:
        """Why the face is not to be taken, in words; empty where no attack is seen."""
        if self.verdict == "attack suspected":
            return (
                "a presentation attack is suspected (liveness score "
                f"{self.score:.3f}, {self.threshold.score:.3f} is needed)",
            )
        return tuple(f"liveness cannot be judged: {reason}" for reason in self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "verdict": self.verdict,
            "score": self.score,
            "threshold": self.threshold.to_dict(),
            "networks": dict(self.networks),
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessFile:
    """A site's own threshold, and what it holds for.

    Attributes:
        networks: The models' names and the digests of their files.
        threshold: The threshold.
        created: When, ISO 8601, UTC.
    """

    networks: dict[str, str]
    threshold: LivenessThreshold
    created: str

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        write_text(Path(path), json_text({"format": _FORMAT, **asdict(self)}))

    @classmethod
    def load(cls, path: str | Path) -> "LivenessFile":
        """Read what `save` wrote.

        Raises:
            ConfigError: If it is no such file, or of another version.
        """
        values = parse_json(read_text(Path(path)), source=str(path))
        if not isinstance(values, dict) or values.pop("format", None) != _FORMAT:
            raise ConfigError(
                f"{path} must be a liveness threshold as `vultus liveness evaluate` writes it "
                f"(format {_FORMAT!r})"
            )
        return read(cls, values, source=str(path))


_FORMAT = "vultus-liveness-1"


def _share(rate: float, high: float | None) -> str:
    return f"{rate:.1%}" if high is None else f"{rate:.1%} (at most {high:.1%})"

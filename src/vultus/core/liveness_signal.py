"""What a passive look at a face says."""

from dataclasses import dataclass, field
from typing import Any, Literal

from vultus.core.liveness_threshold import LivenessThreshold

LivenessVerdict = Literal["no attack seen", "attack suspected", "cannot be judged"]


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

"""What a passive look at a face says, as the service tells it."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from vultus.core.liveness_signal import LivenessSignal, LivenessVerdict


class SpeciesTold(BaseModel):
    """How often attacks of one species pass."""

    name: str
    n_passed: int
    n: int
    low: float = Field(description="Lower end of the share's 95 % interval.")
    high: float = Field(description="Its upper end.")


class LivenessThresholdTold(BaseModel):
    """What a face is judged by, with what is known of its errors (ISO/IEC 30107-3)."""

    score: float = Field(description="A face below it is suspected, [0, 1].")
    apcer: float | None = Field(
        description="Share of attacks that pass, of the species that passes most often; null where "
        "nobody measured it."
    )
    apcer_high: float | None = Field(description="Upper end of its 95 % interval.")
    species: str = Field(description="That species.")
    n_attacks: int
    bpcer: float | None = Field(description="Share of living faces that are suspected.")
    bpcer_high: float | None = Field(description="Upper end of its 95 % interval.")
    n_bona_fide: int
    origin: str = Field(description="Where the number comes from.")
    by_species: list[SpeciesTold]


class LivenessTold(BaseModel):
    """What networks make of a face. Attacks pass it: a signal among others, no proof."""

    verdict: LivenessVerdict = Field(description="`no attack seen` is not alive.")
    score: float = Field(description="The lower, the more like an attack, [0, 1].")
    threshold: LivenessThresholdTold
    networks: dict[str, float] = Field(description="The score of each network.")
    reasons: list[str] = Field(description="Why it cannot be judged; empty if it can.")


def liveness_told(signals: Sequence[LivenessSignal], place: int) -> LivenessTold | None:
    """What was said of one face; None where nobody looked.

    Args:
        signals: Of all faces of a photo, or none.
        place: Which face, from 0.
    """
    return LivenessTold(**signals[place].to_dict()) if signals else None

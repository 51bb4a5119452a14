"""Answers: of a 1:1 comparison, of a 1:N search, of a clustering."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.liveness_signal import LivenessSignal
from vultus.core.rows import freeze_arrays
from vultus.core.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer to "are these two faces the same person?".

    Attributes:
        similarity: Cosine similarity in [-1, 1]. It is not a confidence.
        threshold: The rule that was applied, with its false match rate.
        probability: Calibrated probability of a match in (0, 1) at ``prior``, or None where no
            calibration is at hand.
        log_likelihood_ratio: Natural logarithm of how much likelier the similarity is for one
            person than for two; above 0 speaks for a match. It takes no prior. None likewise.
        prior: Probability of a match before looking that ``probability`` stands on; None likewise.
        notes: What else there is to know: faces that were passed over, and why.
        liveness: What a passive look said of both faces; empty where nobody looked.
    """

    similarity: float
    threshold: Threshold
    probability: float | None = None
    log_likelihood_ratio: float | None = None
    prior: float | None = None
    notes: tuple[str, ...] = ()
    liveness: tuple[LivenessSignal, ...] = ()

    @property
    def same_person(self) -> bool:
        """True when the similarity is at least the threshold."""
        return self.similarity >= self.threshold.similarity

    @property
    def fmr(self) -> float | None:
        """False match rate of the threshold; None if unknown."""
        return self.threshold.fmr

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "same_person": self.same_person,
            "similarity": self.similarity,
            "threshold": self.threshold.to_dict(),
            "probability": self.probability,
            "log_likelihood_ratio": self.log_likelihood_ratio,
            "prior": self.prior,
            "notes": list(self.notes),
            "liveness": [signal.to_dict() for signal in self.liveness],
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """One enrolled person in a ranked list.

    Attributes:
        identity: Who.
        similarity: Cosine similarity of the probe to this person's template, in [-1, 1].
    """

    identity: str
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {"identity": self.identity, "similarity": self.similarity}


@dataclass(frozen=True, slots=True)
class Identification:
    """The answer to "who of the enrolled people is this, if any?" (open set).

    Attributes:
        candidates: Best first; ties in the order of enrolment.
        threshold: The rule that was applied to the best candidate.
        fpir: The false positive identification rate asked for (the chance that a stranger is
            given a name), or None with a threshold set by hand. ``threshold.search`` has more.
        gallery_size: How many people the probe was compared with.
        refusal: Why the probe is too poor to be judged; empty when it is not.
        notes: What else there is to know: that the photo was read turned or unstretched.
        n_photos: How many photos of the probe were fused.
    """

    candidates: tuple[Candidate, ...]
    threshold: Threshold
    fpir: float | None
    gallery_size: int
    refusal: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    n_photos: int = 1

    @property
    def identity(self) -> str | None:
        """The best candidate's name if it passes the threshold; None means "unknown".

        A probe that cannot be judged is unknown, whatever it resembles.
        """
        if self.refusal:
            return None
        if self.candidates and self.candidates[0].similarity >= self.threshold.similarity:
            return self.candidates[0].identity
        return None

    @property
    def fpir_high(self) -> float | None:
        """Upper end of the 95 % interval of the FPIR; None where nobody measured it."""
        return None if self.threshold.search is None else self.threshold.search.fpir_high

    @property
    def fnir(self) -> float | None:
        """The share of searches for enrolled people that this threshold misses; None likewise."""
        return None if self.threshold.search is None else self.threshold.search.fnir

    @property
    def fnir_high(self) -> float | None:
        """Upper end of the FNIR among the kinds of people that were measured; None likewise."""
        return None if self.threshold.search is None else self.threshold.search.fnir_high

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "identity": self.identity,
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "threshold": self.threshold.to_dict(),
            "fpir": self.fpir,
            "fpir_high": self.fpir_high,
            "fnir": self.fnir,
            "fnir_high": self.fnir_high,
            "fnir_origin": ""
            if self.threshold.search is None
            else self.threshold.search.fnir_origin,
            "gallery_size": self.gallery_size,
            "refusal": list(self.refusal),
            "notes": list(self.notes),
            "n_photos": self.n_photos,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """Faces grouped by person.

    Attributes:
        labels: (n,) int32; 0 .. n_clusters - 1, largest cluster first; a face that is like no
            other is a cluster of its own.
        threshold: The rule that was applied between groups.
    """

    labels: npt.NDArray[np.int32]
    threshold: Threshold

    def __post_init__(self) -> None:
        check_array("labels", self.labels, dtype=np.int32, shape=("n",))
        freeze_arrays(self)

    @property
    def n_clusters(self) -> int:
        """How many groups there are."""
        return int(self.labels.max()) + 1 if len(self.labels) else 0

    def members(self, label: int) -> npt.NDArray[np.int64]:
        """Indices of the faces in one group, ascending."""
        return np.flatnonzero(self.labels == label)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "labels": self.labels.tolist(),
            "n_clusters": self.n_clusters,
            "threshold": self.threshold.to_dict(),
        }

"""What a protocol needs, what it gives, and the names under which protocols are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, frozen
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.registry import Registry
from vultus.evaluation.measures.accuracy import FoldAccuracy
from vultus.evaluation.measures.rates import RocCurve, operating_point
from vultus.evaluation.measures.summary import Summary, default_fmr
from vultus.evaluation.protocols.evidence import Evidence
from vultus.evaluation.protocols.photos import Photos


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPhotos:
    """One face of each photo, where one was found.

    Attributes:
        embeddings: One row for each photo that did not fail, in the order of the photos.
        failed: (n,) bool, one entry a photo: no face found, or not readable.
        detector_scores: (found,) float32 in [0, 1], how sure the detector was of each face that
            was found; None where nothing was detected.

    Raises:
        InputError: If they do not fit together.
    """

    embeddings: Embeddings
    failed: npt.NDArray[np.bool_]
    detector_scores: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        check_array("failed", self.failed, dtype=np.bool_, shape=("n",))
        found = int((~self.failed).sum())
        if len(self.embeddings) != found:
            raise InputError(
                f"embeddings must have one row for each of the {found} photos that did not fail, "
                f"got {len(self.embeddings)}"
            )
        object.__setattr__(self, "failed", frozen(self.failed))
        if self.detector_scores is not None:
            check_array("detector_scores", self.detector_scores, dtype=np.float32, shape=(found,))
            object.__setattr__(self, "detector_scores", frozen(self.detector_scores))

    def rows(self) -> npt.NDArray[np.int64]:
        """(n,) row of each photo in ``embeddings``, -1 where it failed."""
        rows: npt.NDArray[np.int64] = np.where(self.failed, -1, np.cumsum(~self.failed) - 1)
        return rows


class EmbedPhotos(Protocol):
    """Makes one embedding of each photo; given by who holds a pipeline.

    A protocol of many photos calls it again and again, with some thousand photos at a time.
    """

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        """Embed the face that is meant on each photo.

        Args:
            photos: To be gone through once, in order; items are read when they are asked for. A
                callable that looks embeddings up needs only their names.
            aligned: They are aligned crops already; nothing is to be detected.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProtocolResult:
    """The outcome of a protocol.

    Attributes:
        protocol: Its name.
        space: The embedding space that was measured.
        n_photos: How many photos were embedded or should have been.
        failures: Photos without a face or not readable; they count as errors.
        comparisons: The figures of the protocol's comparisons.
        accuracy: Over folds, or None where the data are too few for folds.
        all_pairs: Every photo against every other, or None.
        extras: More figures of this protocol, fit for JSON.
        settings: What the figures depend on besides photos and model, fit for JSON.
        trials: The comparisons of repeated trials, where the protocol's TAR is the mean of theirs.
        usual_far: False match rate at which the protocol's TAR is usually quoted.
        files_sha256: SHA-256 of every file that defines the protocol, by name.
        evidence: The comparisons one by one, or None; no part of `to_dict`.
    """

    protocol: str
    space: EmbeddingSpace
    n_photos: int
    failures: int
    comparisons: Summary
    accuracy: FoldAccuracy | None
    all_pairs: Summary | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    files_sha256: Mapping[str, str] = field(default_factory=dict)
    evidence: Evidence | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    trials: tuple[RocCurve, ...] = ()
    usual_far: float = 1e-3

    def to_dict(self, *, far: float | None = None) -> dict[str, Any]:
        """All figures, fit for JSON.

        ``accuracy`` and ``tar_at_far`` are numbers in [0, 1] (None where the data are too few),
        ``n_genuine``, ``n_impostor``, ``n_photos`` and ``failures`` are counts.

        Args:
            far: False match rate of ``tar_at_far``; None takes `usual_far`, or the strictest that
                the comparisons can carry.

        Raises:
            CalibrationError: If the comparisons cannot carry ``far``.
        """
        curves = self.trials if self.trials else (self.comparisons.curve,)
        n_impostor = min(curve.n_impostor for curve in curves)
        rate = default_fmr(n_impostor, usual=self.usual_far) if far is None else far
        return {
            "protocol": self.protocol,
            "model": self.space.to_dict(),
            "accuracy": None if self.accuracy is None else self.accuracy.mean,
            "far": rate,
            "tar_at_far": None if rate is None else _mean_tar(curves, rate),
            "n_photos": self.n_photos,
            "failures": self.failures,
            **self.comparisons.to_dict(),
            "folds": None if self.accuracy is None else self.accuracy.to_dict(),
            "all_pairs": None if self.all_pairs is None else self.all_pairs.to_dict(),
            **self.extras,
            "settings": dict(self.settings),
            "files_sha256": dict(self.files_sha256),
        }


class EvaluationProtocol(Protocol):
    """A data set with its rules of comparison."""

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure.

        Raises:
            InputError: If files are missing or not of the layout; the message says what must be.
        """
        ...


def _mean_tar(curves: Sequence[RocCurve], rate: float) -> float:
    tars = [operating_point(curve, fmr=rate).tar for curve in curves]
    return sum(tars) / len(tars)


PROTOCOLS: Registry[EvaluationProtocol] = Registry("protocols")
"""All protocols by name; each is made with ``root`` and may take more settings."""

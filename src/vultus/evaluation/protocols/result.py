"""What a protocol gives: its figures, and the single comparisons behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.evaluation.measures.accuracy import FoldAccuracy
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.measures.rates import (
    RocCurve,
    area_under_curve,
    equal_error_rate,
    operating_point,
)
from vultus.evaluation.measures.score_intervals import area_interval, equal_error_interval
from vultus.evaluation.measures.scores import check_scores
from vultus.evaluation.measures.summary import MeasuredPoint, Summary, default_fmr
from vultus.evaluation.protocols.figures import (
    ComparisonFigures,
    EvaluationFigures,
    FoldFigures,
    PointFigures,
    ProtocolExtras,
    Setting,
    to_json,
)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Comparisons one by one, with the photos they are about.

    Every genuine comparison of the protocol is here; of the impostor comparisons, where every
    photo meets every other, only the highest.

    Attributes:
        photos: Name of each photo: its path below the root, or its number in a ``*.bin``.
        first: (n,) int64, place in ``photos`` of one photo of each comparison.
        second: (n,) int64, place of the other.
        genuine: (n,) bool, both show the same person.
        scores: (n,) float32, ``-inf`` for a comparison that failed.
        qualities: Name of a quality score -> (photos,) float64, larger = better, ``-inf`` for a
            photo that failed, NaN where it was not kept.
        searches: The 1:N searches, or None.

    Raises:
        InputError: If shapes or dtypes do not fit together.
    """

    photos: tuple[str, ...]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    genuine: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]
    qualities: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    searches: Searches | None = None

    def __post_init__(self) -> None:
        check_scores("scores", self.scores, failures=True)
        shape = self.scores.shape
        check_array("genuine", self.genuine, dtype=np.bool_, shape=shape)
        for name in ("first", "second"):
            places = getattr(self, name)
            check_array(name, places, dtype=np.int64, shape=shape)
            if places.min() < 0 or places.max() >= len(self.photos):
                raise InputError(
                    f"{name} must be places of the {len(self.photos)} photos, "
                    f"got {places.min()} .. {places.max()}"
                )
        for name, values in self.qualities.items():
            check_array(name, values, dtype=np.float64, shape=(len(self.photos),), finite=False)
        freeze_arrays(self)


def photo_qualities(
    embeddings: Embeddings, failed: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[np.float64]]:
    """What is known of each photo's quality: the feature's norm, and a score if one was measured.

    Args:
        embeddings: Of the photos that did not fail.
        failed: (n,) bool, one entry a photo.
    """
    known = {"feature norm": embeddings.norms}
    if embeddings.quality is not None:
        known["quality"] = embeddings.quality
    qualities = {}
    for name, values in known.items():
        spread = np.full(len(failed), -np.inf)
        spread[~failed] = values
        qualities[name] = spread
    return qualities


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
        extras: Figures that only some protocols have.
        files_sha256: SHA-256 of every file that defines the protocol, by name.
        evidence: The comparisons one by one, or None; no part of the figures.
        settings: What the figures depend on besides photos and model.
        trials: The comparisons of repeated trials, where the protocol's TAR is the mean of theirs.
        usual_far: False match rate at which the protocol's TAR is usually quoted.
    """

    protocol: str
    space: EmbeddingSpace
    n_photos: int
    failures: int
    comparisons: Summary
    accuracy: FoldAccuracy | None
    all_pairs: Summary | None = None
    extras: ProtocolExtras = field(default_factory=ProtocolExtras)
    files_sha256: Mapping[str, str] = field(default_factory=dict)
    evidence: Evidence | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    trials: tuple[RocCurve, ...] = ()
    usual_far: float = 1e-3

    def figures(self, *, far: float | None = None) -> EvaluationFigures:
        """All figures.

        Args:
            far: False match rate of ``tar_at_far``; None takes `usual_far`, or the strictest that
                the comparisons can carry.

        Raises:
            CalibrationError: If the comparisons cannot carry ``far``.
        """
        curves = self.trials if self.trials else (self.comparisons.curve,)
        n_impostor = min(curve.n_impostor for curve in curves)
        rate = default_fmr(n_impostor, usual=self.usual_far) if far is None else far
        return EvaluationFigures(
            protocol=self.protocol,
            model=self.space,
            accuracy=None if self.accuracy is None else self.accuracy.mean,
            far=rate,
            tar_at_far=None if rate is None else _mean_tar(curves, rate),
            n_photos=self.n_photos,
            failures=self.failures,
            folds=None if self.accuracy is None else _folds(self.accuracy),
            all_pairs=None if self.all_pairs is None else _comparisons(self.all_pairs),
            settings=self.settings,
            files_sha256=self.files_sha256,
            **vars(_comparisons(self.comparisons)),
            **vars(self.extras),
        )

    def to_dict(self, *, far: float | None = None) -> dict[str, Any]:
        """`figures`, fit for JSON."""
        told: dict[str, Any] = to_json(self.figures(far=far))
        return told


def _mean_tar(curves: Sequence[RocCurve], rate: float) -> float:
    tars = [operating_point(curve, fmr=rate).tar for curve in curves]
    return sum(tars) / len(tars)


def _comparisons(summary: Summary) -> ComparisonFigures:
    curve = summary.curve
    return ComparisonFigures(
        n_genuine=curve.n_genuine,
        n_impostor=curve.n_impostor,
        equal_error_rate=equal_error_rate(curve),
        equal_error_rate_interval=equal_error_interval(curve),
        area_under_curve=area_under_curve(curve),
        area_under_curve_interval=area_interval(curve),
        operating_points=tuple(map(_point, summary.points)),
    )


def _point(measured: MeasuredPoint) -> PointFigures:
    point = measured.point
    return PointFigures(
        target_fmr=point.fmr if point.target_fmr is None else point.target_fmr,
        threshold=point.finite_threshold,
        fmr=point.fmr,
        fmr_interval=measured.fmr_interval,
        tar=point.tar,
        tar_interval=measured.tar_interval,
        n_false_matches=point.n_false_matches,
        n_true_matches=point.n_true_matches,
        n_genuine=point.n_genuine,
        n_impostor=point.n_impostor,
    )


def _folds(folds: FoldAccuracy) -> FoldFigures:
    return FoldFigures(
        accuracy=folds.mean,
        std=folds.std,
        standard_error=folds.standard_error,
        interval=folds.interval,
        accuracies=folds.accuracies,
        thresholds=folds.thresholds,
        n_pairs=folds.n_pairs,
        n_failures=folds.n_failures,
    )

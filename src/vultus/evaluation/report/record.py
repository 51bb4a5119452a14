"""What one evaluation leaves for a report: its figures, its curves, and its worst pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError
from vultus.core.settings_reader import Numbers
from vultus.evaluation.measures.error_versus_reject import (
    RejectCurve,
    error_versus_reject,
    pair_quality,
)
from vultus.evaluation.measures.histogram import ScoreHistogram, score_histogram
from vultus.evaluation.measures.identification import CmcCurve, cmc, open_set_curve
from vultus.evaluation.measures.rates import RocCurve, operating_point
from vultus.evaluation.measures.summary import DECADES, default_fmr
from vultus.evaluation.protocols.figures import EvaluationFigures, RunFigures
from vultus.evaluation.protocols.result import Evidence, ProtocolResult

MAX_RANK = 20


class ScoredPair(NamedTuple):
    """One comparison; a list of three in JSON.

    Attributes:
        first: Name of one photo.
        second: Name of the other.
        similarity: Their cosine similarity.
    """

    first: str
    second: str
    similarity: float


@dataclass(frozen=True, slots=True)
class RunCost:
    """What an evaluation took.

    Attributes:
        seconds: For reading, detecting and embedding; None where nothing was embedded.
        model_bytes: Size of the model's file, where known.
    """

    seconds: float | None = None
    model_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class RejectAreas:
    """Mean FNMR while the poorest comparisons are refused, of a whole curve.

    Attributes:
        area: By the quality score.
        ideal_area: By an oracle, which refuses just the errors.
    """

    area: float
    ideal_area: float


@dataclass(frozen=True, slots=True, eq=False)
class StoredCurve:
    """A `RocCurve` in a file: without its first point, whose threshold is inf; JSON has no inf."""

    thresholds: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    n_false_matches: Annotated[npt.NDArray[np.int64], Numbers("int64")]
    n_true_matches: Annotated[npt.NDArray[np.int64], Numbers("int64")]
    n_genuine: int
    n_impostor: int

    @classmethod
    def of(cls, curve: RocCurve) -> "StoredCurve":
        """Leave the first point out."""
        return cls(
            curve.thresholds[1:],
            curve.n_false_matches[1:],
            curve.n_true_matches[1:],
            curve.n_genuine,
            curve.n_impostor,
        )

    def whole(self) -> RocCurve:
        """Put the first point in."""
        return RocCurve(
            np.insert(self.thresholds, 0, np.inf),
            np.insert(self.n_false_matches, 0, 0),
            np.insert(self.n_true_matches, 0, 0),
            self.n_genuine,
            self.n_impostor,
        )


class _AsStored:
    """Says of a curve's annotation that a file holds it as a `StoredCurve`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core.core_schema import no_info_after_validator_function

        stored = handler.generate_schema(StoredCurve)
        return no_info_after_validator_function(StoredCurve.whole, stored)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationRecord:
    """One model on one protocol.

    Attributes:
        created: When, ISO 8601 in UTC.
        software: Name of a package or of the interpreter -> version.
        cost: What it took.
        result: The figures, as ``vultus evaluate --json`` prints them.
        curves: ``comparisons``, and where they exist ``all_pairs`` and ``open_set`` (FPIR as its
            FMR, FNIR as its FNMR), with fewer thresholds than were measured, each exact.
        histogram: Of the comparisons' scores; None where all are equal.
        cmc: Closed-set identification, or None.
        reject: Name of a quality score -> error versus reject of the genuine comparisons.
        reject_areas: Name of a quality score -> area of its whole curve, and of the ideal one.
        worst_genuine: Genuine comparisons of lowest similarity, lowest first. Comparisons that
            failed have no similarity and are not here.
        worst_impostor: Impostor comparisons of highest similarity, highest first.

    Raises:
        InputError: If there is no curve of the comparisons, or reject curves and areas do not have
            the same names.
    """

    created: str
    software: Mapping[str, str]
    cost: RunCost
    result: RunFigures
    curves: Mapping[str, Annotated[RocCurve, _AsStored()]]
    histogram: ScoreHistogram | None
    cmc: CmcCurve | None
    reject: Mapping[str, RejectCurve]
    reject_areas: Mapping[str, RejectAreas]
    worst_genuine: tuple[ScoredPair, ...]
    worst_impostor: tuple[ScoredPair, ...]

    def __post_init__(self) -> None:
        if "comparisons" not in self.curves:
            raise InputError("curves must hold 'comparisons'")
        if self.reject.keys() != self.reject_areas.keys():
            raise InputError("reject and reject_areas must have the same names")

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return self.result.protocol

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.result.model.model

    @property
    def threshold(self) -> float | None:
        """That of `far`, the rate at which the record's one-figure TAR was taken."""
        far = self.result.far
        if far is None:
            return None
        return operating_point(self.curves["comparisons"], fmr=far).finite_threshold


def record_evaluation(
    result: ProtocolResult,
    *,
    figures: RunFigures,
    created: str,
    software: Mapping[str, str],
    cost: RunCost | None = None,
    worst: int = 20,
) -> EvaluationRecord:
    """Condense a result.

    Args:
        result: Of a protocol; without evidence there are neither pairs nor reject curves.
        figures: Of the result and of the run.
        created: When, ISO 8601 in UTC.
        software: Name -> version.
        cost: What it took; None for unknown.
        worst: How many pairs of either kind to name; 0 for none.
    """
    check_positive_int("worst", worst, minimum=0)
    curve, evidence = result.comparisons.curve, result.evidence
    searches = None if evidence is None else evidence.searches
    reject = {} if evidence is None else _reject(evidence, curve)
    return EvaluationRecord(
        created=created,
        software=software,
        cost=RunCost() if cost is None else cost,
        result=figures,
        curves=_curves(result, figures),
        histogram=score_histogram(curve) if len(curve) > 2 else None,
        cmc=None if searches is None else cmc(searches, max_rank=MAX_RANK),
        reject={name: thin_reject(whole) for name, whole in reject.items()},
        reject_areas={
            name: RejectAreas(whole.area(), whole.ideal_area()) for name, whole in reject.items()
        },
        worst_genuine=() if evidence is None else _worst(evidence, genuine=True, count=worst),
        worst_impostor=() if evidence is None else _worst(evidence, genuine=False, count=worst),
    )


def _curves(result: ProtocolResult, figures: EvaluationFigures) -> dict[str, RocCurve]:
    rates = () if figures.far is None else (figures.far,)
    curves = {"comparisons": result.comparisons.curve}
    if result.all_pairs is not None:
        curves["all_pairs"] = result.all_pairs.curve
    thin = {name: thin_curve(curve, at_fmr=rates) for name, curve in curves.items()}
    searches = None if result.evidence is None else result.evidence.searches
    if searches is not None and (~searches.mated & ~searches.failed).any():
        found = figures.identification
        rank = 1 if found is None else found.identified_at_rank
        thin["open_set"] = thin_curve(open_set_curve(searches, rank=rank))
    return thin


def _reject(evidence: Evidence, curve: RocCurve) -> dict[str, RejectCurve]:
    """At the threshold of the default rate, which is fixed before anything is refused."""
    rate = default_fmr(curve.n_impostor)
    threshold = np.inf if rate is None else operating_point(curve, fmr=rate).threshold
    if not np.isfinite(threshold):
        return {}
    genuine = evidence.genuine
    first, second = evidence.first[genuine], evidence.second[genuine]
    return {
        name: error_versus_reject(
            evidence.scores[genuine], pair_quality(values[first], values[second]),
            threshold=threshold,
        )
        for name, values in evidence.qualities.items()
    }  # fmt: skip


def _worst(evidence: Evidence, *, genuine: bool, count: int) -> tuple[ScoredPair, ...]:
    rows: npt.NDArray[np.int64] = np.flatnonzero(
        (evidence.genuine == genuine) & np.isfinite(evidence.scores)
    )
    scores = evidence.scores[rows]
    # Stable, so that equal scores come in the protocol's order.
    order = np.argsort(scores if genuine else -scores, kind="stable")[:count]
    return tuple(
        ScoredPair(
            evidence.photos[evidence.first[row]],
            evidence.photos[evidence.second[row]],
            float(evidence.scores[row]),
        )
        for row in rows[order]
    )


def thin_curve(curve: RocCurve, *, at_fmr: Sequence[float] = (), points: int = 300) -> RocCurve:
    """Leave out thresholds that no picture would show.

    What stays is exact: `operating_point` at each of `DECADES` and of ``at_fmr``, and
    `equal_error_rate`, give what they give on the whole curve. `area_under_curve` does not.

    Args:
        curve: Any.
        at_fmr: More false match rates whose operating points must stay.
        points: How many points to keep over the decades of the FMR, and as many over those of
            the FNMR.
    """
    check_positive_int("points", points)
    rising = np.geomspace(1 / curve.n_impostor, 1, points)
    falling = np.geomspace(1 / curve.n_genuine, 1, points)
    rates = np.array([*DECADES, *at_fmr])
    crossing = int(np.searchsorted(curve.fmr - curve.fnmr, 0.0, side="left"))
    rows = np.concatenate(
        [
            [0, crossing - 1, crossing, len(curve) - 1],
            np.searchsorted(curve.fmr, np.concatenate([rising, rates]), side="right") - 1,
            # The first point whose FNMR is at most each rate; past the end where none is.
            np.searchsorted(-curve.fnmr, -falling, side="left").clip(max=len(curve) - 1),
        ]
    )
    return _rows(curve, np.unique(rows))


def _rows(curve: RocCurve, rows: npt.NDArray[np.int64]) -> RocCurve:
    return RocCurve(
        curve.thresholds[rows],
        curve.n_false_matches[rows],
        curve.n_true_matches[rows],
        curve.n_genuine,
        curve.n_impostor,
    )


def thin_reject(curve: RejectCurve, *, points: int = 300) -> RejectCurve:
    """Leave out steps of an error-versus-reject curve; those that stay are exact.

    `RejectCurve.area` of the result is not that of the whole curve: take it before.
    """
    check_positive_int("points", points)
    if len(curve.rejected) <= points:
        return curve
    wanted = np.linspace(0, curve.rejected[-1], points)
    rows = np.unique(np.searchsorted(curve.rejected, wanted, side="right") - 1)
    return RejectCurve(
        curve.rejected[rows], curve.fnmr[rows], curve.n_left[rows], curve.threshold, curve.n_genuine
    )

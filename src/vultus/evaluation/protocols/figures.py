"""What a protocol tells: figures as JSON, record files, tables, pages and the terminal have them.

One class a table of the JSON, one field a key. A field without a default is always there; one whose
default is None is left out where it is None, for it is of other protocols (or of later versions of
the file). A figure that a protocol has and these data are too few for is named in ``unmeasured``
and told as null.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import Interval

Setting = str | bool | int | float | list[int] | None


def to_json(value: object) -> Any:
    """Plain tables, lists and scalars of figures and of what holds them."""
    if is_dataclass(value):
        unmeasured = getattr(value, "unmeasured", ())
        told = ((entry, getattr(value, entry.name)) for entry in fields(value))
        return {
            entry.name: to_json(inner)
            for entry, inner in told
            if entry.name != "unmeasured"
            and (inner is not None or entry.default is not None or entry.name in unmeasured)
        }
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(inner) for inner in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class PointFigures:
    """The error rates at one threshold.

    Attributes:
        target_fmr: The FMR that was asked for.
        threshold: The lowest whose FMR is at most that; None where nothing may match.
        fmr: False match rate.
        fmr_interval: Its 95 % interval.
        tar: True accept rate.
        tar_interval: Its 95 % interval.
        n_false_matches: Impostor comparisons that match.
        n_true_matches: Genuine comparisons that match.
        n_genuine: How many genuine comparisons.
        n_impostor: How many impostor comparisons.
    """

    target_fmr: float
    threshold: float | None
    fmr: float
    fmr_interval: Interval
    tar: float
    tar_interval: Interval
    n_false_matches: int
    n_true_matches: int
    n_genuine: int
    n_impostor: int


@dataclass(frozen=True, kw_only=True)
class ComparisonFigures:
    """A set of comparisons.

    Attributes:
        n_genuine: How many genuine ones, those that failed included.
        n_impostor: How many impostor ones.
        equal_error_rate: Where FMR = FNMR.
        equal_error_rate_interval: Its 95 % interval.
        area_under_curve: Of TAR against FMR.
        area_under_curve_interval: Its 95 % interval.
        operating_points: At the stated rates that the comparisons carry, strictest last.
    """

    n_genuine: int
    n_impostor: int
    equal_error_rate: float
    equal_error_rate_interval: Interval | None = None
    area_under_curve: float
    area_under_curve_interval: Interval | None = None
    operating_points: tuple[PointFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFigures:
    """Accuracy over folds, each judged with the threshold of the others.

    Attributes:
        accuracy: Mean of the folds.
        std: Sample standard deviation of the folds.
        standard_error: Of the mean.
        interval: 95 % interval of the share of right decisions.
        accuracies: Of each fold.
        thresholds: Of each fold.
        n_pairs: How many pairs.
        n_failures: Pairs with a face that was not found; each is a wrong decision.
    """

    accuracy: float
    std: float
    standard_error: float
    interval: Interval
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    n_pairs: int
    n_failures: int


@dataclass(frozen=True, slots=True)
class RankFigures:
    """How often the mate is among the first so many.

    Attributes:
        rate: Share of the searches for enrolled people.
        interval: Its 95 % interval.
    """

    rate: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSetFigures:
    """Missed mates at a rate of strangers who are given a name.

    Attributes:
        target_fpir: The FPIR that was asked for.
        fpir: False positive identification rate.
        fpir_interval: Its 95 % interval.
        fnir: False negative identification rate.
        fnir_interval: Its 95 % interval.
        tpir: 1 - FNIR.
        threshold: Of the one gallery; None where nobody may be found, or with several galleries.
        thresholds: Of several galleries, by their names; None for one.
    """

    target_fpir: float
    fpir: float
    fpir_interval: Interval | None = None
    fnir: float
    fnir_interval: Interval | None = None
    tpir: float | None = None
    threshold: float | None = None
    thresholds: Mapping[str, float | None] | None = None

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """A threshold that nobody reaches is told as null, one of several galleries not at all."""
        return ("threshold",) if self.thresholds is None else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentificationFigures:
    """1:N: searches for enrolled people and for strangers.

    Attributes:
        n_enrolled: People in the galleries.
        n_mated: Searches for them.
        n_strangers: Searches for others.
        identified_at_rank: The mate must be among so many first in the open set; None: any rank.
        rank: Of the closed set, by rank.
        open_set: At the stated rates that the strangers carry, strictest last.
    """

    n_enrolled: int
    n_mated: int
    n_strangers: int
    identified_at_rank: int | None = 1
    rank: Mapping[str, RankFigures]
    open_set: tuple[OpenSetFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistractorFigures:
    """How often the mate is among the first, among so many distractors.

    Attributes:
        n_distractors: How many.
        n_searches: How many searches.
        rank: By rank, 1 among them.

    Raises:
        InputError: If rank 1 is not among them.
    """

    n_distractors: int
    n_searches: int
    rank: Mapping[str, RankFigures]

    def __post_init__(self) -> None:
        if "1" not in self.rank:
            raise InputError(f"rank must hold '1', it holds {', '.join(self.rank) or 'nothing'}")


@dataclass(frozen=True, kw_only=True)
class TrialFigures:
    """A rate over repeated trials.

    Attributes:
        mean: Over the trials.
        std: Sample standard deviation over them; None for one trial.
        mean_minus_std: The difference of both, which BLUFR ranks by.
        interval: 95 % interval of the mean.
        thresholds: Of each trial, None where nothing may match.
    """

    mean: float
    std: float | None
    mean_minus_std: float | None
    interval: Interval
    thresholds: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class VerificationTrials(TrialFigures):
    """TAR at a FAR, over trials.

    Attributes:
        far: The rate asked for.
        tar: Of each trial.
        n_genuine: Of each trial.
        n_impostor: Of each trial.
    """

    far: float
    tar: tuple[float, ...]
    n_genuine: tuple[int, ...]
    n_impostor: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class IdentificationTrials(TrialFigures):
    """Detection and identification rate at an FPIR, over trials.

    Attributes:
        fpir: The rate asked for.
        rank: The mate must be among so many first.
        dir: Of each trial.
        n_enrolled: Of each trial.
        n_mated: Of each trial.
        n_strangers: Of each trial.
    """

    fpir: float
    rank: int
    dir: tuple[float, ...]
    n_enrolled: tuple[int, ...]
    n_mated: tuple[int, ...]
    n_strangers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ProtocolExtras:
    """Figures that only some protocols have.

    Attributes:
        sets: What is compared in place of photos: videos, templates.
        n_sets: How many of them.
        failed_sets: Those without any face.
        n_people: People of the photos, of probes where there are distractors.
        n_probes: Photos to search for.
        failed_probes: Those without a face.
        failed_distractors: Likewise.
        removed_probes: Those that a list of noises names.
        removed_distractors: Likewise.
        distractors: Searches among more and more distractors.
        verification: TAR over trials.
        open_set_identification: DIR over trials.
        identification: 1:N, the mean where there are several galleries.
        galleries: 1:N in each of several galleries.
        unmeasured: Figures of the protocol that these data are too few for; told as null.
    """

    sets: str | None = None
    n_sets: int | None = None
    failed_sets: int | None = None
    n_people: int | None = None
    n_probes: int | None = None
    failed_probes: int | None = None
    failed_distractors: int | None = None
    removed_probes: int | None = None
    removed_distractors: int | None = None
    distractors: tuple[DistractorFigures, ...] | None = None
    verification: VerificationTrials | None = None
    open_set_identification: IdentificationTrials | None = None
    identification: IdentificationFigures | None = None
    galleries: Mapping[str, IdentificationFigures] | None = None
    unmeasured: tuple[str, ...] = field(default=(), compare=False)

    def over_trials(self) -> Iterator[tuple[str, str, float, TrialFigures]]:
        """Each rate over trials: its name, that of the rate asked for, how much, the figures."""
        if self.verification is not None:
            yield "TAR", "FAR", self.verification.far, self.verification
        if self.open_set_identification is not None:
            trials = self.open_set_identification
            yield "DIR at rank 1", "FPIR", trials.fpir, trials


@dataclass(frozen=True, kw_only=True)
class _Headline:
    protocol: str
    model: EmbeddingSpace
    accuracy: float | None
    far: float | None
    tar_at_far: float | None
    n_photos: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class EvaluationFigures(ProtocolExtras, ComparisonFigures, _Headline):
    """All figures of a protocol. The last base's fields come first in the JSON.

    Attributes:
        protocol: Its name.
        model: The embedding space that was measured.
        accuracy: Mean over folds; None where the data are too few for folds.
        far: The rate of ``tar_at_far``.
        tar_at_far: The figure that the protocol is usually quoted by; None for too few data.
        n_photos: Photos that were embedded or should have been.
        failures: Those without a face or not readable.
        folds: The accuracy in full.
        all_pairs: Every photo against every other.
        settings: What the figures depend on besides photos and model.
        files_sha256: SHA-256 of every file that defines the protocol, by name.
    """

    folds: FoldFigures | None
    all_pairs: ComparisonFigures | None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    files_sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of embeddings that took the place of photos.

    Attributes:
        file: Its name.
        sha256: Its digest.
    """

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RunFigures(EvaluationFigures):
    """The figures, and how the faces were found.

    Attributes:
        detector: Its name; None for aligned crops.
        select: Which face of a photo is meant; None for aligned crops.
        runtime: What computed the embeddings, in words.
        embeddings: The file that they were read from, or None.
    """

    detector: str | None
    select: str | None
    runtime: str
    embeddings: StoredFile | None = None

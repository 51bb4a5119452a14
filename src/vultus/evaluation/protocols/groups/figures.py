"""What an evaluation of groups tells: the JSON record, the tables and the page have it."""

from collections.abc import Mapping
from dataclasses import dataclass

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.evaluation.measures.differentials import Differential
from vultus.evaluation.measures.intervals import Interval

FORMAT = "vultus-groups-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFigures:
    """An error rate, or a share of photos.

    Attributes:
        rate: None where it is not measurable: nothing was compared, or fewer than three errors
            were seen, so that the rate is below ``3 / n``, the lowest that n comparisons carry.
        interval: 95 %; None where nothing was compared.
        n_errors: How many errors.
        n: How many comparisons, or photos.
    """

    rate: float | None
    interval: Interval | None
    n_errors: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededFigures:
    """The threshold that a group would need for a false match rate inside of it.

    Attributes:
        target_fmr: The rate.
        threshold: The lowest that keeps it; None where the group is too small (below 3 / n).
        interval: 95 %, people drawn anew; None where it is not known.
        n_impostor: Comparisons inside the group.
    """

    target_fmr: float
    threshold: float | None
    interval: Interval | None
    n_impostor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCell:
    """One group: a cell of the labels that were crossed.

    Attributes:
        name: Its values, in one text.
        values: Column -> value.
        n_photos: Photos, those without a face included.
        n_people: People on them.
        no_face: Share of the photos on which no face was found (or that could not be read).
        refused: Share that the quality gate refuses; None where no gate judged.
        fmr: False match rate of two different people of this group.
        fnmr: False non-match rate of two photos of one person, both in this group; None where
            genuine comparisons were not made.
        needed: The threshold that this group would need, at several rates.
    """

    name: str
    values: Mapping[str, str]
    n_photos: int
    n_people: int
    no_face: RateFigures
    refused: RateFigures | None
    fmr: RateFigures
    fnmr: RateFigures | None
    needed: tuple[NeededFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMatrix:
    """Rates of one group against another.

    Attributes:
        title: What is against what.
        values: Names of rows and columns.
        fmr: A row a value; symmetric.
        fnmr: Of one person, a photo in each; None where genuine comparisons were not made.
    """

    title: str
    values: tuple[str, ...]
    fmr: tuple[tuple[RateFigures, ...], ...]
    fnmr: tuple[tuple[RateFigures, ...], ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferentialFigures:
    """How far the rates of the groups lie apart.

    Attributes:
        n_groups: Groups whose rate is measurable; the others are left out.
        n_left_out: The others.
        lowest: Name of the group with the lowest rate.
        highest: Name of that with the highest.
        max_over_min: Highest rate over the lowest.
        max_over_geometric_mean: Highest rate over the geometric mean.
        gini: Gini coefficient, corrected for few groups.
    """

    n_groups: int
    n_left_out: int
    lowest: str | None = None
    highest: str | None = None
    max_over_min: Differential | None = None
    max_over_geometric_mean: Differential | None = None
    gini: Differential | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikePair:
    """Two photos of one group that are taken as of two people and are very much alike.

    Attributes:
        group: Its name.
        similarity: Cosine.
        first: Name of one photo.
        second: Name of the other.
    """

    group: str
    similarity: float
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """What was compared, and how it was grouped.

    Attributes:
        labels: Name of the table of labels.
        labels_sha256: Its digest.
        root: Name of the folder, zip or file of embeddings.
        by: Columns that were crossed.
        bands: Column -> where its bands begin.
        only: Column -> values that took part.
        person: Column that says who is on a photo; None where each photo is taken as a person.
        detector: What found the faces; None for aligned crops and stored embeddings.
        gate: Whether faces that the quality gate refuses were left out.
        draws: How often people were drawn anew.
        seed: Of the draws.
        version: Of Vultus.
    """

    labels: str
    labels_sha256: str
    root: str
    by: tuple[str, ...]
    bands: Mapping[str, tuple[float, ...]]
    only: Mapping[str, tuple[str, ...]]
    person: str | None
    detector: str | None
    gate: bool
    draws: int
    seed: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """All of an evaluation of groups.

    Attributes:
        model: The embedding space that was measured.
        created: When, ISO 8601, UTC.
        threshold: At which all rates are.
        target_fmr: The rate that the threshold was asked for; None where it was set by hand.
        settings: What was compared.
        n_photos: Photos with labels that took part.
        n_people: People on them.
        filtered: Photos left out by a filter.
        unlabelled: Photos left out for want of a label.
        crowd: False match rate of everybody against everybody: what a mixed crowd sees.
        inside: The same of pairs of one group only, all groups together.
        cells: The groups.
        matrices: Groups against groups: of all columns crossed, and of each column with the
            others equal.
        fmr_differentials: Of the rates inside the groups.
        fnmr_differentials: None where genuine comparisons were not made.
        garbe: Both Gini coefficients in one, half and half.
        no_face_differentials: Of the shares of photos without a face.
        refused_differentials: Of the shares that the gate refuses; None without gate.
        worst: The most alike pairs inside each group, where they were asked for: one person
            under two names, often.
    """

    model: EmbeddingSpace
    created: str
    threshold: Threshold
    target_fmr: float | None
    settings: GroupSettings
    n_photos: int
    n_people: int
    filtered: int
    unlabelled: int
    crowd: RateFigures
    inside: RateFigures
    cells: tuple[GroupCell, ...]
    matrices: tuple[GroupMatrix, ...]
    fmr_differentials: DifferentialFigures
    fnmr_differentials: DifferentialFigures | None
    garbe: Differential | None
    no_face_differentials: DifferentialFigures
    refused_differentials: DifferentialFigures | None
    worst: tuple[AlikePair, ...] = ()

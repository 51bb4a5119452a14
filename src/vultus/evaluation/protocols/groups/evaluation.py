"""Compare every photo with every other by groups of people, and sum up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.choices import DEFAULT_FMR
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.progress import Progress
from vultus.core.rows import freeze_arrays
from vultus.core.thresholds import Threshold
from vultus.evaluation.measures.group_pairs import (
    Came,
    CellFaces,
    GroupCounts,
    GroupImpostors,
    draw_people,
    genuine_pairs,
    group_genuine,
    group_impostors,
)
from vultus.evaluation.measures.intervals import BOOTSTRAP_DRAWS
from vultus.evaluation.protocols.groups.figures import (
    AlikePair,
    GroupCell,
    GroupFigures,
    GroupSettings,
)
from vultus.evaluation.protocols.groups.labels import Cells
from vultus.evaluation.protocols.groups.rates import (
    Counted,
    differentials,
    everybody,
    inside,
    joint_differential,
    matrices,
    needed,
    same_group,
    shares,
)

TARGETS = (1e-2, 1e-3, 1e-4)
"""Rates at which the threshold of each group is looked for, besides the one that is asked for."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """What to measure.

    Attributes:
        threshold: At which rates are taken.
        fmr: The rate that it was asked for; None where it was set by hand.
        genuine: Compare photos of one person, too. False where identities were only found to keep
            copies apart, by a model that would judge itself.
        draws: How often people are drawn anew for intervals; 0 for none.
        seed: Of the draws.
        worst: How many of the most alike pairs inside each group to name.
    """

    threshold: Threshold
    fmr: float | None = DEFAULT_FMR
    genuine: bool = True
    draws: int = BOOTSTRAP_DRAWS
    seed: int = 0
    worst: int = 0

    def __post_init__(self) -> None:
        check_positive_int("worst", self.worst, minimum=0)
        check_positive_int("draws", self.draws, minimum=0)
        check_positive_int("seed", self.seed, minimum=0)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedPhotos:
    """Photos with what is known of them.

    Attributes:
        embeddings: One row for each photo with a face, in the order of the photos.
        no_face: (n,) bool: no face found, or not readable.
        refused: (n,) bool: the quality gate refuses the face; None where none judged.
        people: (n,) int64, who each shows; equal numbers are one person.
        cells: The group of each.
        names: Of each photo; None where nobody is to be named.

    Raises:
        InputError: If they do not fit together.
    """

    embeddings: Embeddings
    no_face: Mask
    refused: Mask | None
    people: npt.NDArray[np.int64]
    cells: Cells
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        n = len(self.cells.places)
        check_array("no_face", self.no_face, dtype=np.bool_, shape=(n,))
        check_array("people", self.people, dtype=np.int64, shape=(n,))
        if self.refused is not None:
            check_array("refused", self.refused, dtype=np.bool_, shape=(n,))
        found = int((~self.no_face).sum())
        if len(self.embeddings) != found:
            raise InputError(
                f"embeddings must have one row for each of the {found} photos with a face, "
                f"got {len(self.embeddings)}"
            )
        freeze_arrays(self)


def evaluate_groups(
    photos: GroupedPhotos,
    plan: GroupPlan,
    *,
    settings: GroupSettings,
    created: str,
    progress: Progress | None = None,
) -> GroupFigures:
    """Error rates inside groups and between them.

    Two photos of one person are never an impostor comparison. A photo without a face, or whose face
    the gate refuses, takes no part in false match rates and fails each of its genuine comparisons.

    Args:
        photos: Embedded, and with their groups.
        plan: What to measure.
        settings: For the record.
        created: For the record.
        progress: Told how many pairs of groups are compared.

    Raises:
        InputError: If fewer than two people with a face are left.
    """
    run = _Run.of(photos, plan)
    impostors = run.impostors(progress)
    genuine = run.genuine() if plan.genuine else None
    fmr, crowd = inside(impostors.counts), everybody(impostors.counts)
    fnmr = None if genuine is None else inside(genuine)
    no_face = shares(run.shown, photos.no_face[run.kept], run.came)
    refused = None
    if photos.refused is not None:
        refused = shares(run.shown, photos.refused[run.kept], run.came)
    names = photos.cells.names
    return GroupFigures(
        model=photos.embeddings.space,
        created=created,
        threshold=plan.threshold,
        target_fmr=plan.fmr,
        settings=settings,
        n_photos=len(run.kept),
        n_people=len(run.came),
        filtered=photos.cells.filtered,
        unlabelled=photos.cells.unlabelled,
        crowd=crowd,
        inside=same_group(impostors.counts),
        cells=tuple(run.cells(impostors, Parts(fmr, fnmr, no_face, refused))),
        matrices=tuple(matrices(photos.cells, impostors.counts, genuine)),
        fmr_differentials=differentials(names, fmr),
        fnmr_differentials=None if fnmr is None else differentials(names, fnmr),
        garbe=None if fnmr is None else joint_differential(fmr, fnmr),
        no_face_differentials=differentials(names, no_face),
        refused_differentials=None if refused is None else differentials(names, refused),
        worst=tuple(run.worst(impostors)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What is counted of each cell."""

    fmr: Counted
    fnmr: Counted | None
    no_face: Counted
    refused: Counted | None


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Photos in groups, numbered anew, and draws of their people.

    Attributes:
        photos: As given.
        plan: As given.
        kept: Places of the photos that are in a group.
        shown: Whose and where these are.
        accepted: (kept,) bool: with a face that is not refused.
        vectors: (accepted, dim) float32.
        came: Draws of people.
    """

    photos: GroupedPhotos
    plan: GroupPlan
    kept: npt.NDArray[np.int64]
    shown: CellFaces
    accepted: Mask
    vectors: npt.NDArray[np.float32]
    came: Came

    @classmethod
    def of(cls, photos: GroupedPhotos, plan: GroupPlan) -> "_Run":
        cells = photos.cells
        kept = np.flatnonzero(cells.places >= 0)
        numbers = np.unique(photos.people[kept], return_inverse=True)[1].astype(np.int64)
        shown = CellFaces(numbers, cells.places[kept], len(cells.names))
        bad = photos.no_face if photos.refused is None else photos.no_face | photos.refused
        accepted = ~bad[kept]
        if len(np.unique(numbers[accepted])) < 2:
            raise InputError(
                "groups need two people at least whose faces were found and not refused, got "
                f"{len(np.unique(numbers[accepted]))}"
            )
        rows = np.cumsum(~photos.no_face) - 1
        generator = np.random.default_rng(plan.seed)
        came = draw_people(int(numbers.max()) + 1, draws=plan.draws, generator=generator)
        vectors = photos.embeddings.vectors[rows[kept[accepted]]]
        return cls(photos, plan, kept, shown, accepted, vectors, came)

    @property
    def compared(self) -> CellFaces:
        """Whose and where the faces are that are compared."""
        people, cells = self.shown.people[self.accepted], self.shown.cells[self.accepted]
        return CellFaces(people, cells, self.shown.n_cells)

    def impostors(self, progress: Progress | None) -> GroupImpostors:
        return group_impostors(
            self.vectors,
            self.compared,
            came=self.came,
            threshold=self.plan.threshold.similarity,
            progress=progress,
        )

    def genuine(self) -> GroupCounts | None:
        """Genuine comparisons; None where nobody has two photos."""
        first, second = genuine_pairs(self.shown.people)
        if not len(first):
            return None
        rows = np.cumsum(self.accepted) - 1
        both = self.accepted[first] & self.accepted[second]
        similarities = np.full(len(first), -np.inf)
        similarities[both] = np.vecdot(
            self.vectors[rows[first[both]]], self.vectors[rows[second[both]]]
        )
        return group_genuine(
            similarities,
            people=self.shown.people[first],
            cells=np.stack([self.shown.cells[first], self.shown.cells[second]], axis=1),
            came=self.came,
            n_cells=self.shown.n_cells,
            threshold=self.plan.threshold.similarity,
        )

    def cells(self, impostors: GroupImpostors, parts: Parts) -> list[GroupCell]:
        cells, people = self.photos.cells, self.compared.people
        owners = np.unique(self.shown.people * len(cells.names) + self.shown.cells)
        n_people = np.bincount(owners % len(cells.names), minlength=len(cells.names))
        return [
            GroupCell(
                name=name,
                values=dict(zip(cells.by, cells.values[place], strict=True)),
                n_photos=int(parts.no_face.trials[place]),
                n_people=int(n_people[place]),
                no_face=parts.no_face.rate(place),
                refused=None if parts.refused is None else parts.refused.rate(place),
                fmr=parts.fmr.rate(place),
                fnmr=None if parts.fnmr is None else parts.fnmr.rate(place),
                needed=tuple(needed(impostors, place, self._targets(), people, self.came)),
            )
            for place, name in enumerate(cells.names)
        ]

    def worst(self, impostors: GroupImpostors) -> Iterator[AlikePair]:
        """The most alike strangers of each group, as many as the plan says."""
        names, places = self.photos.names, self.kept[self.accepted]
        if names is None:
            return
        for group, scores in zip(self.photos.cells.names, impostors.inside, strict=True):
            pairs, count = places[scores.tail_pairs], self.plan.worst
            for (one, other), similarity in zip(pairs[:count], scores.tail[:count], strict=True):
                yield AlikePair(
                    group=group,
                    similarity=float(similarity),
                    first=names[one],
                    second=names[other],
                )

    def _targets(self) -> Sequence[float]:
        asked = () if self.plan.fmr is None else (self.plan.fmr,)
        return sorted({*TARGETS, *asked}, reverse=True)

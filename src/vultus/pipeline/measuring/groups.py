"""Groups of people, measured with a Recognizer or from a file of embeddings."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vultus import __version__
from vultus.alignment.crop_templates import ARCFACE_POINTS
from vultus.core.choices import DEFAULT_FMR, DEFAULT_SELECT, Selection
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    InputError,
    ModelError,
    NoFaceError,
    QualityError,
    RegistryError,
    SeveralFacesError,
    VultusError,
)
from vultus.core.faces import Faces
from vultus.core.notices import give_notice
from vultus.core.progress import Progress, tracked
from vultus.core.text import argument
from vultus.core.thresholds import ThresholdTable
from vultus.evaluation.protocols.groups.evaluation import GroupedPhotos, GroupPlan, evaluate_groups
from vultus.evaluation.protocols.groups.figures import GroupFigures, GroupSettings
from vultus.evaluation.protocols.groups.labels import Cells, Grouping, LabelTable, read_labels
from vultus.evaluation.protocols.photos import PhotoRoot, Photos
from vultus.image.io import read_image
from vultus.models.digest import sha256_file
from vultus.models.store import ModelStore
from vultus.pipeline.measuring.photos import CHUNK_CROPS
from vultus.pipeline.measuring.run import now
from vultus.pipeline.measuring.stored import StoredEmbeddings
from vultus.pipeline.photos import AnalysedPhoto, StoredPhoto, reason_of
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.selection import select_face
from vultus.quality.gate import QualityGate
from vultus.quality.measures import QUALITY_TEMPLATE, measure_quality
from vultus.quality.trust import Trust

logger = logging.getLogger(__name__)

PERSON_COLUMN = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRoot:
    """Photos, and a table that says who is on them and of which groups.

    Attributes:
        labels: CSV file with a line a photo.
        root: Folder or zip of the photos, or a file of embeddings (``.npz``).
        grouping: How photos are put into groups.
        file_column: Column that names the photo, as `PhotoRoot.find` takes it.
        person_column: Column that says who is on it; an empty field is a person of its own. None
            takes ``person`` where there is such a column, and each photo as a person elsewhere.
        aligned: The photos are aligned crops already.
        select: Which face of a photo is meant.
    """

    labels: Path
    root: Path
    grouping: Grouping
    file_column: str = "file"
    person_column: str | None = None
    aligned: bool = False
    select: Selection = DEFAULT_SELECT


def measure_groups(
    data: LabelledRoot,
    recognizer: Recognizer,
    *,
    plan: GroupPlan | None = None,
    progress: Progress | None = None,
) -> GroupFigures:
    """Embed photos with labels, and measure error rates by group.

    Args:
        data: The photos and their labels.
        recognizer: Detects, aligns and embeds; its gate says which faces are refused. Of aligned
            crops only what can be seen on a crop is judged.
        plan: What to measure; None takes the recogniser's threshold of FMR 1e-3.
        progress: Told how far it has come.

    Raises:
        InputError: If files or columns are missing or do not fit together.
        CalibrationError: If there is no threshold of that rate.
    """
    if plan is None:
        plan = GroupPlan(threshold=recognizer.threshold(DEFAULT_FMR))
    table = _Table.read(data)
    judge = _judged_crops if data.aligned else _judged_photos
    judged = list(judge(recognizer, table.photos, data, progress))
    parts = [face.embeddings for face in judged]
    n = len(table.names)
    no_face, refused = np.ones(n, np.bool_), np.zeros(n, np.bool_)
    no_face[[face.place for face in judged]] = False
    refused[[face.place for face in judged if face.refused]] = True
    space = recognizer.embedder.space
    photos = GroupedPhotos(
        Embeddings.concatenate(parts) if parts else Embeddings.empty(space),
        no_face,
        None if recognizer.gate is None else refused,
        table.people,
        table.cells,
        table.names,
    )
    settings = replace(
        table.settings(data, plan),
        detector=None if data.aligned else recognizer.detector_name,
        gate=recognizer.gate is not None,
    )
    return evaluate_groups(photos, plan, settings=settings, created=now(), progress=progress)


def measure_stored_groups(
    data: LabelledRoot, *, plan: GroupPlan | None = None, progress: Progress | None = None
) -> GroupFigures:
    """As `measure_groups`, with embeddings from the file that ``data.root`` names.

    Nothing is known there of what a gate would refuse.

    Args:
        data: As `measure_groups`.
        plan: As `measure_groups`; None takes the threshold of FMR 1e-3 of the model's card.
        progress: As `measure_groups`.

    Raises:
        InputError: As `measure_groups`, or if the file lacks photos of the table.
        CalibrationError: As `measure_groups`.
    """
    stored = StoredEmbeddings(data.root, select=data.select)
    if plan is None:
        plan = GroupPlan(threshold=card_thresholds(stored.embeddings.space).at_fmr(DEFAULT_FMR))
    table = _Table.read(data)
    embedded = stored(table.photos, aligned=True)
    photos = GroupedPhotos(
        embedded.embeddings, embedded.failed, None, table.people, table.cells, table.names
    )
    settings = table.settings(data, plan)
    return evaluate_groups(photos, plan, settings=settings, created=now(), progress=progress)


def card_thresholds(space: EmbeddingSpace) -> ThresholdTable:
    """The thresholds on the card of the model that made some embeddings.

    Raises:
        InputError: If no such model is known here.
    """
    try:
        card = ModelStore().card(space.model)
    except (RegistryError, ModelError):
        card = None
    if card is None or card.sha256 != space.weights_sha256:
        raise InputError(
            f"no card is known here of the model that made these embeddings ({space}); decide by "
            f"{argument('threshold')}"
        )
    return card.thresholds


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The labels, and the photos that they name."""

    names: list[str]
    photos: Photos
    people: npt.NDArray[np.int64]
    person_column: str | None
    cells: Cells

    @classmethod
    def read(cls, data: LabelledRoot) -> "_Table":
        table = read_labels(data.labels)
        files, column = table.column(data.file_column), _person_column(data, table)
        cells = data.grouping.cells(table)
        root = PhotoRoot(data.root)
        # Photos that are in no group are not looked at.
        kept = np.flatnonzero(cells.places >= 0)
        names = [root.find(files[row], by=data.labels.name) for row in kept.tolist()]
        twice, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise InputError(f"{data.labels} must name each photo once, {twice} comes twice")
        return cls(
            names,
            root.photos(names),
            _people(table, column)[kept],
            column,
            replace(cells, places=cells.places[kept]),
        )

    def settings(self, data: LabelledRoot, plan: GroupPlan) -> GroupSettings:
        return GroupSettings(
            labels=data.labels.name,
            labels_sha256=sha256_file(data.labels),
            root=data.root.resolve().name,
            by=data.grouping.by,
            bands=data.grouping.bands,
            only=data.grouping.only,
            person=self.person_column,
            detector=None,
            gate=False,
            draws=plan.draws,
            seed=plan.seed,
            version=__version__,
        )


def _person_column(data: LabelledRoot, table: LabelTable) -> str | None:
    if data.person_column is not None:
        table.column(data.person_column)
        return data.person_column
    if PERSON_COLUMN in table.columns:
        return PERSON_COLUMN
    text = (
        f"has no column {PERSON_COLUMN!r}: each photo is taken as another person, and two of one "
        "count as a false match"
    )
    give_notice(logger, f"{data.labels.name} {text}", logged=f"the table of labels {text}")
    return None


def _people(table: LabelTable, column: str | None) -> npt.NDArray[np.int64]:
    """(n,) who is on each photo; an empty field is a person of its own."""
    if column is None:
        return np.arange(len(table), dtype=np.int64)
    texts = table.column(column)
    keys = [(text, -1 if text else row) for row, text in enumerate(texts)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.int64)


class _Judged(NamedTuple):
    """The face that is meant on one photo."""

    place: int
    embeddings: Embeddings
    refused: bool


def _judged_photos(
    recognizer: Recognizer, photos: Photos, data: LabelledRoot, progress: Progress | None
) -> Iterator[_Judged]:
    stored = (
        StoredPhoto(name, partial(photos.__getitem__, place))
        for place, name in enumerate(photos.names)
    )
    told = tracked(stored, "finding faces", total=len(photos), progress=progress)
    for photo in recognizer.analyse(told, on_error=_note):
        meant = _meant(photo, data.select)
        if meant is not None:
            index, refused = meant
            yield _Judged(photo.place, photo.embeddings[index], refused)


def _meant(photo: AnalysedPhoto, select: Selection) -> tuple[int, bool] | None:
    try:
        index = select_face(
            photo.faces, photo.size_hw, select=select, name=photo.name, refusals=photo.refusals
        )
    except QualityError:  # several, and all of them refused
        return 0, True
    except (NoFaceError, SeveralFacesError) as error:
        logger.info("a photo counts as one without a face: %s", reason_of(error))
        return None
    return index, bool(photo.refusals[index])


def _note(name: str, error: VultusError) -> None:
    logged = f"a photo counts as one without a face: {reason_of(error)}"
    give_notice(logger, f"{name} counts as a photo without a face: {error}", logged=logged)


def _judged_crops(
    recognizer: Recognizer, photos: Photos, data: LabelledRoot, progress: Progress | None
) -> Iterator[_Judged]:
    """Crops as they are; the gate sees what a crop shows, its landmarks where the template says."""
    template = recognizer.embedder.card.template
    gate = recognizer.gate
    if gate is not None and template != QUALITY_TEMPLATE:
        raise InputError(
            f"crops of {template} cannot be judged by the quality gate, only those of "
            f"{QUALITY_TEMPLATE}; give photos, or measure without gate"
        )
    head = None if gate is None else recognizer.trust_head
    least = recognizer.embedder.min_norm, 0.0 if head is None else head.min_trust
    limits = None if gate is None else gate.for_model(*least)
    for places, crops in _crops(photos, template, progress):
        embedded, pools = recognizer.embedder.embed_with_pools(crops)
        trust = None if head is None or pools is None else head.judge(pools, embedded)
        for row, place in enumerate(places):
            face, own = embedded[row], None if trust is None else trust[row]
            refused = limits is not None and _refuses(limits, crops[row], face, own)
            yield _Judged(place, face, refused)


def _crops(
    photos: Photos, template: str, progress: Progress | None
) -> Iterator[tuple[list[int], AlignedCrops]]:
    identity = np.eye(2, 3, dtype=np.float32)[None]
    waiting: list[tuple[int, AlignedCrops]] = []
    for place in tracked(range(len(photos)), "embedding", total=len(photos), progress=progress):
        try:
            image = read_image(photos[place])
            waiting.append((place, AlignedCrops(image[None], identity, template)))
        except VultusError as error:
            _note(photos.names[place], error)
        if waiting and (len(waiting) == CHUNK_CROPS or place == len(photos) - 1):
            places, crops = zip(*waiting, strict=True)
            yield list(places), AlignedCrops.concatenate(crops)
            waiting = []


def _refuses(gate: QualityGate, crop: AlignedCrops, face: Embeddings, trust: Trust | None) -> bool:
    points = np.array([ARCFACE_POINTS], np.float32)
    corners = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    known = Faces(corners, points, np.ones(1, np.float32))
    quality = measure_quality(crop.pixels[0], known, crop).with_norms(face)
    quality = quality if trust is None else quality.with_trust(trust)
    return bool(gate.judge(quality)[0])

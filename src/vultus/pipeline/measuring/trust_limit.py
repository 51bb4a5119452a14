"""A site's own limit of trust, measured on good photos of its own."""

import dataclasses
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import (
    InputError,
    NoFaceError,
    QualityError,
    SeveralFacesError,
    VultusError,
)
from vultus.core.progress import Progress, tracked
from vultus.evaluation.protocols.photos import PhotoRoot
from vultus.models.store import ModelStore
from vultus.pipeline.measuring.run import now
from vultus.pipeline.photos import AnalysedPhoto, DetectedPhoto, StoredPhoto
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.selection import select_face
from vultus.pipeline.trust_head import usual_trust_head
from vultus.quality.gate import QualityGate
from vultus.quality.trust_limit import TrustLimit, choose_limit

logger = logging.getLogger(__name__)

DEFAULT_COST = 0.02
_AT_A_TIME = 16


def measure_trust_limit(
    root: Path,
    recognizer: Recognizer,
    *,
    cost: float = DEFAULT_COST,
    select: Selection = DEFAULT_SELECT,
    progress: Progress | None = None,
) -> TrustLimit:
    """Choose the limit that refuses at most a share of one's own good photos.

    Photos are judged as they are stored, none is righted. Those whose face other limits of the
    gate refuse already (too small, covered, ...) take no part, nor those without a face.

    Args:
        root: Folder or zip of photos that must pass: as one's cameras take them, of people as
            they come; nothing else is asked of them.
        recognizer: Detects, aligns and embeds by a model with a trust head.
        cost: Share of these photos that may be refused, in (0, 0.5].
        select: Which face of a photo is meant.
        progress: Told how many photos are done.

    Raises:
        InputError: If the recogniser has no trust head, or there is no photo.
        CalibrationError: If there are too few good faces for that share.
    """
    card = recognizer.embedder.card
    if recognizer.trust_head is None:
        raise InputError(
            f"a limit of trust is for a model with a trust head, {card.name!r} has none; "
            "vultus train-trust makes one"
        )
    usual = usual_trust_head(card, store=ModelStore())
    if usual is None:
        raise InputError(f"the trust head of {card.name!r} must be where it was, and is gone")
    found = list(_good_faces(PhotoRoot(root), recognizer, select, progress))
    trust = np.array(found, np.float32)
    limit = choose_limit(trust, cost=cost)
    return TrustLimit(
        model=card.name,
        head_sha256=usual.digest,
        min_trust=limit,
        usual_min_trust=usual.min_trust,
        cost=cost,
        n_faces=len(trust),
        n_refused=int((trust < limit).sum()),
        n_refused_by_usual=int((trust < usual.min_trust).sum()),
        detector=recognizer.detector_name,
        created=now(),
    )


def _good_faces(
    photos: PhotoRoot, recognizer: Recognizer, select: Selection, progress: Progress | None
) -> Iterator[float]:
    """The trust of each photo's face that nothing else speaks against."""
    usual = QualityGate() if recognizer.gate is None else recognizer.gate
    gate = dataclasses.replace(usual, min_trust=0).for_model(recognizer.embedder.min_norm)
    loaded = photos.photos(photos.names)
    stored = (
        StoredPhoto(name, partial(loaded.__getitem__, place))
        for place, name in enumerate(photos.names)
    )
    told = tracked(stored, "reading photos", total=len(photos.names), progress=progress)
    waiting: list[DetectedPhoto] = []
    for photo in recognizer.detect_many(told, on_error=_note):
        waiting.append(photo)
        if len(waiting) == _AT_A_TIME:
            yield from _judged(recognizer.read(waiting), gate, select)
            waiting = []
    if waiting:
        yield from _judged(recognizer.read(waiting), gate, select)


def _judged(photos: list[AnalysedPhoto], gate: QualityGate, select: Selection) -> Iterator[float]:
    for photo in photos:
        refusals = tuple(gate.judge(photo.quality))
        try:
            face = select_face(
                photo.faces, photo.size_hw, select=select, name=photo.name, refusals=refusals
            )
        except (NoFaceError, SeveralFacesError, QualityError) as error:
            logger.info("%s takes no part: %s", photo.name, error)
            continue
        if photo.quality.trust is not None and not refusals[face]:
            yield float(photo.quality.trust[face])


def _note(name: str, error: VultusError) -> None:
    logger.warning("%s takes no part: %s", name, error)

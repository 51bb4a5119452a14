"""Is there a face in a crop? Asked of the detector, and of the length of the embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Faces, Image
from vultus.core.progress import Progress, tracked
from vultus.curation.audit.audit_thresholds import AuditThresholds
from vultus.curation.audit.audited_set import AuditedSet
from vultus.curation.audit.feature_store import FeatureStore
from vultus.curation.audit.features import images_in_chunks
from vultus.curation.audit.findings import Finding
from vultus.curation.audit.identity_groups import IdentityGroups
from vultus.curation.audit.similar_pairs import Floats, Ints
from vultus.detection.base import Detector

_MARGIN = 0.25
"""Black border for the detector, in parts of the crop's size: crops cut faces close."""

_MIDDLE = 0.25
"""How far a face's centre may lie from the crop's, in parts of the crop's size."""

_LEAST_SIZE = 0.35
"""Least size (square root of the box's area) of a face that fills a crop, in parts of its size."""

_SUSPECT_DEVIATIONS = -1.0
_LOW_DEVIATIONS = -2.0
"""Lengths of the embedding, in robust standard deviations from the median."""

Look = Literal["suspects", "all"]
"""At which crops the detector looks."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceCheck:
    """How crops are looked at.

    Attributes:
        detector: Looks at them.
        name: What the cache and the reasons call it.
        cache: Folder for its answers.
        look: At which crops.
        progress: Told how many images are done.
    """

    detector: Detector
    name: str
    cache: Path
    look: Look = "suspects"
    progress: Progress | None = None


def _face_scores(audited: AuditedSet, rows: Ints, check: FaceCheck) -> Floats:
    """How sure the detector is of the face that each crop should show.

    Args:
        audited: The crops.
        rows: (c,) int64, which of them to look at.
        check: How to look at them; ``progress`` is told of those that the cache does not know.

    Returns:
        (c,) float32 in [0, 1]; 0 where no face of about the right size lies about the middle.
    """
    fields = {"score": (np.float32, ())}
    store = FeatureStore(check.cache, name="faces", key=check.name, fields=fields)
    digests = [audited.features.digests[row] for row in rows]
    new = {
        digest: int(audited.features.rows[row]) for digest, row in zip(digests, rows, strict=True)
    }
    new = {digest: index for digest, index in new.items() if digest not in store}
    digest_of = {index: digest for digest, index in new.items()}
    new_ones = list(digest_of)
    told = tracked(new_ones, "looking for faces", total=len(new_ones), progress=check.progress)
    for indices, images in images_in_chunks(audited.dataset, told):
        scores = _crop_scores(images, check.detector)
        for index, score in zip(indices, scores.tolist(), strict=True):
            store.add(digest_of[index], {"score": score})
    return np.asarray(store.take(digests)["score"], np.float32)


def _crop_scores(images: Sequence[Image], detector: Detector) -> Floats:
    """Score of the best face in the middle of each crop; 0 for none.

    Args:
        images: (h, w, 3) uint8 RGB each.
        detector: Looks at them.
    """
    padded = [_padded(image) for image in images]
    found = detector.detect_batch(padded)
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    return np.array(
        [_best_score(faces, size) for faces, size in zip(found, sizes, strict=True)], np.float32
    )


def _robust_deviations(values: npt.NDArray[np.floating]) -> Floats:
    """How many standard deviations each value lies from the median, outliers not counted in.

    The standard deviation is that of a normal distribution with the same median absolute
    deviation, ``1.4826 MAD``.

    Args:
        values: (n,) floating.
    """
    if not len(values):
        return np.zeros(0, np.float32)
    median = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - median))
    return np.asarray((values - median) / max(float(spread), 1e-12), np.float32)


def _padded(image: Image) -> Image:
    rows, columns = (round(_MARGIN * length) for length in image.shape[:2])
    framed = cv2.copyMakeBorder(image, rows, rows, columns, columns, cv2.BORDER_CONSTANT)
    return np.asarray(framed, np.uint8)


def _best_score(faces: Faces, size_hw: tuple[int, int]) -> float:
    if not len(faces):
        return 0.0
    size = np.array(size_hw[::-1], np.float32)
    height, width = (length + 2 * round(_MARGIN * length) for length in size_hw)
    faces = faces.cut_to((height, width))
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 / size - (0.5 + _MARGIN)
    placed = np.abs(centres).max(axis=1) <= _MIDDLE
    large = np.sqrt(faces.areas) >= _LEAST_SIZE * size.min()
    return float(np.max(np.where(placed & large, faces.scores, 0)))


def find_unreadable(audited: AuditedSet) -> list[Finding]:
    """Images that cannot be decoded, or are no crops of the model's size."""
    dataset = audited.dataset
    found = []
    for index, problem in sorted(audited.features.problems.items()):
        label = int(dataset.labels[index])
        found.append(
            Finding(
                kind="unreadable",
                action="drop",
                score=1.0,
                identity=None if label < 0 else dataset.identities[label],
                images=(audited.names[index],),
                reason=problem,
            )
        )
    return found


def find_non_faces(
    audited: AuditedSet,
    groups: IdentityGroups,
    thresholds: AuditThresholds,
    check: FaceCheck,
    *,
    alive: npt.NDArray[np.bool_],
) -> dict[int, Finding]:
    """Crops in which the detector finds no face.

    It looks at suspects, or at all: a suspect has an embedding that is shorter than the median by
    more than one robust standard deviation, lies outside of its identity's core, or has nothing to
    be compared with. ``drop`` is proposed where a second sign agrees: the embedding is shorter by
    two deviations, or less like its identity than ``unlike``; else ``keep``.

    Args:
        audited: The data set.
        groups: Of its rows.
        thresholds: For ``unlike``.
        check: Detector, and at what it looks.
        alive: (m,) bool, rows to look at.

    Returns:
        Findings by row.
    """
    deviations = _robust_deviations(audited.norms)
    alone = groups.core_sizes[groups.labels] < 2
    suspect = (deviations < _SUSPECT_DEVIATIONS) | (groups.groups != 0) | alone
    rows = np.flatnonzero(alive if check.look == "all" else alive & suspect)
    scores = _face_scores(audited, rows, check)
    found = {}
    for row in rows[scores == 0].tolist():
        unlike = bool(groups.own[row] < thresholds.unlike.similarity)
        sure = unlike or deviations[row] < _LOW_DEVIATIONS
        found[row] = Finding(
            kind="non_face",
            action="drop" if sure else "keep",
            score=float(-deviations[row]),
            identity=audited.identity(row),
            images=(audited.name(row),),
            evidence=() if groups.labels[row] < 0 else audited.examples(groups, groups.labels[row]),
            reason=f"{check.name} finds no face; the embedding's length lies "
            f"{deviations[row]:+.1f} standard deviations from the median"
            + ("; unlike its identity" if unlike else ""),
        )
    return found

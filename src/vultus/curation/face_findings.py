"""Findings about images that cannot be read, and images without a face."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from vultus.curation.audit_thresholds import AuditThresholds
from vultus.curation.findings import Finding
from vultus.curation.identity_groups import IdentityGroups
from vultus.curation.non_faces import face_scores, robust_deviations
from vultus.curation.subject import Subject
from vultus.data.convert import Watch
from vultus.detection.base import Detector

__all__ = ["FaceCheck", "Look", "find_non_faces", "find_unreadable"]

Look = Literal["suspects", "all"]
"""At which crops the detector looks."""

SUSPECT_DEVIATIONS = -1.0
LOW_DEVIATIONS = -2.0


def find_unreadable(subject: Subject) -> list[Finding]:
    """Images that cannot be decoded, or are no crops of the model's size."""
    dataset = subject.dataset
    found = []
    for index, problem in sorted(subject.features.problems.items()):
        label = int(dataset.labels[index])
        found.append(
            Finding(
                kind="unreadable",
                action="drop",
                score=1.0,
                identity=None if label < 0 else dataset.identities[label],
                images=(subject.names[index],),
                reason=problem,
            )
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class FaceCheck:
    """How crops are looked at.

    Attributes:
        detector: Looks at them.
        name: What the cache and the reasons call it.
        cache: Folder for its answers.
        look: At which crops.
        watch: Sees the indices go by.
    """

    detector: Detector
    name: str
    cache: Path
    look: Look = "suspects"
    watch: Watch = iter


def find_non_faces(
    subject: Subject,
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
        subject: The data set.
        groups: Of its rows.
        thresholds: For ``unlike``.
        check: Detector, and at what it looks.
        alive: (m,) bool, rows to look at.

    Returns:
        Findings by row.
    """
    deviations = robust_deviations(subject.norms)
    alone = groups.core_sizes[groups.labels] < 2
    suspect = (deviations < SUSPECT_DEVIATIONS) | (groups.groups != 0) | alone
    rows = np.flatnonzero(alive if check.look == "all" else alive & suspect)
    scores = face_scores(
        subject.dataset,
        subject.features,
        rows,
        check.detector,
        name=check.name,
        cache=check.cache,
        watch=check.watch,
    )
    found = {}
    for row in rows[scores == 0].tolist():
        unlike = bool(groups.own[row] < thresholds.unlike.similarity)
        sure = unlike or deviations[row] < LOW_DEVIATIONS
        found[row] = Finding(
            kind="non_face",
            action="drop" if sure else "keep",
            score=float(-deviations[row]),
            identity=subject.identity(row),
            images=(subject.name(row),),
            evidence=() if groups.labels[row] < 0 else subject.examples(groups, groups.labels[row]),
            reason=f"{check.name} finds no face; the embedding's length lies "
            f"{deviations[row]:+.1f} standard deviations from the median"
            + ("; unlike its identity" if unlike else ""),
        )
    return found

"""Shots of one face: which are worth embedding, and which are kept."""

from dataclasses import dataclass

import numpy as np

from vultus.core.checks import check_positive_int, check_range
from vultus.core.embeddings import Embeddings
from vultus.core.faces import Faces, Image
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.photos import DetectedPhoto
from vultus.quality.measures import head_pose


@dataclass(frozen=True, slots=True)
class ShotBudget:
    """How many shots of a face are embedded: a fraction of its frames.

    Until there are ``n_best`` good ones, a shot every ``gap_s``; then what looks clearly better
    than the worst of those, no oftener; and one every ``check_s``, so that somebody who took the
    place of another is found. While there is doubt about who it is, one every ``doubt_gap_s``. So
    at most ``1 / gap_s`` a second without doubt, and ``1 / check_s`` when nothing changes.

    Attributes:
        n_best: How many good shots are kept and fused, at least 1.
        gap_s: In seconds; frames that follow each other say the same.
        check_s: In seconds.
        doubt_gap_s: In seconds.
        better: How many times better a shot must look.
    """

    n_best: int = 5
    gap_s: float = 0.2
    check_s: float = 0.5
    doubt_gap_s: float = 0.1
    better: float = 1.1

    def __post_init__(self) -> None:
        check_positive_int("n_best", self.n_best)
        for name in ("gap_s", "check_s", "doubt_gap_s"):
            check_range(name, getattr(self, name), low=0)
        check_range("better", self.better, low=1)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One embedded view of a face.

    Attributes:
        time_s: When.
        look: How good it looked before it was embedded (`looks`).
        embedding: Of length 1, with its quality.
        refusal: Why it cannot be judged; empty where it can.
        is_face: Whether the model's trust head takes it for a face.
    """

    time_s: float
    look: float
    embedding: Embeddings
    refusal: tuple[str, ...]
    is_face: bool = True

    @property
    def quality(self) -> float:
        """What fusing weighs it by."""
        measured = self.embedding.quality
        return float(self.embedding.norms[0] if measured is None else measured[0])


def looks(faces: Faces) -> float:
    """How good one face looks by its landmarks alone, in [0, 1]: large and turned to the camera.

    Args:
        faces: One face.
    """
    yaw, pitch, _ = np.radians(head_pose(faces.landmarks)[0].astype(np.float64))
    size = min(1.0, float(faces.inter_eye_distances[0]) / _LARGE_EYES_PX)
    return size * max(0.0, float(np.cos(yaw) * np.cos(pitch)))


_LARGE_EYES_PX = 60.0
_NO_FACE = "not a face"


def take_shot(analyser: Analyser, image: Image, faces: Faces, *, time_s: float) -> Shot:
    """Embed one face of a frame.

    Args:
        analyser: Aligns, embeds and measures.
        image: (h, w, 3) uint8, RGB.
        faces: The one face.
        time_s: When.
    """
    (read,) = analyser.read([DetectedPhoto("frame", image, faces, 0)])
    told = read.quality.damage
    trust = read.quality.trust
    refused = read.refusals[0]
    no_face = told is not None and trust is not None and bool(refused) and _NO_FACE in str(told[0])
    return Shot(time_s, looks(faces), read.embeddings, refused, not no_face)

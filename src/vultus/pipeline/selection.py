"""Which face of a photo is meant, when one is."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt

from vultus.alignment.align import align_faces
from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import InputError, NoFaceError, QualityError, SeveralFacesError
from vultus.core.faces import Faces, Image
from vultus.core.geometry import box_iou
from vultus.core.text import argument
from vultus.quality.gate import QualityGate
from vultus.quality.measures import QUALITY_TEMPLATE, measure_quality

SELECTIONS: tuple[Selection, ...] = get_args(Selection)

Refusals = Sequence[tuple[str, ...]]
"""Why each face cannot be judged; an empty tuple where it can."""


def select_face(
    faces: Faces,
    size_hw: tuple[float, float],
    *,
    select: Selection = DEFAULT_SELECT,
    name: str = "the photo",
    refusals: Refusals = (),
) -> int:
    """Choose one face of a photo by an explicit rule.

    Of each box the part inside the photo counts.

    Args:
        faces: The faces found.
        size_hw: The photo's height and width in pixels; ``inf`` where nobody knows them.
        select: The rule.
        name: What messages call the photo.
        refusals: Why each face cannot be judged, an empty tuple where it can; empty where nobody
            asked. By ``only`` such a face is none beside others: detectors take hair, a suit, or
            somebody far behind for a second face. The largest and the most central face are the
            ones meant, whether they can be judged or not.

    Returns:
        Index into ``faces``.

    Raises:
        NoFaceError: If there is no face.
        SeveralFacesError: If more than one can be judged and the rule is ``only``.
        QualityError: If there are several, none can be judged and the rule is ``only``.
        InputError: If the rule is unknown.
    """
    if select not in SELECTIONS:
        raise InputError(f"select must be one of {', '.join(SELECTIONS)}, got {select!r}")
    if not len(faces):
        raise NoFaceError(f"no face found in {name}; it must show one")
    seen = faces.cut_to(size_hw)
    if select == "largest":
        return seen.largest()
    if select == "central":
        centres = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
        middle = np.array([size_hw[1], size_hw[0]], np.float32) / 2
        distances = np.linalg.norm(centres - middle, axis=1)
        # A face that is wholly outside lies nowhere in the photo.
        return int(np.argmin(np.where(seen.areas > 0, distances, np.inf)))
    return _only_face(faces, name, refusals)


def _only_face(faces: Faces, name: str, refusals: Refusals) -> int:
    fit = [face for face in range(len(faces)) if not (refusals and refusals[face])]
    if len(faces) == 1 or len(fit) == 1:
        return fit[0] if fit else 0
    if not fit:
        raise QualityError(
            f"none of the {len(faces)} faces in {name} can be judged: {refused_faces(refusals)}"
        )
    judged = "" if len(fit) == len(faces) else f" ({len(fit)} of them can be judged)"
    raise SeveralFacesError(
        f"{name} shows {len(faces)} faces{judged} and one is needed; crop the photo, or say which: "
        f"{argument('select', 'largest')} or {argument('select', 'central')}"
    )


def refused_faces(refusals: Refusals) -> str:
    """Which faces cannot be judged, and why, in words; faces are counted from 1."""
    return "; ".join(
        f"face {number}: {', '.join(reasons)}"
        for number, reasons in enumerate(refusals, start=1)
        if reasons
    )


def usual_refusals(image: Image, faces: Faces, select: Selection) -> Refusals:
    """What the usual quality gate refuses, where `select_face` has to know: ``only`` of several.

    For work that applies no gate itself; the norm of embeddings is not asked.

    Args:
        image: (h, w, 3) uint8, RGB: the photo.
        faces: Its faces.
        select: The rule that will be applied.
    """
    if select != "only" or len(faces) < 2:
        return ()
    try:
        crops = align_faces(image, faces, template=QUALITY_TEMPLATE)
    except InputError:  # degenerate landmarks; whose, nobody knows
        return ()
    return QualityGate().judge(measure_quality(image, faces, crops))


def choose_face(
    faces: Faces,
    size_hw: tuple[float, float],
    *,
    select: Selection,
    box: npt.NDArray[np.float32] | None,
    name: str,
    refusals: Refusals = (),
) -> int:
    """Choose one face of a photo.

    Args:
        faces: The faces found.
        size_hw: As `select_face`.
        select: The rule where there is no box.
        box: (4,) float32 ``x1 y1 x2 y2`` in pixels, or NaN: the face that it overlaps most is
            meant, of those whose centre lies in it.
        name: What messages call the photo.
        refusals: As `select_face`.

    Returns:
        Index into ``faces``.

    Raises:
        NoFaceError: If there is no face, or none where the box is.
        SeveralFacesError, QualityError: As `select_face`.
    """
    if box is None or not np.isfinite(box).all():
        return select_face(faces, size_hw, select=select, name=name, refusals=refusals)
    boxes = faces.cut_to(size_hw).boxes
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= box[:2]) & (centres <= box[2:])).all(axis=1)
    if not inside.any():
        raise NoFaceError(f"no face found in {name} where the data set has one")
    return int(np.argmax(np.where(inside, box_iou(boxes, box[None])[:, 0], -1)))

"""Which face of a photo is meant, when one is."""

from typing import get_args

import numpy as np
import numpy.typing as npt

from vultus.core.choices import Selection
from vultus.core.errors import InputError, NoFaceError, SeveralFacesError
from vultus.core.faces import Faces
from vultus.core.geometry import box_iou

SELECTIONS: tuple[Selection, ...] = get_args(Selection)


def select_face(
    faces: Faces,
    size_hw: tuple[float, float],
    *,
    select: Selection = "only",
    name: str = "the photo",
) -> int:
    """Choose one face of a photo by an explicit rule.

    Of each box the part inside the photo counts.

    Args:
        faces: The faces found.
        size_hw: The photo's height and width in pixels; ``inf`` where nobody knows them.
        select: The rule.
        name: What messages call the photo.

    Returns:
        Index into ``faces``.

    Raises:
        NoFaceError: If there is no face.
        SeveralFacesError: If there is more than one and the rule is ``only``.
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
    if len(faces) > 1:
        raise SeveralFacesError(
            f"{name} shows {len(faces)} faces and one is needed; "
            "crop the photo, or select the largest or the most central face"
        )
    return 0


def choose_face(
    faces: Faces,
    size_hw: tuple[float, float],
    *,
    select: Selection,
    box: npt.NDArray[np.float32] | None,
    name: str,
) -> int:
    """Choose one face of a photo.

    Args:
        faces: The faces found.
        size_hw: As `select_face`.
        select: The rule where there is no box.
        box: (4,) float32 ``x1 y1 x2 y2`` in pixels, or NaN: the face that it overlaps most is
            meant, of those whose centre lies in it.
        name: What messages call the photo.

    Returns:
        Index into ``faces``.

    Raises:
        NoFaceError: If there is no face, or none where the box is.
        SeveralFacesError: If there is more than one and the rule is ``only``.
    """
    if box is None or not np.isfinite(box).all():
        return select_face(faces, size_hw, select=select, name=name)
    boxes = faces.cut_to(size_hw).boxes
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= box[:2]) & (centres <= box[2:])).all(axis=1)
    if not inside.any():
        raise NoFaceError(f"no face found in {name} where the data set has one")
    return int(np.argmax(np.where(inside, box_iou(boxes, box[None])[:, 0], -1)))

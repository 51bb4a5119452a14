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
    faces: Faces, size_hw: tuple[int, int], *, select: Selection = "only", name: str = "the photo"
) -> int:
    """Choose one face of a photo by an explicit rule.

    Args:
        faces: The faces found.
        size_hw: The photo's height and width in pixels.
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
    if select == "largest":
        return faces.largest()
    if select == "central":
        centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
        middle = np.array([size_hw[1], size_hw[0]], np.float32) / 2
        return int(np.argmin(np.linalg.norm(centres - middle, axis=1)))
    if len(faces) > 1:
        raise SeveralFacesError(
            f"{name} shows {len(faces)} faces and one is needed; "
            "crop the photo, or select the largest or the most central face"
        )
    return 0


def choose_face(
    faces: Faces,
    size_hw: tuple[int, int],
    *,
    select: Selection,
    box: npt.NDArray[np.float32] | None,
    name: str,
) -> int:
    """Choose one face of a photo.

    Args:
        faces: The faces found.
        size_hw: The photo's height and width in pixels.
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
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    inside = ((centres >= box[:2]) & (centres <= box[2:])).all(axis=1)
    if not inside.any():
        raise NoFaceError(f"no face found in {name} where the data set has one")
    return int(np.argmax(np.where(inside, box_iou(faces.boxes, box[None])[:, 0], -1)))

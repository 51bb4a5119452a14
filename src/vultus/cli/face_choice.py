"""Which of the faces of a photo is meant: by the box that a data set gives, else by a rule."""

import numpy as np
import numpy.typing as npt

from vultus.core.errors import NoFaceError
from vultus.core.faces import Faces
from vultus.core.geometry import box_iou
from vultus.pipeline.selection import Selection, select_face

__all__ = ["choose_face"]


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

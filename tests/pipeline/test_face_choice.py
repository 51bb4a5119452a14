import numpy as np
import pytest

from vultus.core.errors import NoFaceError, SeveralFacesError
from vultus.core.faces import Faces
from vultus.pipeline.selection import choose_face

BOXES = [[0, 0, 40, 40], [50, 10, 70, 30], [52, 8, 76, 32]]


def _faces(n: int) -> Faces:
    boxes = np.array(BOXES[:n], np.float32).reshape(-1, 4)
    return Faces(boxes, np.zeros((n, 5, 2), np.float32), np.ones(n, np.float32))


@pytest.mark.parametrize(
    ("box", "expected"),
    [((0, 0, 42, 38), 0), ((49, 9, 71, 31), 1), ((52, 8, 78, 34), 2), ((30, 0, 90, 60), 2)],
)
def test_the_face_in_the_box_is_meant(box: tuple[float, ...], expected: int) -> None:
    given = np.array(box, np.float32)
    assert choose_face(_faces(3), (100, 100), select="largest", box=given, name="x") == expected


def test_a_face_beside_the_box_is_not_taken_for_it() -> None:
    # It overlaps the box at its edge; its centre lies outside.
    given = np.array([30, 0, 49, 60], np.float32)
    with pytest.raises(NoFaceError, match="where the data set has one"):
        choose_face(_faces(3), (100, 100), select="largest", box=given, name="x")
    with pytest.raises(NoFaceError):
        choose_face(_faces(0), (100, 100), select="largest", box=given, name="x")


def test_of_faces_whose_centre_lies_inside_the_largest_overlap_is_taken() -> None:
    # The first overlaps more, and its centre lies outside.
    boxes = np.array([[4, 0, 18, 10], [4, 4, 6, 6], [4, 4, 7, 7]], np.float32)
    faces = Faces(boxes, np.zeros((3, 5, 2), np.float32), np.ones(3, np.float32))
    given = np.array([0, 0, 10, 10], np.float32)
    assert choose_face(faces, (100, 100), select="largest", box=given, name="x") == 2


def test_without_a_box_the_rule_holds() -> None:
    unknown = np.full(4, np.nan, np.float32)
    for box in (None, unknown):
        assert choose_face(_faces(3), (40, 120), select="central", box=box, name="x") == 1
        assert choose_face(_faces(3), (40, 120), select="largest", box=box, name="x") == 0
        with pytest.raises(SeveralFacesError):
            choose_face(_faces(3), (40, 120), select="only", box=box, name="x")

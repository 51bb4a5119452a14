import numpy as np
import pytest

from vultus.core.errors import InputError, NoFaceError, SeveralFacesError
from vultus.core.faces import Faces
from vultus.pipeline.selection import select_face


def faces(*boxes: tuple[int, int, int, int]) -> Faces:
    n = len(boxes)
    return Faces(
        np.array(boxes, np.float32).reshape(n, 4),
        np.zeros((n, 5, 2), np.float32),
        np.ones(n, np.float32),
    )


CORNER_LARGE, MIDDLE_SMALL = (0, 0, 40, 40), (45, 45, 60, 60)


def test_one_face_needs_no_rule() -> None:
    assert select_face(faces(MIDDLE_SMALL), (100, 100)) == 0


def test_each_rule_chooses_its_own() -> None:
    both = faces(MIDDLE_SMALL, CORNER_LARGE)
    assert select_face(both, (100, 100), select="largest") == 1
    assert select_face(both, (100, 100), select="central") == 0


def test_central_means_width_and_height_in_their_places() -> None:
    both = faces((40, 90, 60, 110), (90, 40, 110, 60))
    assert select_face(both, (200, 100), select="central") == 0
    assert select_face(both, (100, 200), select="central") == 1


def test_several_faces_are_an_error_until_one_is_meant() -> None:
    with pytest.raises(SeveralFacesError, match=r"party\.jpg shows 2 faces"):
        select_face(faces(CORNER_LARGE, MIDDLE_SMALL), (100, 100), name="party.jpg")


@pytest.mark.parametrize("rule", ["only", "largest", "central"])
def test_no_face_is_an_error_whatever_the_rule(rule: str) -> None:
    with pytest.raises(NoFaceError, match=r"no face found in a\.jpg"):
        select_face(faces(), (100, 100), select=rule, name="a.jpg")  # type: ignore[arg-type]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="only, largest, central"):
        select_face(faces(CORNER_LARGE), (100, 100), select="first")  # type: ignore[arg-type]

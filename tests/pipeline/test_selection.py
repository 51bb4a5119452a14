import numpy as np
import pytest

from vultus.core.errors import InputError, NoFaceError, QualityError, SeveralFacesError
from vultus.core.faces import Faces
from vultus.core.text import option_words
from vultus.pipeline.selection import choose_face, select_face


def faces(*boxes: tuple[int, int, int, int]) -> Faces:
    n = len(boxes)
    return Faces(
        np.array(boxes, np.float32).reshape(n, 4),
        np.zeros((n, 5, 2), np.float32),
        np.ones(n, np.float32),
    )


BOXES = [(0, 0, 40, 40), (50, 10, 70, 30), (52, 8, 76, 32)]
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


def test_what_lies_outside_the_photo_counts_for_nothing() -> None:
    # Whole boxes: 60 x 60, 40 x 40, 80 x 100; seen: 60 x 60, 40 x 40, 20 x 100.
    boxes = faces((0, 0, 60, 60), (30, 60, 70, 100), (80, 0, 160, 100))
    assert boxes.largest() == 2
    assert select_face(boxes, (100, 100), select="largest") == 0
    # Whole centres: (0, 50) and (75, 75); seen: (25, 50) and (75, 75).
    boxes = faces((55, 55, 95, 95), (-50, 20, 50, 80))
    assert select_face(boxes, (100, 100), select="central") == 1
    # Nothing is known of the lower right; the upper left is at 0.
    boxes = faces((0, 0, 60, 60), (-80, 0, 20, 100))
    assert select_face(boxes, (np.inf, np.inf), select="largest") == 0


def test_the_box_of_a_data_set_is_compared_with_what_is_seen() -> None:
    given = np.array([60, 20, 100, 80], np.float32)
    boxes = faces((62, 22, 75, 35), (60, 20, 150, 80))
    assert choose_face(boxes, (100, 100), select="only", box=given, name="x") == 1


def test_several_faces_are_an_error_until_one_is_meant() -> None:
    with pytest.raises(SeveralFacesError, match=r"party\.jpg shows 2 faces"):
        select_face(faces(CORNER_LARGE, MIDDLE_SMALL), (100, 100), name="party.jpg")


POOR = ("inter-eye distance 9 px, needs 24",)


def test_faces_that_cannot_be_judged_are_no_second_face() -> None:
    both = faces(CORNER_LARGE, MIDDLE_SMALL)
    assert select_face(both, (100, 100), refusals=[POOR, ()]) == 1
    assert select_face(both, (100, 100), refusals=[(), POOR]) == 0
    # Who is refused is still the largest, and no other takes that place.
    assert select_face(both, (100, 100), select="largest", refusals=[POOR, ()]) == 0
    assert select_face(both[:1], (100, 100), refusals=[POOR]) == 0
    with pytest.raises(
        QualityError, match=r"none of the 2 faces .* face 1: .*9 px.*; face 2: dark"
    ):
        select_face(both, (100, 100), refusals=[POOR, ("dark",)])
    three = faces(CORNER_LARGE, MIDDLE_SMALL, MIDDLE_SMALL)
    with pytest.raises(SeveralFacesError, match=r"3 faces \(2 of them can be judged\)"):
        select_face(three, (100, 100), refusals=[(), POOR, ()])


def test_the_way_out_is_told_in_the_words_of_who_calls() -> None:
    both = faces(CORNER_LARGE, MIDDLE_SMALL)
    with pytest.raises(SeveralFacesError, match='select="largest" or select="central"'):
        select_face(both, (100, 100))
    with option_words(), pytest.raises(SeveralFacesError, match="--select largest or --select cen"):
        select_face(both, (100, 100))


@pytest.mark.parametrize("rule", ["only", "largest", "central"])
def test_no_face_is_an_error_whatever_the_rule(rule: str) -> None:
    with pytest.raises(NoFaceError, match=r"no face found in a\.jpg"):
        select_face(faces(), (100, 100), select=rule, name="a.jpg")  # type: ignore[arg-type]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="only, largest, central"):
        select_face(faces(CORNER_LARGE), (100, 100), select="first")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("box", "expected"),
    [((0, 0, 42, 38), 0), ((49, 9, 71, 31), 1), ((52, 8, 78, 34), 2), ((30, 0, 90, 60), 2)],
)
def test_the_face_in_the_box_is_meant(box: tuple[float, ...], expected: int) -> None:
    given = np.array(box, np.float32)
    assert choose_face(faces(*BOXES), (100, 100), select="largest", box=given, name="x") == expected


def test_a_face_beside_the_box_is_not_taken_for_it() -> None:
    # It overlaps the box at its edge; its centre lies outside.
    given = np.array([30, 0, 49, 60], np.float32)
    with pytest.raises(NoFaceError, match="where the data set has one"):
        choose_face(faces(*BOXES), (100, 100), select="largest", box=given, name="x")
    with pytest.raises(NoFaceError):
        choose_face(faces(*BOXES[:0]), (100, 100), select="largest", box=given, name="x")


def test_of_faces_whose_centre_lies_inside_the_largest_overlap_is_taken() -> None:
    # The first overlaps more, and its centre lies outside.
    boxes = np.array([[4, 0, 18, 10], [4, 4, 6, 6], [4, 4, 7, 7]], np.float32)
    faces = Faces(boxes, np.zeros((3, 5, 2), np.float32), np.ones(3, np.float32))
    given = np.array([0, 0, 10, 10], np.float32)
    assert choose_face(faces, (100, 100), select="largest", box=given, name="x") == 2


def test_without_a_box_the_rule_holds() -> None:
    unknown = np.full(4, np.nan, np.float32)
    for box in (None, unknown):
        assert choose_face(faces(*BOXES), (40, 120), select="central", box=box, name="x") == 1
        assert choose_face(faces(*BOXES), (40, 120), select="largest", box=box, name="x") == 0
        with pytest.raises(SeveralFacesError):
            choose_face(faces(*BOXES), (40, 120), select="only", box=box, name="x")

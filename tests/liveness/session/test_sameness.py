import numpy as np
from tests.liveness.session.heads import landmarks, person

from vultus.liveness.session.head_pose import head_pose
from vultus.liveness.session.sameness import SamenessSettings, SamePerson

MIDDLE = np.array([120.0, 120.0])


def _person() -> SamePerson:
    same = SamePerson(SamenessSettings())
    same.begin(person().vectors[0])
    return same


def test_one_blurred_frame_is_forgiven_two_are_not() -> None:
    same, me, other = _person(), person().vectors[0], person(1).vectors[0]
    assert [bool(same.alike(one)) for one in (me, other, me, other, other)] == [False] * 4 + [True]


def test_somebody_who_comes_and_goes() -> None:
    same = _person()
    faces = [person(k % 2).vectors[0] for k in range(20)]
    assert any("another person" in same.alike(one) for one in faces)


def test_a_face_that_slowly_becomes_another() -> None:
    same, me, other = _person(), person().vectors[0], person(1).vectors[0]
    told = []
    for part in np.linspace(0, 1, 30):
        between = (1 - part) * me + part * other
        told.append(same.alike((between / np.linalg.norm(between)).astype(np.float32)))
    assert "another person" in told[-1]


def test_heads_go_on_from_where_they_are() -> None:
    same = _person()
    for k in range(12):
        assert same.went_on(k / 10, head_pose(landmarks(4 * k)), MIDDLE + 4 * k) == ""


def test_heads_do_not_jump() -> None:
    same = _person()
    same.went_on(0, head_pose(landmarks()), MIDDLE)
    assert "60 degrees" in same.went_on(0.1, head_pose(landmarks(0, 0, 60)), MIDDLE)
    same.went_on(0.2, head_pose(landmarks()), MIDDLE)
    assert "the face jumped" in same.went_on(0.3, head_pose(landmarks()), MIDDLE + 150)
    same.went_on(0.4, head_pose(landmarks()), MIDDLE + 150)
    assert "size" in same.went_on(0.5, head_pose(landmarks(px=80)), MIDDLE + 150)


def test_where_frames_are_rare_a_head_may_have_gone_far() -> None:
    same = _person()
    same.went_on(0, head_pose(landmarks()), MIDDLE)
    assert same.went_on(0.5, head_pose(landmarks(0, 0, 60)), MIDDLE + 100) == ""

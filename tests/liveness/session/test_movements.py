import pytest
from tests.liveness.session.heads import landmarks

from vultus.core.errors import InputError
from vultus.liveness.session.head_pose import head_pose
from vultus.liveness.session.movements import (
    MOVEMENTS,
    Movement,
    MovementFinder,
    MovementSettings,
    turned_deg,
)

MADE: dict[Movement, tuple[float, float, float, float]] = {
    "turn_left": (25, 0, 0, 40),
    "turn_right": (-25, 0, 0, 40),
    "nod": (0, 15, 0, 40),
    "look_up": (0, -15, 0, 40),
    "tilt_left": (0, 0, 25, 40),
    "tilt_right": (0, 0, -25, 40),
    "closer": (0, 0, 0, 56),
}


def _finder() -> MovementFinder:
    return MovementFinder(head_pose(landmarks()), MovementSettings())


def _moved(
    finder: MovementFinder, asked: Movement | None, to: Movement, *, part: float = 1.0
) -> list[tuple[bool, Movement | None]]:
    *angles, px = MADE[to]
    told = []
    for step in range(9):
        along = part * min(1.0, step / 5)
        yaw, pitch, roll = (along * angle for angle in angles)
        pose = head_pose(landmarks(yaw, pitch, roll, px=40 + along * (px - 40)))
        told.append(finder.take(pose, asked))
    return told


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_each_movement_is_found_once_and_by_its_own_name(movement: Movement) -> None:
    told = _moved(_finder(), movement, movement)
    assert [made for made, _ in told].count(True) == 1
    assert {other for _, other in told} == {None}


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_another_one_than_asked_is_told(movement: Movement) -> None:
    asked: Movement = "tilt_left" if movement != "tilt_left" else "turn_left"
    told = _moved(_finder(), asked, movement)
    assert [other for _, other in told if other is not None] == [movement]
    assert not any(made for made, _ in told)


def test_half_a_movement_is_none() -> None:
    assert not any(made for made, _ in _moved(_finder(), "turn_left", "turn_left", part=0.3))


def test_what_is_held_is_not_made_again_before_it_was_taken_back() -> None:
    finder = _finder()
    _moved(finder, "turn_left", "turn_left")
    finder.step()
    held = [finder.take(head_pose(landmarks(25)), "turn_left") for _ in range(5)]
    assert set(held) == {(False, None)}
    for _ in range(3):
        finder.take(head_pose(landmarks()), "nod")
    assert any(made for made, _ in _moved(finder, "turn_left", "turn_left"))


def test_what_is_held_is_no_wrong_answer_to_the_next() -> None:
    finder = _finder()
    _moved(finder, "tilt_right", "tilt_right")
    finder.step()
    told = [finder.take(head_pose(landmarks(-25 * k / 4, 0, -25)), "turn_right") for k in range(6)]
    assert [made for made, _ in told].count(True) == 1
    assert {other for _, other in told} == {None}


def test_one_bad_pose_is_no_movement() -> None:
    finder = _finder()
    poses = [landmarks()] * 3 + [landmarks(40)] + [landmarks()] * 3
    assert not any(finder.take(head_pose(pose), "turn_left")[0] for pose in poses)


def test_angles_go_round() -> None:
    assert turned_deg(350) == -10
    assert turned_deg(-190) == 170
    assert turned_deg(180) == 180


def test_settings_out_of_range() -> None:
    with pytest.raises(InputError, match="turn_deg"):
        MovementSettings(turn_deg=1)
    with pytest.raises(InputError, match="closer"):
        MovementSettings(closer=0.9)

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.quality.pose import MEAN_FACE_MM, head_pose


def photographed(yaw_deg: float, pitch_deg: float, roll_deg: float) -> npt.NDArray[np.float32]:
    """The mean face turned about its own axes and seen from far away, point by point."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    points = []
    for x, y, z in MEAN_FACE_MM.tolist():
        y, z = y * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - y * np.sin(pitch)
        x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
        x, y = x * np.cos(roll) + y * np.sin(roll), y * np.cos(roll) - x * np.sin(roll)
        points.append((200 + 0.7 * x, 150 + 0.7 * y))
    return np.array([points], np.float32)


@given(yaw=st.floats(-75, 75), pitch=st.floats(-50, 50), roll=st.floats(-170, 170))
@settings(max_examples=60, deadline=None)
def test_the_angles_of_the_mean_face_are_recovered(yaw: float, pitch: float, roll: float) -> None:
    np.testing.assert_allclose(
        head_pose(photographed(yaw, pitch, roll))[0], [yaw, pitch, roll], atol=0.05
    )


def test_signs_are_as_documented() -> None:
    frontal = photographed(0, 0, 0)
    to_own_left, down, tilted = frontal.copy(), frontal.copy(), frontal.copy()
    to_own_left[0, 2, 0] += 8  # the nose moves to the image's right
    down[0, 2, 1] += 8
    tilted[0, 0, 1] += 8  # the right eye, on the image's left, sinks
    assert head_pose(to_own_left)[0, 0] > 5
    assert head_pose(down)[0, 1] > 5
    assert head_pose(tilted)[0, 2] > 1


def test_mirrored_faces_turn_the_other_way() -> None:
    points = photographed(25, 10, 15) + np.random.default_rng(0).normal(0, 1, (1, 5, 2))
    mirrored = np.asarray(points[:, [1, 0, 2, 4, 3]] * [-1, 1], np.float32)
    wanted = head_pose(points.astype(np.float32)) * [-1, 1, -1]
    np.testing.assert_allclose(head_pose(mirrored), wanted, atol=1e-3)


def test_the_error_under_landmark_noise_is_as_the_docstring_says() -> None:
    rng = np.random.default_rng(0)
    face = photographed(20, 5, 0)[0] - (200, 150)
    noisy = face * (35 / 44.1) + rng.normal(0, 1, (500, 5, 2))
    error = head_pose(noisy.astype(np.float32)) - [20, 5, 0]
    assert (np.sqrt((error**2).mean(axis=0)) < [6, 6, 3]).all()


def test_no_face_coinciding_points_and_wrong_input() -> None:
    assert head_pose(np.zeros((0, 5, 2), np.float32)).shape == (0, 3)
    assert np.isfinite(head_pose(np.zeros((1, 5, 2), np.float32))).all()
    with pytest.raises(InputError, match="landmarks must be float32"):
        head_pose(np.zeros((1, 5, 3), np.float32))

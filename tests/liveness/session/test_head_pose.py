import numpy as np
import pytest
from tests.liveness.session.heads import landmarks

from vultus.core.errors import InputError
from vultus.liveness.session.head_pose import head_pose

HELD = [(0, 0, 0), (25, 0, 0), (-25, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 30), (0, 0, -100)]


@pytest.mark.parametrize("angles", HELD)
def test_a_solid_head_is_seen_as_it_is_turned(angles: tuple[float, float, float]) -> None:
    pose = head_pose(landmarks(*angles))
    assert (pose.yaw_deg, pose.pitch_deg) == pytest.approx(angles[:2], abs=1)
    assert pose.roll_deg == pytest.approx(angles[2], abs=1)


@pytest.mark.parametrize("angles", [(50, 0, 0), (0, 50, 0), (30, 30, 20), (0, 0, 70)])
def test_a_flat_photo_is_never_turned(angles: tuple[float, float, float]) -> None:
    pose = head_pose(landmarks(*angles, flat=True))
    assert (pose.yaw_deg, pose.pitch_deg) == pytest.approx((0, 0), abs=1e-3)


def test_the_scale_is_the_distance_of_the_eyes() -> None:
    assert head_pose(landmarks(px=55)).scale_px == pytest.approx(55, rel=0.01)


@pytest.mark.parametrize(
    "points",
    [np.zeros((5, 2), np.float32), np.zeros((4, 2), np.float32), landmarks()[:, ::-1].copy()],
)
def test_what_is_no_face(points: np.ndarray) -> None:
    with pytest.raises(InputError, match="landmarks must be"):
        head_pose(points)

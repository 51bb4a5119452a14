import numpy as np

from vultus.data.damage.alignment import misplaced, no_face

LANDMARKS = np.array([[40, 50], [76, 50], [58, 70], [43, 90], [73, 90]], np.float32)
PHOTO = np.random.default_rng(0).integers(60, 200, (140, 120, 3), np.uint8)


def test_misplaced_landmarks_are_off_in_proportion() -> None:
    def error(strength: float) -> float:
        made = [misplaced(LANDMARKS, strength, np.random.default_rng(i)) for i in range(50)]
        return float(np.mean([np.linalg.norm(one - LANDMARKS, axis=1).mean() for one in made]))

    assert error(0) == 0
    assert 3 < error(0.7) < error(1.4) < 40


def test_no_face_is_made_in_several_ways() -> None:
    ways = [no_face(PHOTO, LANDMARKS, np.random.default_rng(i)) for i in range(40)]
    kept = sum((photo == PHOTO).all() for photo, _ in ways)
    assert 0 < kept < 40
    for photo, points in ways:
        assert photo.shape == PHOTO.shape
        assert points.shape == (5, 2)
        changed = (photo != PHOTO).any()
        moved = np.abs(points - LANDMARKS).max() > 5
        assert changed or moved

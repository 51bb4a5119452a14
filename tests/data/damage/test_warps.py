import cv2
import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[120, 130], [160, 130], [140, 155], [124, 175], [156, 175]], np.float32)
SIDE = 280


def grain() -> np.ndarray:
    """Smooth shades by chance."""
    cells = np.random.default_rng(0).uniform(40, 210, (20, 20, 3)).astype(np.float32)
    return cv2.resize(cells, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def done(name: str, image: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    return find_damage(name)(
        image, LANDMARKS, strength=strength, generator=np.random.default_rng(seed)
    )


@pytest.mark.parametrize(
    ("name", "mild", "hard"),
    [("reshaped", 0.05, 0.4), ("moved-parts", 0.04, 0.26), ("tiled", 0.03, 0.2)],
)
def test_the_harder_the_more_is_changed_and_the_size_stays(
    name: str, mild: float, hard: float
) -> None:
    image = grain()
    changes = [np.abs(done(name, image, x).astype(int) - image).mean() for x in (mild, hard)]
    assert 0 < changes[0] < changes[1]
    assert done(name, image, hard).shape == image.shape


def test_a_reshaped_face_keeps_its_middle_and_never_runs_backwards() -> None:
    steps = np.linspace(0, 255, SIDE).astype(np.uint8)
    rows = np.repeat(np.tile(steps, (SIDE, 1)).T[..., None], 3, axis=2).copy()
    columns = np.ascontiguousarray(rows.transpose(1, 0, 2))
    middle = LANDMARKS.mean(axis=0)
    for seed in range(12):
        down = done("reshaped", rows, 0.45, seed)[:, int(middle[0]), 0].astype(int)
        across = done("reshaped", columns, 0.45, seed)[int(middle[1]), :, 0].astype(int)
        assert (np.diff(down) >= 0).all()
        assert (np.diff(across) >= 0).all()
        assert abs(down[int(middle[1])] - rows[int(middle[1]), 0, 0]) <= 4
        assert abs(across[int(middle[0])] - columns[0, int(middle[0]), 0]) <= 4


def test_moved_parts_leave_the_photo_s_edge() -> None:
    for seed in range(6):
        moved = np.abs(done("moved-parts", grain(), 0.26, seed).astype(int) - grain()).sum(axis=2)
        assert moved[110:200, 100:180].max() > 20
        assert moved[:30].max() == 0


def test_a_mirrored_face_has_two_equal_halves() -> None:
    for seed in (0, 1):
        out = done("mirrored", grain(), 0.0, seed).astype(int)
        np.testing.assert_array_equal(out[:, 140:240], out[:, 140:40:-1])
        assert (out == grain()).all(axis=2).mean() > 0.45


def test_tiles_are_squares_of_the_photo() -> None:
    steps = np.linspace(0, 255, SIDE)
    image = np.repeat(np.tile(steps, (SIDE, 1)).astype(np.uint8)[..., None], 3, axis=2).copy()
    across = done("tiled", image, 0.2)[150, :, 0].astype(int)
    jumps = np.flatnonzero(np.abs(np.diff(across)) > 3)
    assert len(jumps) > 3
    assert np.median(np.diff(across)) in (0, 1)

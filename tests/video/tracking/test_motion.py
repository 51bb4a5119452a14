import json

import numpy as np
import numpy.typing as npt

from vultus.video.tracking.motion import Motion, overlaps

Floats = npt.NDArray[np.float64]


class _Plain:
    """The same filter as in the papers: eight states, matrices."""

    def __init__(self, z: Floats) -> None:
        h = z[3]
        std = [h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]
        self.x, self.p = np.concatenate([z, np.zeros(4)]), np.diag(np.square(std))

    def predict(self) -> None:
        f = np.eye(8)
        f[:4, 4:] = np.eye(4)
        h = self.x[3]
        std = [h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]
        self.x, self.p = f @ self.x, f @ self.p @ f.T + np.diag(np.square(std))

    def update(self, z: Floats) -> None:
        h = self.x[3]
        r = np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))
        m = np.eye(4, 8)
        gain = self.p @ m.T @ np.linalg.inv(m @ self.p @ m.T + r)
        self.x = self.x + gain @ (z - m @ self.x)
        self.p = self.p - gain @ m @ self.p


def test_four_small_filters_are_the_paper_s_large_one() -> None:
    rng = np.random.default_rng(0)
    box = np.array([100.0, 80, 160, 150])
    motion, plain = Motion.begun(box), _Plain(np.array([130.0, 115, 60 / 70, 70]))
    for step in range(30):
        motion = motion.after(1 / 30)
        plain.predict()
        if step % 3:
            seen = box + step * np.array([3.0, 1, 3, 1]) + rng.normal(0, 1, 4)
            motion = motion.corrected(seen)
            width, height = seen[2:] - seen[:2]
            z = np.array([*(seen[:2] + seen[2:]) / 2, width / height, height])
            plain.update(z)
        np.testing.assert_allclose(motion.value, plain.x[:4], rtol=1e-9)
        np.testing.assert_allclose(motion.velocity, plain.x[4:], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(motion.covariance[0], np.diag(plain.p)[:4], rtol=1e-9)


def test_it_reckons_on_where_a_face_goes() -> None:
    motion = Motion.begun([0, 0, 50, 60])
    for step in range(1, 30):
        motion = motion.after(1 / 30).corrected([4 * step, 0, 50 + 4 * step, 60])
    np.testing.assert_allclose(motion.after(0.5).box[0], 4 * 29 + 60, atol=6)


def test_json_loses_nothing() -> None:
    motion = Motion.begun([1.1, 2.2, 33.3, 44.4]).after(0.1).corrected([2, 3, 34, 45])
    again = Motion.from_dict(json.loads(json.dumps(motion.to_dict())))
    np.testing.assert_array_equal(again.covariance, motion.covariance)
    np.testing.assert_array_equal(again.value, motion.value)


def test_overlap_is_area_in_common_over_area_of_both() -> None:
    found = overlaps([[0, 0, 10, 10]], [[5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 10]])
    np.testing.assert_allclose(found, [[1 / 3, 0, 1]], rtol=1e-6)

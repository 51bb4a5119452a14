import dataclasses

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage.transform import SimilarityTransform

from vultus.alignment.align import landmark_residuals
from vultus.alignment.crop_templates import TEMPLATES, LandmarkTemplate
from vultus.core.faces import Faces
from vultus.data.synthetic import Conditions, SyntheticIdentity, draw_conditions, draw_identity
from vultus.data.synthetic.head import face_outline
from vultus.data.synthetic.view import View, surface


def target() -> np.ndarray:
    template = TEMPLATES["arcface-112"]
    assert isinstance(template, LandmarkTemplate)
    return template.points


def someone(seed: int) -> tuple[SyntheticIdentity, Conditions]:
    return draw_identity(np.random.default_rng(seed)), draw_conditions(np.random.default_rng(seed))


def true_landmarks(person: SyntheticIdentity, how: Conditions) -> np.ndarray:
    """(5, 3) in head units, written out once more."""
    half = person.mouth_width * (1 + 0.16 * how.smile - 0.1 * how.mouth_open)
    corner = person.mouth_y - person.mouth_curve - 0.2 * how.smile
    flat = np.array(
        [[-person.eye_spacing, 0], [person.eye_spacing, 0], [0, person.nose_length],
         [-half, corner], [half, corner]]
    )  # fmt: skip
    depth = [
        1.7 * np.sqrt(max(0.04, 1 - (x / 1.12 / person.face_width) ** 2 - ((y - 0.5) / 4.3) ** 2))
        for x, y in flat
    ]
    depth[2] += person.nose_depth
    return np.column_stack([flat, depth])


@pytest.mark.parametrize("seed", range(8))
def test_points_are_turned_seen_and_aligned_as_by_scipy_and_scikit_image(seed: int) -> None:
    person, how = someone(seed)
    # About x by minus the pitch (down is positive), then about y.
    turn = Rotation.from_euler("xy", [-how.pitch_deg, how.yaw_deg], degrees=True)
    pivot = np.array([0, 0.6, 0])

    def seen(points: np.ndarray) -> np.ndarray:
        turned = turn.apply(points - pivot)
        return np.asarray(turned[:, :2] / (1 - turned[:, 2:] / how.distance))

    flat = seen(true_landmarks(person, how))
    aligned = SimilarityTransform.from_estimate(flat + np.array(how.landmark_noise), target())
    view = View(person, how, target=target())
    np.testing.assert_allclose(view.landmarks, aligned(flat), atol=1e-3)
    assert view.scale_px == pytest.approx(aligned.scale, rel=1e-5)
    cloud = np.random.default_rng(seed).normal(size=(20, 3))
    np.testing.assert_allclose(view.project(cloud), aligned(seen(cloud)), atol=1e-3)


def test_without_errors_the_landmarks_fit_the_template_as_well_as_alignment_can() -> None:
    for seed in range(20):
        person, how = someone(seed)
        how = dataclasses.replace(how, landmark_noise=((0.0, 0.0),) * 5)
        landmarks = View(person, how, target=target()).landmarks
        faces = Faces(np.zeros((1, 4), np.float32), landmarks[None], np.ones(1, np.float32))
        left = np.linalg.norm(landmarks - target(), axis=1)
        np.testing.assert_allclose(left, landmark_residuals(faces)[0], atol=1e-3)
        assert left.mean() < 9


def test_turning_to_the_images_right_moves_the_nose_there() -> None:
    person, how = someone(0)
    noses = []
    for yaw in (-30.0, 0.0, 30.0):
        turned = dataclasses.replace(how, yaw_deg=yaw, landmark_noise=((0.0, 0.0),) * 5)
        landmarks = View(person, turned, target=target()).landmarks
        noses.append(landmarks[2, 0] - landmarks[:2, 0].mean())
    assert noses[0] < -5 < noses[1] < 5 < noses[2]


@pytest.mark.parametrize("yaw", [-38.0, -20.0, 0.0, 20.0, 38.0])
def test_the_eyes_stay_on_the_head_when_it_turns(yaw: float) -> None:
    for seed in range(10):
        person, how = someone(seed)
        view = View(person, dataclasses.replace(how, yaw_deg=yaw, pitch_deg=0.0), target=target())
        outline = view.project(face_outline(person) * (view.widening, 1.0, 1.0)).astype(np.float32)
        for point in view.landmarks[:2].astype(float):
            assert cv2.pointPolygonTest(outline, point.tolist(), measureDist=True) > 0


def test_nodding_moves_the_nose_down() -> None:
    person, how = someone(0)
    heights = []
    for pitch in (-15.0, 15.0):
        nodding = dataclasses.replace(how, pitch_deg=pitch, landmark_noise=((0.0, 0.0),) * 5)
        points = View(person, nodding, target=target()).landmarks
        heights.append((points[2, 1] - points[:2, 1].mean()) / np.ptp(points[:, 1]))
    assert heights[0] < heights[1]


def test_the_surface_is_deepest_at_the_edge() -> None:
    person, _ = someone(0)
    x = np.linspace(0, person.face_width, 20)
    depth = surface(person, np.column_stack([x, np.full(20, 0.5)]))
    assert depth[0] == pytest.approx(1.7)
    assert (np.diff(depth) < 0).all()

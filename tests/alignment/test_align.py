import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from skimage.transform import SimilarityTransform

from vultus.alignment.align import (
    align_faces,
    landmark_residuals,
    margin_crops,
    similarity_transforms,
)
from vultus.alignment.crop_templates import TEMPLATES, LandmarkTemplate, crop_template
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.geometry import invert_transform, transform_points

LANDMARK_TEMPLATES = [n for n, t in TEMPLATES.items() if isinstance(t, LandmarkTemplate)]


def template_points(name: str = "arcface-112") -> npt.NDArray[np.float64]:
    template = crop_template(name)
    assert isinstance(template, LandmarkTemplate)
    return template.points


def faces_with(landmarks: npt.ArrayLike) -> Faces:
    points = np.asarray(landmarks, np.float32).reshape(-1, 5, 2)
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return Faces(boxes, points, np.ones(len(points), np.float32))


def moved(
    points: npt.NDArray[np.float64], scale: float, angle_rad: float, shift: tuple[float, float]
) -> npt.NDArray[np.float64]:
    c, s = scale * np.cos(angle_rad), scale * np.sin(angle_rad)
    return np.asarray(points @ np.array([[c, s], [-s, c]]) + shift, np.float64)


similarities = {
    "scale": st.floats(0.2, 40),
    "angle_rad": st.floats(-3.1, 3.1),
    "shift": st.tuples(st.floats(-500, 4000), st.floats(-500, 4000)),
}


@pytest.mark.parametrize("name", LANDMARK_TEMPLATES)
@settings(max_examples=50, deadline=None)
@given(**similarities)
def test_a_moved_template_comes_back_exactly(
    name: str, scale: float, angle_rad: float, shift: tuple[float, float]
) -> None:
    target = template_points(name)
    landmarks = moved(target, scale, angle_rad, shift).astype(np.float32)
    (transform,) = similarity_transforms(landmarks[None], target)
    # float32 landmarks of up to some 8000 px are exact to 0.0005 px of the image.
    tolerance = 0.002 / min(scale, 1)
    np.testing.assert_allclose(transform_points(landmarks, transform), target, atol=tolerance)


def test_noisy_landmarks_give_what_skimage_gives() -> None:
    rng = np.random.default_rng(0)
    target = template_points()
    landmarks = moved(target, 3, 0.4, (100, 50)) + rng.normal(0, 12, (30, 5, 2))
    transforms = similarity_transforms(landmarks.astype(np.float32), target)
    for points, transform in zip(landmarks.astype(np.float32), transforms, strict=True):
        peer = SimilarityTransform.from_estimate(points.astype(np.float64), target)
        np.testing.assert_allclose(transform, peer.params[:2], rtol=1e-5, atol=1e-5)


def test_noisy_landmarks_give_what_a_numerical_search_gives() -> None:
    rng = np.random.default_rng(1)
    target = template_points()
    points = (moved(target, 2, -0.3, (30, 40)) + rng.normal(0, 10, (5, 2))).astype(np.float32)

    def residuals(v: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        linear = np.array([[v[0], -v[1]], [v[1], v[0]]])
        return np.ravel(points.astype(np.float64) @ linear.T + v[2:] - target)

    best = least_squares(residuals, [0.1, 0, 0, 0], x_scale=[0.01, 0.01, 1, 1], xtol=1e-14).x
    (transform,) = similarity_transforms(points[None], target)
    np.testing.assert_allclose(transform[:, 0], best[:2], atol=1e-6)
    np.testing.assert_allclose(transform[:, 2], best[2:], atol=1e-3)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    target = template_points()
    mirrored = target * [-1, 1]
    (transform,) = similarity_transforms(mirrored.astype(np.float32)[None], target)
    assert np.linalg.det(transform[:, :2]) > 0
    assert landmark_residuals(faces_with(mirrored)).mean() > 10


def test_collinear_landmarks_are_enough() -> None:
    line = [[10 * i, 5 * i] for i in range(5)]
    assert np.isfinite(similarity_transforms(faces_with(line).landmarks, template_points())).all()


def test_degenerate_landmarks_are_refused_by_number() -> None:
    good = template_points()
    faces = faces_with([good, np.full((5, 2), 77.0), good])
    with pytest.raises(InputError, match="face 1 of 3 must have landmarks that lie apart"):
        align_faces(np.zeros((112, 112, 3), np.uint8), faces)
    # Uncorrelated with the template: every turn is as bad as every other, and the scale is 0.
    z = np.array([1, 1j, -1, -1j, 0])
    w = template_points() @ [1, 1j]
    w = w - w.mean()
    orthogonal = z - z.mean() - w * np.vdot(w, z - z.mean()) / np.vdot(w, w)
    points = np.stack([orthogonal.real, orthogonal.imag], axis=1)
    with pytest.raises(InputError, match="face 0 of 1 must have landmarks that resemble"):
        similarity_transforms(points[None].astype(np.float32), template_points())


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_face_gives_no_crop_of_the_right_size(name: str) -> None:
    crops = align_faces(np.zeros((50, 60, 3), np.uint8), Faces.empty(), template=name)
    assert len(crops) == 0
    assert crops.size_hw == crop_template(name).size_hw
    assert crops.template == name


def dots(points: npt.NDArray[np.float64], radius: float, size_hw: tuple[int, int]) -> Image:
    rows, columns = np.indices(size_hw)
    image = np.zeros((*size_hw, 3), np.uint8)
    for x, y in points:
        image[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = 255
    return image


@pytest.mark.parametrize("scale", [0.8, 2.0, 9.0])
@pytest.mark.parametrize("name", LANDMARK_TEMPLATES)
def test_painted_landmarks_land_on_the_template(name: str, scale: float) -> None:
    target = template_points(name)
    landmarks = moved(target - 56, scale, 0.35, (600, 640))
    image = dots(landmarks, 3 * scale, (1200, 1200))
    (crop,) = align_faces(image, faces_with(landmarks), template=name).pixels
    rows, columns = np.indices(crop.shape[:2])
    for x, y in target:
        weight = crop[..., 0] * ((columns - x) ** 2 + (rows - y) ** 2 < 36.0)
        centroid = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
        np.testing.assert_allclose(centroid, (x, y), atol=0.25)


def test_points_of_a_crop_map_back_to_the_photo() -> None:
    landmarks = moved(template_points(), 4, -0.2, (300, 200)).astype(np.float32)
    crops = align_faces(np.zeros((900, 900, 3), np.uint8), faces_with(landmarks))
    back = invert_transform(crops.transforms[0])
    laid = transform_points(landmarks, crops.transforms[0])
    np.testing.assert_allclose(transform_points(laid, back), landmarks, atol=0.01)


def test_several_faces_are_aligned_as_each_alone() -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (400, 500, 3), np.uint8)
    landmarks = [moved(template_points(), s, a, (50, 60)) for s, a in ((1, 0.1), (2.5, -0.3))]
    both = align_faces(image, faces_with(landmarks))
    for i, points in enumerate(landmarks):
        alone = align_faces(image, faces_with(points))
        np.testing.assert_array_equal(both.pixels[i], alone.pixels[0])
        np.testing.assert_array_equal(both.transforms[i], alone.transforms[0])


def test_a_face_over_the_edge_has_a_black_border() -> None:
    image = np.full((112, 112, 3), 200, np.uint8)
    (crop,) = align_faces(image, faces_with(template_points() - [40, 0])).pixels
    assert not crop[:, :39].any()
    assert (crop[1:-1, 42:] == 200).all()


def test_residuals_are_the_distances_from_the_template() -> None:
    target = template_points()
    exact = moved(target, 3, 0.2, (10, 20))
    noisy = exact + np.random.default_rng(3).normal(0, 6, (5, 2))
    residuals = landmark_residuals(faces_with([exact, noisy]))
    assert residuals.shape == (2, 5)
    assert residuals.dtype == np.float32
    assert residuals[0].max() < 1e-3
    points = faces_with(noisy).landmarks[0]
    (transform,) = similarity_transforms(points[None], target)
    by_hand = [
        np.hypot(*(transform_points(p, transform) - t)) for p, t in zip(points, target, strict=True)
    ]
    np.testing.assert_allclose(residuals[1], by_hand, atol=1e-3)
    with pytest.raises(InputError, match="must be one with landmarks, got 'facenet-160'"):
        landmark_residuals(faces_with(exact), "facenet-160")


def test_a_margin_crop_puts_the_box_into_the_middle() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:200, 150:220] = 255
    box = np.array([[149.5, 99.5, 219.5, 199.5]], np.float32)  # the outer edges of those pixels
    face = Faces(box, np.zeros((1, 5, 2), np.float32), np.ones(1, np.float32))
    crops = margin_crops(image, face)
    assert crops.template == "facenet-160"
    inside = crops.pixels[0, :, :, 0] > 127
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    # 160 - 44 = 116 pixels wide and high, although the box is 70 x 100.
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (22, 137, 22, 137)
    same = align_faces(image, face, template="facenet-160")
    np.testing.assert_array_equal(same.pixels, crops.pixels)
    other = margin_crops(image, face, size=96, margin_px=0)
    assert other.template == "margin-96-0"
    assert (other.pixels[0] > 127).mean() > 0.97


def test_an_empty_box_is_refused_by_number() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 5, 5, 9]], np.float32)
    faces = Faces(boxes, np.zeros((2, 5, 2), np.float32), np.ones(2, np.float32))
    with pytest.raises(InputError, match="face 1 of 2 must have a box with width and height"):
        margin_crops(np.zeros((20, 20, 3), np.uint8), faces)
    with pytest.raises(InputError, match="margin_px"):
        margin_crops(np.zeros((20, 20, 3), np.uint8), faces[0], size=40, margin_px=40)

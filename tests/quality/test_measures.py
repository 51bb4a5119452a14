import dataclasses
import json
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.alignment.align import align_faces
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.faces import Faces
from vultus.quality.measures import MEAN_FACE_MM, FaceQuality, head_pose, measure_quality

Portrait = Any  # the class lives in conftest.py, which cannot be imported


def test_a_clear_portrait_measures_as_one(portrait: Portrait) -> None:
    quality = portrait.quality()
    assert len(quality) == 1
    assert quality.score[0] > 0.85
    assert quality.sharpness[0] > 0.4
    assert quality.occlusion[0] < 0.3
    assert quality.cut_off[0] == 0
    assert abs(quality.yaw_deg[0]) < 15
    assert abs(quality.roll_deg[0]) < 5
    assert quality.under_exposure[0] + quality.over_exposure[0] < 0.1
    assert quality.inter_eye_distance[0] == pytest.approx(portrait.faces.inter_eye_distances[0])
    x1, y1, x2, y2 = portrait.faces.boxes[0].tolist()
    assert quality.face_size_px[0] == pytest.approx(((x2 - x1) * (y2 - y1)) ** 0.5)
    assert quality.norm is None


def test_blur_lowers_sharpness_and_score_step_by_step(portrait: Portrait) -> None:
    steps = [portrait, *[portrait.blurred(share) for share in (0.03, 0.06, 0.12)]]
    measured = [step.quality() for step in steps]
    for earlier, later in pairwise(measured):
        assert later.sharpness[0] < 0.9 * earlier.sharpness[0]
        assert later.score[0] < earlier.score[0]


def test_a_tiny_face_is_not_sharp_even_when_its_photo_was_enlarged(portrait: Portrait) -> None:
    before = portrait.quality()
    tiny = portrait.resized(5 / before.inter_eye_distance[0])
    enlarged = tiny.resized(16)
    assert tiny.quality().sharpness[0] < 0.7 * before.sharpness[0]
    assert enlarged.quality().sharpness[0] < 0.7 * before.sharpness[0]
    assert enlarged.quality().inter_eye_distance[0] > 60
    assert enlarged.quality().score[0] < 0.9 * before.score[0]


def test_the_size_of_a_large_photo_does_not_matter(portrait: Portrait) -> None:
    twice = portrait.resized(2).quality()
    assert twice.sharpness[0] == pytest.approx(portrait.quality().sharpness[0], abs=0.05)


def test_light_moves_its_own_measures(portrait: Portrait) -> None:
    normal, dark, bright = (portrait.with_gain(gain).quality() for gain in (1, 0.06, 4))
    assert dark.luminance_mean[0] < 0.1 < normal.luminance_mean[0] < bright.luminance_mean[0]
    assert dark.under_exposure[0] > 0.9
    assert bright.over_exposure[0] > 0.4
    assert dark.contrast[0] < 0.1 * normal.contrast[0]
    assert bright.score[0] < 0.95 * normal.score[0]
    assert dark.score[0] < 0.5 * normal.score[0]


def test_covers_raise_the_occlusion_guess(portrait: Portrait) -> None:
    covers = {
        "bar": portrait.with_bar_over_eyes(),
        "blue mask": portrait.with_mask((90, 150, 200)),
        "white mask": portrait.with_mask((235, 235, 235)),
        "black mask": portrait.with_mask((20, 20, 22)),
        "half": portrait.with_half_hidden(),
    }
    clear = portrait.quality()
    for name, covered in covers.items():
        assert covered.quality().occlusion[0] > 0.8, name
        assert covered.quality().score[0] < 0.8 * clear.score[0], name
    for gain in (0.3, 2.0):
        assert portrait.with_gain(gain).quality().occlusion[0] < 0.5


def test_what_lies_beyond_the_edge_is_counted_and_does_not_spoil_the_rest(
    portrait: Portrait,
) -> None:
    mouth = int(portrait.faces.landmarks[0, 3, 1])
    cut = portrait.cut_below(mouth).quality()
    assert 0.1 < cut.cut_off[0] < 0.6
    whole = portrait.quality()
    assert cut.score[0] < whole.score[0]
    assert cut.sharpness[0] == pytest.approx(whole.sharpness[0], abs=0.12)
    assert cut.under_exposure[0] < 0.1  # the black beyond the edge is no shadow


def test_the_photos_edge_is_no_detail_of_the_face(portrait: Portrait) -> None:
    mouth = int(portrait.faces.landmarks[0, 3, 1])
    flat = dataclasses.replace(portrait, image=np.full_like(portrait.image, 128)).cut_below(mouth)
    assert flat.quality().cut_off[0] > 0.1
    assert flat.quality().sharpness[0] == 0
    assert flat.quality().contrast[0] < 1e-6


def test_many_faces_at_once_measure_as_each_alone(portrait: Portrait) -> None:
    image, one = portrait.image, portrait.faces
    faces = Faces(
        np.concatenate([one.boxes, one.boxes + 30]),
        np.concatenate([one.landmarks, one.landmarks + 30]),
        np.ones(2, np.float32),
    )
    both = measure_quality(image, faces, align_faces(image, faces))
    for row in range(2):
        alone = measure_quality(image, faces[row], align_faces(image, faces[row]))
        assert alone.to_dicts() == both[row].to_dicts()


def test_crops_of_another_template_measure_the_same(portrait: Portrait) -> None:
    other = align_faces(portrait.image, portrait.faces, template="facenet-160")
    measured = measure_quality(portrait.image, portrait.faces, other)
    assert measured.to_dicts() == portrait.quality().to_dicts()


def test_no_faces_give_no_rows() -> None:
    image = np.zeros((50, 60, 3), np.uint8)
    quality = measure_quality(image, Faces.empty(), align_faces(image, Faces.empty()))
    assert len(quality) == 0
    assert quality.to_dicts() == []


def test_a_face_wholly_beyond_the_photo_is_finite_and_scores_nothing(portrait: Portrait) -> None:
    away = dataclasses.replace(portrait, image=portrait.image[:20, :20])
    quality = away.quality()
    assert quality.cut_off[0] == 1
    assert quality.score[0] < 0.01


def space() -> EmbeddingSpace:
    return EmbeddingSpace("m", "0" * 64, "p", 4)


def test_norms_are_filled_in_from_embeddings_and_change_nothing_else(portrait: Portrait) -> None:
    raw = np.array([[3, 0, 4, 0]], np.float32)
    quality = portrait.quality()
    with_norm = quality.with_norms(Embeddings.from_raw(raw, space()))
    assert with_norm.norm is not None
    assert with_norm.norm.tolist() == [5]
    assert with_norm.to_dicts() == [{**quality.to_dicts()[0], "norm": 5.0}]
    assert with_norm[0].norm is not None
    with pytest.raises(InputError, match="embeddings must be 1, one a face, got 0"):
        quality.with_norms(Embeddings.empty(space()))


def test_rows_are_selected_read_only_and_fit_for_json(portrait: Portrait) -> None:
    quality = portrait.quality()
    assert len(quality[[0, 0, 0]]) == 3
    assert len(quality[np.array([False])]) == 0
    with pytest.raises(IndexError, match="row 1 of 1"):
        quality[1]
    with pytest.raises(ValueError, match="read-only"):
        quality.score[0] = 1
    assert json.loads(json.dumps(quality.to_dicts()))[0]["score"] > 0


def test_wrong_arguments_are_refused(portrait: Portrait) -> None:
    crops = align_faces(portrait.image, portrait.faces)
    with pytest.raises(InputError, match="crops must be 1, one a face, got 0"):
        measure_quality(portrait.image, portrait.faces, crops[:0])
    with pytest.raises(InputError, match="image must be uint8"):
        measure_quality(portrait.image[..., 0], portrait.faces, crops)
    small = AlignedCrops(crops.pixels[:, :50], crops.transforms, "arcface-112")
    with pytest.raises(InputError, match="arcface-112 must be 112 x 112"):
        measure_quality(portrait.image, portrait.faces, small)
    values: dict[str, Any] = {
        field.name: np.zeros(2, np.float32) for field in dataclasses.fields(FaceQuality)
    }
    with pytest.raises(InputError, match=r"contrast must be float32 of shape \(2,\)"):
        FaceQuality(**{**values, "contrast": np.zeros(3, np.float32)})


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

import json

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import LANDMARK_NAMES, Faces


def two_faces() -> Faces:
    boxes = np.array([[0, 0, 10, 20], [5, 5, 35, 45]], np.float32)
    landmarks = np.arange(20, dtype=np.float32).reshape(2, 5, 2)
    return Faces(boxes, landmarks, np.array([0.9, 0.8], np.float32))


def test_empty_has_no_faces_and_keeps_the_shapes() -> None:
    faces = Faces.empty()
    assert len(faces) == 0
    assert faces.landmarks.shape == (0, 5, 2)
    assert faces.to_dicts() == []


def test_wrong_dtype_and_unequal_lengths_are_refused() -> None:
    good = two_faces()
    with pytest.raises(InputError, match="boxes must be float32"):
        Faces(good.boxes.astype(np.float64), good.landmarks, good.scores)
    with pytest.raises(InputError, match=r"scores must be float32 of shape \(2,\)"):
        Faces(good.boxes, good.landmarks, good.scores[:1])


def test_selecting_always_gives_faces() -> None:
    faces = two_faces()
    assert len(faces[0]) == 1
    assert faces[-1].scores[0] == np.float32(0.8)
    assert len(faces[np.array([False, True])]) == 1
    assert [len(face) for face in faces] == [1, 1]
    with pytest.raises(IndexError, match="row 2 of 2 in Faces"):
        faces[2]


def test_areas_and_largest() -> None:
    faces = two_faces()
    assert faces.areas.tolist() == [200, 1200]
    assert faces.largest() == 1
    with pytest.raises(InputError):
        Faces.empty().largest()


def test_boxes_are_cut_to_the_photo() -> None:
    faces = two_faces()
    cut = faces.cut_to((30, 8))
    assert cut.boxes.tolist() == [[0, 0, 8, 20], [5, 5, 8, 30]]
    assert cut.largest() == 0
    assert (cut.landmarks == faces.landmarks).all()
    outside = Faces(faces.boxes - 50, faces.landmarks, faces.scores).cut_to((np.inf, np.inf))
    assert outside.areas.tolist() == [0, 0]
    assert len(Faces.empty().cut_to((3, 3))) == 0


def test_inverted_boxes_have_no_area() -> None:
    face = Faces(
        np.array([[10, 10, 0, 0]], np.float32), two_faces().landmarks[:1], np.ones(1, "f4")
    )
    assert face.areas.tolist() == [0]


def test_fields_are_read_only_and_a_typo_is_an_error() -> None:
    faces = two_faces()
    with pytest.raises(ValueError, match="read-only"):
        faces.boxes[0] = 0
    with pytest.raises(AttributeError):
        faces.landmark  # type: ignore[attr-defined]  # noqa: B018


def test_inter_eye_distance() -> None:
    landmarks = np.zeros((1, 5, 2), np.float32)
    landmarks[0, 1] = (3, 4)
    faces = Faces(np.zeros((1, 4), np.float32), landmarks, np.ones(1, np.float32))
    assert faces.inter_eye_distances.tolist() == [5]


def test_to_dicts_is_json() -> None:
    record = json.loads(json.dumps(two_faces().to_dicts()))[1]
    assert record["box_xyxy"] == [5, 5, 35, 45]
    assert list(record["landmarks"]) == list(LANDMARK_NAMES)

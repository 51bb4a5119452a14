"""On public-domain portraits, cropped by landmarks that were read off them by eye."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vultus.alignment.align import align_faces
from vultus.alignment.crop_templates import ARCFACE_POINTS
from vultus.core.errors import ModelNotFoundError
from vultus.core.faces import Faces, Image
from vultus.data import open_dataset
from vultus.detection.mtcnn.detector import MtcnnDetector
from vultus.image.io import write_image
from vultus.training.checks.crop_alignment import CropAlignment, alignment_notes, measure_alignment
from vultus.training.recipe.recipe import Recipe
from vultus.training.trainer import Trainer

HOPPER = [[222, 190], [305, 187], [268, 240], [229, 281], [308, 279]]
COLLINS = [[201, 101], [246, 103], [224, 126], [203, 140], [245, 141]]


def face(landmarks: Any) -> Faces:
    points = np.array(landmarks, np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return Faces(box[None], points[None], np.ones(1, np.float32))


@pytest.fixture(scope="module")
def crops(hopper: Image, collins: Image) -> list[Image]:
    """Five views of each: plain, mirrored, dark, blurred, coarse."""
    plain = [
        align_faces(photo, face(points)).pixels[0]
        for photo, points in ((hopper, HOPPER), (collins, COLLINS))
    ]
    return [view for crop in plain for view in views(crop)]


def views(crop: Image) -> list[Image]:
    coarse = cv2.resize(crop, (56, 56), interpolation=cv2.INTER_AREA)
    return [
        crop,
        np.ascontiguousarray(crop[:, ::-1]),
        (crop * 0.4).astype(np.uint8),
        np.asarray(cv2.GaussianBlur(crop, (0, 0), 1.5), np.uint8),
        np.asarray(cv2.resize(coarse, (112, 112)), np.uint8),
    ]


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    return MtcnnDetector(min_face_px=40, runtime="onnxruntime", threads=1)


def moved(
    crop: Image, *, scale: float = 1.0, clockwise: float = 0.0, x: float = 0.0, y: float = 0.0
) -> Image:
    matrix = cv2.getRotationMatrix2D((55.5, 55.5), -clockwise, scale)
    matrix[:, 2] += np.array([x, y])
    return np.asarray(cv2.warpAffine(crop, matrix, (112, 112)), np.uint8)


def recipe_for(values: dict[str, Any], root: Path, **run: Any) -> Recipe:
    merged = {
        **values,
        "data": {"root": str(root)},
        "run": {**values["run"], "alignment_sample": 64, **run},
    }
    return Recipe.from_dict(merged, source="r.toml")


def write_crops(root: Path, crops: Sequence[Image]) -> Path:
    for number, crop in enumerate(crops):
        folder = root / ("hopper" if number < len(crops) / 2 else "collins")
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", crop)
    return root


class Scripted:
    """Finds what it is told."""

    name = "scripted"

    def __init__(self, found: Sequence[Faces]) -> None:
        self.found = list(found)

    def detect(self, image: Image) -> Faces:
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        assert len(images) == len(self.found)
        return self.found


def placed(scale: float, clockwise: float, x: float, y: float) -> NDArray[np.float64]:
    """The template's points moved point by point, about their mean."""
    mean = np.mean(ARCFACE_POINTS, axis=0)
    cos, sin = np.cos(np.radians(clockwise)), np.sin(np.radians(clockwise))
    points = []
    for px, py in np.array(ARCFACE_POINTS) - mean:  # y points down, so this turns clockwise
        points.append([scale * (cos * px - sin * py), scale * (sin * px + cos * py)])
    return np.asarray(np.array(points) + mean + np.array([x, y]), np.float64)


def test_a_known_displacement_is_measured_exactly() -> None:
    points = placed(0.8, 12, 3, -2)
    one = np.zeros((112, 112, 3), np.uint8)
    found = measure_alignment([one, one], "arcface-112", detector=Scripted([face(points)] * 2))
    apart = np.linalg.norm(points - np.array(ARCFACE_POINTS), axis=1).mean()
    np.testing.assert_allclose(found.residuals_px, [apart, apart], atol=1e-3)
    assert (found.scale, found.turn_deg) == pytest.approx((0.8, 12), abs=1e-3)
    assert found.shift_px == pytest.approx((3, -2), abs=1e-3)
    assert (found.crops, found.faceless) == (2, 0)


def test_the_shape_of_a_face_is_no_residual_and_the_largest_face_counts() -> None:
    # Moves that no similarity can make: the two eyes apart, and the mouth's corners as much.
    shape = np.array([[-4, 0], [4, 0], [0, 0], [4, 0], [-4, 0]], np.float64)
    found = measure_alignment(
        [np.zeros((112, 112, 3), np.uint8)],
        "arcface-112",
        detector=Scripted([face(np.array(ARCFACE_POINTS) + shape)]),
    )
    assert np.linalg.norm(shape, axis=1).mean() == pytest.approx(3.2)
    assert found.residuals_px[0] < 0.7
    large, small = face(ARCFACE_POINTS), face(np.array(ARCFACE_POINTS) * 0.3)
    both = Faces(
        np.concatenate([small.boxes, large.boxes]),
        np.concatenate([small.landmarks, large.landmarks]),
        np.array([1, 0.8], np.float32),
    )
    found = measure_alignment(
        [np.zeros((112, 112, 3), np.uint8)], "arcface-112", detector=Scripted([both])
    )
    assert found.residuals_px[0] < 1e-3


def test_aligned_portraits_lie_where_the_template_has_them(
    crops: list[Image], detector: MtcnnDetector
) -> None:
    found = measure_alignment(crops, "arcface-112", detector=detector)
    assert found.faceless == 0
    assert np.median(found.residuals_px) < 3.0
    assert found.scale == pytest.approx(1, abs=0.06)
    assert abs(found.turn_deg) < 3
    larger = [np.asarray(cv2.resize(crop, (224, 224)), np.uint8) for crop in crops]
    same = measure_alignment(larger, "arcface-112", detector=detector)
    assert np.median(same.residuals_px) < 3.0  # in pixels of the template, not of the file


@pytest.mark.parametrize(
    "change",
    [{"x": 6.0}, {"y": 8.0}, {"scale": 0.78}, {"scale": 1.25}, {"clockwise": 12.0}],
    ids=str,
)
def test_portraits_that_lie_elsewhere_are_a_warning_that_says_where(
    change: dict[str, float], crops: list[Image], detector: MtcnnDetector,
    tiny_values: dict[str, Any], tmp_path: Path,
) -> None:  # fmt: skip
    root = write_crops(tmp_path / "faces", [moved(crop, **change) for crop in crops])
    (note,) = alignment_notes(recipe_for(tiny_values, root), open_dataset(root))
    assert note.startswith("warning: faces of 10 training crops lie ")
    assert "from their places in arcface-112, more than 4: " in note
    before = measure_alignment(crops, "arcface-112", detector=detector)
    images = [moved(crop, **change) for crop in crops]
    after = measure_alignment(images, "arcface-112", detector=detector)
    assert after.scale / before.scale == pytest.approx(change.get("scale", 1.0), abs=0.06)
    turn = change.get("clockwise", 0.0)
    assert after.turn_deg - before.turn_deg == pytest.approx(turn, abs=3)
    if "x" in change or "y" in change:
        shift = np.subtract(after.shift_px, before.shift_px)
        np.testing.assert_allclose(shift, (change.get("x", 0), change.get("y", 0)), atol=2)


def test_what_a_run_says_of_good_crops_and_of_none(
    crops: list[Image], rocket: Image, tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    root = write_crops(tmp_path / "faces", crops)
    recipe = recipe_for(tiny_values, root)
    (note,) = alignment_notes(recipe, open_dataset(root))
    assert note.startswith("faces of 10 training crops lie ")
    assert note.endswith(" px (median) from their places in arcface-112")
    nobody = write_crops(
        tmp_path / "rockets", [rocket[:112, 9 * n : 9 * n + 112] for n in range(8)]
    )
    (note,) = alignment_notes(recipe, open_dataset(nobody))
    assert note.startswith("warning: no face is found in 8 of 8 training crops; ")
    turned = write_crops(tmp_path / "turned", [moved(crop, clockwise=180) for crop in crops])
    assert "warning: no face is found in " in alignment_notes(recipe, open_dataset(turned))[0]


def test_non_faces_unreadable_files_and_the_rest_of_a_large_set_are_left_alone(
    crops: list[Image], rocket: Image, tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    root = write_crops(tmp_path / "faces", crops)
    (root / "background").mkdir()
    for number in range(30):
        write_image(root / "background" / f"{number}.png", rocket[:112, number : number + 112])
    (root / "hopper" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    values = tiny_values | {"data": {"root": str(root), "non_faces": "background"}}
    recipe = Recipe.from_dict(values | {"run": {"alignment_sample": 64}}, source="r.toml")
    (note,) = alignment_notes(recipe, open_dataset(root))
    assert note.startswith("faces of 10 training crops lie ")
    few = Recipe.from_dict(values | {"run": {"alignment_sample": 4}}, source="r.toml")
    assert alignment_notes(few, open_dataset(root))[0].startswith(("faces of 4", "faces of 3"))


def test_a_template_without_landmarks_only_counts_faces(
    crops: list[Image], rocket: Image, detector: MtcnnDetector
) -> None:
    found = measure_alignment([*crops, rocket[:160, :160]], "facenet-160", detector=detector)
    assert (found.crops, found.faceless, len(found.residuals_px)) == (11, 1, 0)


def test_nothing_is_looked_at_where_faces_are_made_by_code_or_none_are_wanted(
    crops: list[Image], tiny_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_crops(tmp_path / "faces", crops)
    recipe = recipe_for(tiny_values, root)
    monkeypatch.setattr("vultus.training.checks.crop_alignment.MtcnnDetector", missing)
    (note,) = alignment_notes(recipe, open_dataset(root))
    assert note == "the crops' alignment could not be looked at: no such package"
    by_code = replace(recipe, data=replace(recipe.data, root=None, kind="synthetic"))
    assert alignment_notes(by_code, open_dataset(root)) == []
    assert (
        alignment_notes(recipe_for(tiny_values, root, alignment_sample=0), open_dataset(root)) == []
    )


def missing(**settings: Any) -> CropAlignment:
    raise ModelNotFoundError("no such package")


def test_a_run_looks_once_and_its_weights_do_not_depend_on_it(
    crops: list[Image], tiny_values: dict[str, Any], tmp_path: Path
) -> None:
    root = write_crops(tmp_path / "faces", crops)
    values = tiny_values | {"sampler": {"name": "shuffled", "batch_size": 4}, "steps": 3}
    weights = []
    for number, sample in enumerate((64, 0)):
        output = str(tmp_path / f"run{number}")
        recipe = recipe_for(values, root, alignment_sample=sample, output=output)
        trainer = Trainer(recipe)
        assert [note[:8] for note in trainer.notes()] == ["faces of"] * (sample > 0)
        trainer.run()
        log = (tmp_path / f"run{number}" / "log.jsonl").read_text()
        assert log.count("faces of 10 training crops") == (sample > 0)
        weights.append(trainer.state.backbone.state_dict())
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])
    # Going on, it has been said already; another sample is no other run.
    recipe = recipe_for(values, root, alignment_sample=5, output=str(tmp_path / "run0"))
    Trainer(recipe).run(resume=True)
    assert (tmp_path / "run0" / "log.jsonl").read_text().count("training crops") == 1

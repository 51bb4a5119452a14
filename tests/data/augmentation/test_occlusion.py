"""Random erasing, masks and sunglasses: what is covered, and what is not."""

import numpy as np
import pytest

from vultus.alignment.crop_templates import TEMPLATES, LandmarkTemplate
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation import Erase, Mask, Sunglasses, Transform

SKIN = (217, 171, 143)


def face(height: int = 112, width: int = 112) -> Image:
    return np.full((height, width, 3), SKIN, np.uint8)


def cover(transform: Transform, image: Image, seed: int) -> np.ndarray:
    """(h, w) float: how far each pixel has moved."""
    changed = transform(image, np.random.default_rng(seed)).astype(int)
    return np.asarray(np.abs(changed - image).max(axis=2))


def places(name: str) -> np.ndarray:
    template = TEMPLATES[name]
    assert isinstance(template, LandmarkTemplate)
    return template.points.round().astype(int)


@pytest.mark.parametrize("name", ["arcface-112", "sphereface-112x96"])
def test_a_mask_covers_the_mouth_and_leaves_the_eyes(name: str) -> None:
    image = face(*TEMPLATES[name].size_hw)
    eyes, mouth = places(name)[:2], places(name)[3:]
    for seed in range(40):
        moved = cover(Mask(template=name), image, seed)
        assert moved[eyes[:, 1], eyes[:, 0]].max() == 0
        assert moved[mouth[:, 1] - 2, mouth[:, 0]].min() > 8
        assert 0.12 < np.mean(moved > 8) < 0.45


def test_a_low_mask_shows_the_nose_and_a_high_one_covers_it() -> None:
    x, y = places("arcface-112")[2]
    for seed in range(20):
        assert cover(Mask(top=(0.3, 0.5)), face(), seed)[y, x] > 8
        assert cover(Mask(top=(1.4, 1.5)), face(), seed)[y - 2, x] == 0


@pytest.mark.parametrize("name", ["arcface-112", "sphereface-112x96"])
def test_sunglasses_darken_the_eyes_and_leave_the_mouth(name: str) -> None:
    image = face(*TEMPLATES[name].size_hw)
    eyes, mouth = places(name)[:2], places(name)[3:]
    for seed in range(40):
        worn = Sunglasses(template=name)(image, np.random.default_rng(seed))
        assert worn[eyes[:, 1], eyes[:, 0]].max() < 140
        np.testing.assert_array_equal(worn[mouth[:, 1], mouth[:, 0]], [SKIN, SKIN])


def test_opacity_says_how_much_of_the_eyes_still_shows() -> None:
    x, y = places("arcface-112")[0]
    shown = [
        np.mean([cover(Sunglasses(opacity=(o, o)), face(), seed)[y, x] for seed in range(20)])
        for o in (0.2, 0.6, 1.0)
    ]
    assert shown[0] == pytest.approx(shown[2] * 0.2, rel=0.1)
    assert shown[1] == pytest.approx(shown[2] * 0.6, rel=0.1)


def test_covers_follow_the_size_of_the_crop() -> None:
    for transform in (Mask(), Sunglasses()):
        small = np.mean(cover(transform, face(), 3) > 8)
        large = np.mean(cover(transform, face(224, 224), 3) > 8)
        assert large == pytest.approx(small, rel=0.15)


@pytest.mark.parametrize("transform", [Mask(), Sunglasses()])
def test_crops_of_another_shape_are_refused(transform: Transform) -> None:
    with pytest.raises(InputError, match=r"proportions of arcface-112 .* got 112 x 96"):
        transform(face(112, 96), np.random.default_rng(0))


def test_erasing_covers_one_rectangle_of_that_area_and_aspect() -> None:
    image = np.full((200, 200, 3), 250, np.uint8)
    settings = Erase(area=(0.05, 0.1), aspect=(0.5, 2.0), fill="colour")
    corners = []
    for seed in range(100):
        erased = (cover(settings, image, seed)) > 0
        rows, columns = np.flatnonzero(erased.any(axis=1)), np.flatnonzero(erased.any(axis=0))
        assert erased.sum() == len(rows) * len(columns)
        assert 0.048 < erased.mean() < 0.102
        assert 0.48 < len(rows) / len(columns) < 2.1
        corners.append((rows[0], columns[0]))
    assert np.std(corners, axis=0).min() > 30


def test_what_erasing_fills_with() -> None:
    image = face()
    image[:40] = 0
    whole = {"area": (1.0, 1.0), "aspect": (1.0, 1.0)}
    mean = Erase(fill="mean", **whole)(image, np.random.default_rng(0))
    np.testing.assert_allclose(mean[0, 0], image.mean(axis=(0, 1)), atol=0.5)
    assert (mean == mean[0, 0]).all()
    colour = Erase(fill="colour", **whole)(image, np.random.default_rng(0))
    assert (colour == colour[0, 0]).all()
    noise = Erase(**whole)(image, np.random.default_rng(0))  # type: ignore[arg-type]
    assert noise.std() == pytest.approx(255 / np.sqrt(12), rel=0.02)

import numpy as np
import pytest

from vultus.alignment.crop_templates import (
    TEMPLATES,
    LandmarkTemplate,
    MarginTemplate,
    crop_template,
)
from vultus.core.errors import InputError
from vultus.core.faces import LANDMARK_NAMES


def landmark_template(name: str) -> LandmarkTemplate:
    template = crop_template(name)
    assert isinstance(template, LandmarkTemplate)
    return template


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_is_found_by_its_own_name(name: str) -> None:
    template = crop_template(name)
    assert template.name == name
    if isinstance(template, LandmarkTemplate):
        assert template.points.shape == (5, 2)
        height, width = template.size_hw
        assert ((template.points > 0) & (template.points < [width, height])).all()


@pytest.mark.parametrize("name", ["arcface-112", "sphereface-112x96"])
def test_landmarks_lie_as_their_names_say(name: str) -> None:
    at = dict(zip(LANDMARK_NAMES, landmark_template(name).points, strict=True))
    # The person's right is the image's left.
    assert at["right_eye"][0] < at["nose"][0] < at["left_eye"][0]
    assert at["right_mouth"][0] < at["nose"][0] < at["left_mouth"][0]
    assert at["right_eye"][1] < at["nose"][1] < at["right_mouth"][1]


def test_the_narrow_template_is_the_square_one_with_both_sides_cut() -> None:
    square, narrow = (landmark_template(n) for n in ("arcface-112", "sphereface-112x96"))
    np.testing.assert_allclose(narrow.points, square.points - [8, 0], rtol=0, atol=1e-9)
    assert (square.size_hw, narrow.size_hw) == ((112, 112), (112, 96))


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(InputError, match=r"one of arcface-112, .*, got 'arcface'"):
        crop_template("arcface")


@pytest.mark.parametrize(("size", "margin_px"), [(0, 0), (160, 160), (160, -1)])
def test_a_margin_must_leave_room_for_the_box(size: int, margin_px: int) -> None:
    with pytest.raises(InputError):
        MarginTemplate("margin", size, margin_px)

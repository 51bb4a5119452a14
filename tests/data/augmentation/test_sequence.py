from typing import Any

import numpy as np
import pytest

from vultus.core.errors import ConfigError, InputError
from vultus.core.faces import Image
from vultus.data.augmentation import Augmentation, AugmentationStep, Flip


def marked() -> Image:
    image = np.zeros((8, 8, 3), np.uint8)
    image[0, 0] = 255
    return image


def add(amount: int) -> AugmentationStep:
    def transform(image: Image, generator: np.random.Generator) -> Image:
        return np.asarray(image * 2 + amount, np.uint8)

    return AugmentationStep(transform, 1.0)


def test_steps_run_in_order() -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    assert Augmentation((add(1), add(3)))(image, np.random.default_rng(0))[0, 0, 0] == 5


def test_a_step_runs_as_often_as_its_probability_says() -> None:
    augmentation = Augmentation.from_tables([{"name": "flip", "probability": 0.3}])
    image = marked()
    flipped = sum(
        bool(augmentation(image, np.random.default_rng([0, i]))[0, 7, 0]) for i in range(3000)
    )
    assert abs(flipped / 3000 - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 3000)


def test_without_a_probability_a_step_always_runs() -> None:
    augmentation = Augmentation.from_tables([{"name": "flip"}])
    assert augmentation.steps == (AugmentationStep(Flip(), 1.0),)
    np.testing.assert_array_equal(
        augmentation(marked(), np.random.default_rng(0)), marked()[:, ::-1]
    )


def test_other_steps_draw_the_same_whether_or_not_a_late_one_is_skipped() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    tables: list[dict[str, Any]] = [
        {"name": "blur"},
        {"name": "noise"},
        {"name": "flip", "probability": 0.0},
    ]
    without = Augmentation.from_tables(tables)(image, np.random.default_rng(5))
    tables[2]["probability"] = 1.0
    flipped = Augmentation.from_tables(tables)(image, np.random.default_rng(5))
    np.testing.assert_array_equal(without, flipped[:, ::-1])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "blurr"}, r"table 1 \(blurr\).*did you mean 'blur'"),
        ({"name": "blur", "sigma": [1, 2]}, "did you mean 'sigma_px'"),
        ({"name": "blur", "probabilty": 0.1}, "did you mean 'probability'"),
        ({"probability": 0.1}, "must have a name"),
        ({"name": "blur", "probability": 1.5}, r"probability must be a number in \[0, 1\]"),
        ({"name": "blur", "sigma_px": [2, 1]}, "smaller number first"),
        ({"name": "blur", "sigma_px": 2}, "two numbers, lowest and highest, got 2"),
        ({"name": "blur", "sigma_px": [0, 2]}, r"in \(0, 50\]"),
        ({"name": "crop", "outside": "white"}, "'stretch' or 'black'"),
        ({"name": "erase", "fill": "white"}, "noise, colour, mean"),
        ({"name": "jpeg", "quality": [20.5, 90]}, "whole numbers"),
        ({"name": "mask", "template": "facenet-160"}, "one with landmarks"),
        ({"name": "photometric", "contrast": -0.1}, "contrast must be"),
        ({"name": "affine", "rotation_deg": 200}, "rotation_deg must be"),
    ],
)  # fmt: skip
def test_wrong_tables_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augmentation.from_tables([table])


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(InputError, match="image must be uint8"):
        Augmentation()(np.zeros((4, 4, 3), np.float32), np.random.default_rng(0))

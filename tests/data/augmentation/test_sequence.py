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
        ({"probability": 0.1}, r"table 1 \(without a name\): name is missing"),
        ({"name": ["blur"]}, r"name must be text, got \['blur'\]"),
        ({"name": "blur", "shred": True}, "did you mean 'shared'"),
        ({"name": "blur", "shared": 1}, r"table 1 \(blur\).*shared must be true or false, got 1"),
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
    for call in (Augmentation(), Augmentation().pair):
        with pytest.raises(InputError, match="image must be uint8"):
            call(np.zeros((4, 4, 3), np.float32), np.random.default_rng(0))


def test_tables_say_which_steps_are_shared() -> None:
    tables: list[dict[str, Any]] = [
        {"name": "flip", "shared": True},
        {"name": "blur"},
        {"name": "grey", "shared": False},
    ]
    steps = Augmentation.from_tables(tables).steps
    assert [step.shared for step in steps] == [True, False, False]
    assert steps[0] == AugmentationStep(Flip(), 1.0, shared=True)


VIEWS: list[dict[str, Any]] = [
    {"name": "noise", "probability": 0.5},
    {"name": "crop", "side": [0.5, 0.9], "outside": "black", "probability": 0.7, "shared": True},
    {"name": "blur", "probability": 0.5},
    {"name": "erase", "probability": 0.7, "fill": "colour", "shared": True},
    {"name": "photometric"},
]


def test_the_first_view_is_what_a_call_gives_and_leaves_the_generator_there() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    augmentation = Augmentation.from_tables(VIEWS)
    for seed in range(20):
        one, two = np.random.default_rng(seed), np.random.default_rng(seed)
        np.testing.assert_array_equal(augmentation.pair(image, one)[0], augmentation(image, two))
        assert one.random() == two.random()


def test_the_second_view_has_the_shared_steps_alone_with_the_same_draws() -> None:
    drawn: dict[int, list[float]] = {}

    def mark(bit: int, *, shared: bool) -> AugmentationStep:
        def transform(image: Image, generator: np.random.Generator) -> Image:
            drawn.setdefault(bit, []).append(generator.random())
            return np.asarray(image | bit, np.uint8)

        return AugmentationStep(transform, 0.5, shared=shared)

    augmentation = Augmentation((mark(1, shared=False), mark(2, shared=True), mark(4, shared=True)))
    image = np.zeros((2, 2, 3), np.uint8)
    seen = set()
    for seed in range(60):
        drawn.clear()
        student, teacher = augmentation.pair(image, np.random.default_rng(seed))
        assert (teacher == student & 6).all()
        assert (student == sum(drawn)).all()
        for bit, draws in drawn.items():
            assert len(draws) == (1 if bit == 1 else 2)
            assert len(set(draws)) == 1
        seen.add(int(student[0, 0, 0]))
    assert seen == set(range(8))
    assert image.max() == 0

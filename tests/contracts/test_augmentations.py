"""What every registered augmentation must do; a new one is picked up by its name."""

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation import AUGMENTATIONS, Augmentation, Transform
from vultus.data.augmentation.sequence import AugmentationStep

NAMES = sorted(AUGMENTATIONS)
OF_BATCHES = [name for name in NAMES if getattr(AUGMENTATIONS.get(name), "needs_batch", False)]
OF_IMAGES = [name for name in NAMES if name not in OF_BATCHES]
FIXED = {"flip", "grey"}

of_images = pytest.mark.parametrize("name", OF_IMAGES)
of_batches = pytest.mark.parametrize("name", OF_BATCHES)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def transform(name: str) -> Transform:
    return AUGMENTATIONS.create(name)


def crop(height: int = 112, width: int = 112) -> Image:
    """Smooth colours with an edge: every augmentation changes it."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 200, width)[None, :, None] * [1.0, 0.8, 0.6]
    image = np.broadcast_to(ramp, (height, width, 3)) + rng.normal(0, 9, (height, width, 3))
    image[: height // 2, : width // 3] *= 0.4
    return np.clip(image, 0, 255).astype(np.uint8)


@of_images
@pytest.mark.parametrize("side", [112, 56, 160, 33])
def test_shape_and_dtype_stay_and_the_input_is_not_changed(transform: Transform, side: int) -> None:
    image = crop(side, side)
    before = image.copy()
    for seed in range(20):
        changed = transform(image, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert changed.flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(image, before)


@of_images
def test_read_only_images_and_views_are_taken(transform: Transform) -> None:
    wide = crop(112, 224)
    view = wide[:, ::2]
    view.flags.writeable = False
    expected = transform(np.ascontiguousarray(view), np.random.default_rng(1))
    np.testing.assert_array_equal(transform(view, np.random.default_rng(1)), expected)


@of_images
def test_the_generator_alone_decides(name: str, transform: Transform) -> None:
    image = crop()
    first = [transform(image, np.random.default_rng([0, seed])) for seed in range(8)]
    again = [transform(image, np.random.default_rng([0, seed])) for seed in range(8)]
    np.testing.assert_array_equal(first, again)
    assert any((one != image).any() for one in first)
    different = {one.tobytes() for one in first}
    assert len(different) == 1 if name in FIXED else len(different) > 4


@of_images
def test_numpys_global_generator_is_left_alone(transform: Transform) -> None:
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    transform(crop(), np.random.default_rng(0))
    assert np.random.random() == expected  # noqa: NPY002


@of_batches
def test_one_that_needs_a_batch_refuses_a_single_image(transform: Transform) -> None:
    with pytest.raises(InputError, match="needs a whole batch"):
        transform(crop(), np.random.default_rng(0))


def test_probability_0_gives_the_image_itself(transform: Transform) -> None:
    image = crop()
    never = Augmentation((AugmentationStep(transform, 0.0),))
    assert all(never(image, np.random.default_rng(seed)) is image for seed in range(20))


def test_it_can_be_pickled(transform: Transform) -> None:
    assert pickle.loads(pickle.dumps(transform)) == transform


@of_images
def test_it_can_be_sent_to_a_worker(transform: Transform) -> None:
    sent = pickle.loads(pickle.dumps(transform))
    image = crop()
    np.testing.assert_array_equal(
        sent(image, np.random.default_rng(3)), transform(image, np.random.default_rng(3))
    )


def test_its_settings_are_frozen_and_in_its_docstring(name: str, transform: Transform) -> None:
    assert dataclasses.is_dataclass(transform)
    assert hash(transform) == hash(AUGMENTATIONS.create(name))
    documented = type(transform).__doc__
    assert documented is not None
    for field in dataclasses.fields(transform):
        assert f"{field.name}: " in documented
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(transform, field.name, getattr(transform, field.name))


def test_the_guide_names_it_with_its_defaults(name: str, transform: Transform) -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "guide" / "augmentation.md"
    lines = guide.read_text("utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{name}` |"))
    assert dataclasses.is_dataclass(transform)
    for field in dataclasses.fields(transform):
        value = getattr(transform, field.name)
        shown = list(value) if isinstance(value, tuple) else value
        numbers = [f"{end:g}" for end in shown] if isinstance(shown, list) else []
        text = f'"{shown}"' if isinstance(shown, str) else str(shown)
        short = f"[{', '.join(numbers)}]"
        assert f"{field.name} = {text}" in row or f"{field.name} = {short}" in row

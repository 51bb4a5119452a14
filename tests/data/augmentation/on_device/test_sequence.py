"""The order, probabilities and views; and what every batched augmentation must do."""

import numpy as np
import pytest
import torch

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation import (
    AUGMENTATIONS,
    Augmentation,
    AugmentationStep,
    Crop,
    Erase,
    Flip,
    Mixup,
    Noise,
    Photometric,
    Transform,
)
from vultus.data.augmentation.on_device import augment_batch, change

NAMES = sorted(AUGMENTATIONS)
FIXED = {"flip", "grey"}


def pairs(count: int = 6, side: int = 112) -> torch.Tensor:
    """(count, 2, 3, side, side): both views alike, with black and white in them."""
    draws = np.random.default_rng(3)
    colours = draws.uniform(0, 255, (count, 1, 3, 8, 8))
    small = torch.from_numpy(colours.clip(20, 235)).float()
    small[:, :, :, 0, 0], small[:, :, :, 0, 1] = 0, 255
    large = small.repeat_interleave(side // 8, dim=3).repeat_interleave(side // 8, dim=4)
    return large.expand(count, 2, 3, side, side)


def sequence(name: str, *, probability: float = 1.0, shared: bool = False) -> Augmentation:
    return Augmentation((AugmentationStep(AUGMENTATIONS.create(name), probability, shared=shared),))


def run(augmentation: Augmentation, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return augment_batch(augmentation, images, np.random.default_rng(seed))


@pytest.mark.parametrize("name", NAMES)
def test_a_shared_step_changes_all_views_alike(name: str) -> None:
    changed = run(sequence(name, shared=True), pairs())
    assert not torch.equal(changed, pairs())
    # A matrix product's last bit may depend on where in memory a view lies.
    torch.testing.assert_close(changed[:, 0], changed[:, 1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_another_step_changes_view_0_only(name: str) -> None:
    changed = run(sequence(name), pairs())
    assert torch.equal(changed[:, 1], pairs()[:, 1])
    assert not torch.equal(changed[:, 0], pairs()[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_decides(name: str) -> None:
    augmentation = sequence(name, shared=True)
    first, again, other = (run(augmentation, pairs(), seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name in FIXED)


@pytest.mark.parametrize(
    "step", [Noise(sigma=(9.0, 9.0)), Erase(area=(1.0, 1.0), aspect=(1.0, 1.0))], ids=str
)
def test_noise_is_other_noise_with_another_seed(step: Transform) -> None:
    first, again, other = (change(step, pairs(), np.random.default_rng(n)) for n in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other).float().mean() > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_values_stay_in_range_and_the_argument_as_it_was(name: str) -> None:
    images = pairs().clone()
    before = images.clone()
    for seed in range(3):
        changed = run(sequence(name), images, seed)
        assert changed.shape == images.shape
        assert changed.dtype == torch.float32
        assert changed.min() >= 0
        assert changed.max() <= 255
        assert changed.isfinite().all()
        direct = change(AUGMENTATIONS.create(name), images, np.random.default_rng(seed))
        assert direct.min() > -0.01
        assert direct.max() < 255.01
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
def test_numpys_and_torchs_global_generators_are_left_alone(name: str) -> None:
    state = torch.get_rng_state()
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    run(sequence(name), pairs())
    assert np.random.random() == expected  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"mask", "stretch", "sunglasses"}))
def test_odd_sizes_and_other_memory_layouts_are_taken(name: str) -> None:
    odd = pairs(3, 40)[..., :33].contiguous()
    expected = run(sequence(name), odd)
    last = odd.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    torch.testing.assert_close(run(sequence(name), last), expected, atol=1e-2, rtol=0)


def test_probability_0_gives_the_images_themselves() -> None:
    images = pairs()
    assert run(sequence("flip", probability=0), images) is images
    assert run(Augmentation(), images) is images


def test_a_probability_picks_rows_and_leaves_the_others_to_the_bit() -> None:
    images = torch.arange(4.0).expand(2000, 1, 3, 1, 4)
    flipped = run(sequence("flip", probability=0.3), images)
    changed = (flipped != images).flatten(1).any(dim=1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert torch.equal(flipped[changed], images[changed].flip(-1))
    assert torch.equal(flipped[~changed], images[~changed])


def test_steps_are_drawn_apart_and_applied_in_order() -> None:
    dark = Photometric(brightness=0, contrast=1e-9, saturation=0, hue_deg=0, gamma=(2.0, 2.0))
    black = Crop(side=(0.5, 0.5), outside="black")
    noise = Noise(sigma=(30.0, 30.0))
    images = torch.full((64, 1, 3, 16, 16), 128.0)
    first = Augmentation((AugmentationStep(noise, 1.0), AugmentationStep(black, 1.0)))
    last = Augmentation((AugmentationStep(black, 1.0), AugmentationStep(noise, 1.0)))
    assert (run(first, images) == 0).float().mean() == pytest.approx(0.75, abs=0.01)
    assert (run(last, images) == 0).float().mean() == pytest.approx(0.375, abs=0.03)
    halves = Augmentation((AugmentationStep(dark, 0.5), AugmentationStep(black, 0.5)))
    result = run(halves, images)
    darker = result.flatten(1).amax(dim=1) < 100
    cropped = result.flatten(1).amin(dim=1) == 0
    assert {(bool(d), bool(c)) for d, c in zip(darker, cropped, strict=True)} == {
        (d, c) for d in (False, True) for c in (False, True)
    }


def test_a_batch_of_no_images_stays_empty() -> None:
    assert run(sequence("blur"), torch.zeros(0, 2, 3, 8, 8)).shape == (0, 2, 3, 8, 8)


def test_half_precision_of_a_training_step_does_not_reach_it() -> None:
    expected = run(sequence("blur"), pairs())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(run(sequence("blur"), pairs()), expected)


def test_nothing_is_recorded_for_gradients() -> None:
    images = pairs().clone().requires_grad_()
    assert not run(sequence("affine"), images).requires_grad


def test_an_augmentation_without_a_batched_version_is_refused_even_if_never_applied() -> None:
    def unknown(image: Image, generator: np.random.Generator) -> Image:
        return image

    augmentation = Augmentation((AugmentationStep(Flip(), 1.0), AugmentationStep(unknown, 0.0)))
    with pytest.raises(InputError, match=r"function has none \(there are: Affine, Blur, .*\)"):
        run(augmentation, pairs())
    with pytest.raises(InputError, match="batched version, function has none"):
        change(unknown, pairs(), np.random.default_rng(0))


def test_every_registered_augmentation_has_a_batched_version() -> None:
    kinds = {type(AUGMENTATIONS.create(name)) for name in NAMES}
    assert kinds == {*change.registry} - {object}
    assert Mixup in kinds


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (torch.zeros(2, 1, 3, 8, 8, dtype=torch.uint8), r"got uint8 of shape \(2, 1, 3, 8, 8\)"),
        (torch.zeros(2, 3, 8, 8), r"got float32 of shape \(2, 3, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8, 3), r"got float32 of shape \(2, 1, 8, 8, 3\)"),
        (torch.zeros(2, 0, 3, 8, 8), r"got float32 of shape \(2, 0, 3, 8, 8\)"),
        (np.zeros((2, 1, 3, 8, 8), np.float32), "got ndarray"),
    ],
)
def test_other_images_are_refused(images: torch.Tensor, got: str) -> None:
    with pytest.raises(InputError, match=rf"images must be float32 of shape \(b, v, .*{got}"):
        run(sequence("flip"), images)

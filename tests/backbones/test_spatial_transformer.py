import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vultus.backbones import BACKBONES, Backbone
from vultus.backbones.spatial_transformer import (
    SpatialTransformer,
    TransformKind,
    sample,
    transforms,
)
from vultus.core.errors import InputError


def images_of(rows: int, height: int, width: int, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, 3, height, width, generator=generator) * 2 - 1


@pytest.mark.parametrize(("kind", "numbers"), [("similarity", 4), ("affine", 6)])
def test_numbers_of_zero_give_the_image_itself(kind: TransformKind, numbers: int) -> None:
    images = images_of(2, 9, 12)
    matrices = transforms(torch.zeros(2, numbers), kind=kind, aspect=9 / 12)
    assert torch.allclose(sample(images, matrices, size_hw=(9, 12)), images, atol=1e-5)


@pytest.mark.parametrize("kind", ["similarity", "affine"])
def test_it_starts_within_a_hundredth_of_a_pixel_of_the_identity(kind: str) -> None:
    torch.manual_seed(0)
    net = BACKBONES.create("spatial-transformer", kind=kind, dim=8, input_hw=(48, 40)).eval()
    assert isinstance(net, SpatialTransformer)
    images = images_of(3, 48, 40)
    with torch.no_grad():
        matrices = transforms(net.localisation(images), kind=net.kind, aspect=48 / 40)
        off = matrices - torch.eye(2, 3)
        assert float(off.abs().sum(dim=2).max()) * 48 / 2 < 0.01
        assert torch.allclose(net.align(images), images, atol=0.02)


def test_sampling_agrees_with_a_loop_over_pixels() -> None:
    images = images_of(1, 7, 10)
    matrix = torch.tensor([[[0.8, -0.3, 0.1], [0.2, 0.7, -0.15]]])
    warped = sample(images, matrix, size_hw=(5, 6))[0].numpy()
    source, m = images[0].numpy(), matrix[0].numpy()
    for row in range(5):
        for column in range(6):
            x, y = (column + 0.5) * 2 / 6 - 1, (row + 0.5) * 2 / 5 - 1
            u, v = m @ (x, y, 1.0)
            px = float(np.clip((u + 1) * 10 / 2 - 0.5, 0, 9))
            py = float(np.clip((v + 1) * 7 / 2 - 0.5, 0, 6))
            left, top = min(int(px), 8), min(int(py), 5)
            fx, fy = px - left, py - top
            wanted = (
                source[:, top, left] * (1 - fx) * (1 - fy)
                + source[:, top, left + 1] * fx * (1 - fy)
                + source[:, top + 1, left] * (1 - fx) * fy
                + source[:, top + 1, left + 1] * fx * fy
            )
            assert warped[:, row, column] == pytest.approx(wanted, abs=1e-5)


def test_a_similarity_keeps_right_angles_in_pixels() -> None:
    height, width = 112, 96
    numbers = torch.tensor([[0.2, 0.3, 0.1, -0.1]], dtype=torch.float64)
    matrix = transforms(numbers, kind="similarity", aspect=height / width)[0].numpy()
    to_pixels = np.diag([width / 2, height / 2])
    linear = to_pixels @ matrix[:, :2] @ np.linalg.inv(to_pixels)
    gram = linear.T @ linear
    assert gram == pytest.approx(np.eye(2) * (1.2**2 + 0.3**2))


def test_the_inner_backbone_may_see_a_smaller_image() -> None:
    net = SpatialTransformer(dim=8, input_hw=(64, 64), inner_hw=(32, 32)).eval()
    with torch.no_grad():
        assert net.align(images_of(2, 64, 64)).shape == (2, 3, 32, 32)
        assert net(images_of(2, 64, 64)).shape == (2, 8)


def test_places_stay_precise_under_autocast() -> None:
    torch.manual_seed(0)
    matrices = transforms(torch.randn(2, 4) * 0.1, kind="similarity")
    images = images_of(2, 112, 112)
    wanted = sample(images, matrices, size_hw=(112, 112))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(sample(images, matrices, size_hw=(112, 112)), wanted, atol=1e-6)


def test_the_transform_keeps_within_its_limit() -> None:
    net = SpatialTransformer(dim=8, input_hw=(32, 32), limit=0.2).eval()
    with torch.no_grad():
        net.localisation.last.bias.fill_(100.0)
        assert net.localisation(images_of(2, 32, 32)).abs().max() <= 0.2


@pytest.mark.parametrize(("setting", "value"), [("kind", "rigid"), ("limit", 0.0)])
def test_settings_that_cannot_be_are_refused(setting: str, value: object) -> None:
    with pytest.raises(InputError, match=setting):
        BACKBONES.create("spatial-transformer", **{setting: value})


class Pixels(Backbone):
    """Its features are the image: it cannot undo anything itself."""

    def __init__(self) -> None:
        super().__init__(dim=3 * 32 * 32, input_hw=(32, 32))

    def compute(self, images: Tensor) -> Tensor:
        return images.flatten(1)


SHAPES = torch.tensor([[[1, 1], [1, 0]], [[1, 1], [0, 0]], [[1, 0], [1, 1]]])


def displaced_shapes(rows: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Smooth shapes in 32 x 32, rotated up to 35 degrees, shifted up to 5 pixels; upright; how."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randint(len(SHAPES), (rows,), generator=generator)
    patterns = functional.interpolate(
        SHAPES[kinds][:, None].float(), (16, 16), mode="bilinear", align_corners=False
    )
    upright = functional.pad(patterns, (8, 8, 8, 8)).expand(-1, 3, -1, -1) * 2 - 1
    unit = torch.rand(rows, 3, generator=generator) * 2 - 1
    angle, shift = unit[:, 0] * math.radians(35), unit[:, 1:] * 0.3
    numbers = torch.cat([torch.stack([angle.cos() - 1, angle.sin()], dim=1), shift], dim=1)
    matrices = transforms(numbers, kind="similarity")
    return sample(upright, matrices, size_hw=(32, 32)), upright, matrices


def remaining(found: Tensor, displaced: Tensor) -> tuple[float, float]:
    """What one after the other leaves: median angle in degrees, median shift in pixels."""
    linear = displaced[:, :, :2] @ found[:, :, :2]
    shift = (displaced[:, :, :2] @ found[:, :, 2:])[:, :, 0] + displaced[:, :, 2]
    angle = torch.atan2(linear[:, 1, 0] - linear[:, 0, 1], linear[:, 0, 0] + linear[:, 1, 1])
    return float(angle.rad2deg().abs().median()), float(shift.norm(dim=1).median()) * 32 / 2


@pytest.mark.parametrize("kind", ["similarity", "affine"])
def test_it_learns_to_undo_a_shift_and_a_rotation(kind: TransformKind) -> None:
    torch.manual_seed(0)
    net = SpatialTransformer(dim=4, input_hw=(32, 32), kind=kind)
    net.inner = Pixels()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for step in range(150):
        images, upright, _ = displaced_shapes(32, seed=step)
        loss = functional.mse_loss(net(images), upright.flatten(1))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    net.eval()
    images, _, displaced = displaced_shapes(200, seed=10**6)
    with torch.no_grad():
        found = transforms(net.localisation(images), kind=kind)
    before_deg, before_px = remaining(torch.eye(2, 3).expand(200, 2, 3), displaced)
    after_deg, after_px = remaining(found, displaced)
    assert before_deg > 15
    assert before_px > 3.5
    assert after_deg < 5
    assert after_px < 0.8

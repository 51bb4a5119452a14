import pytest
import torch
from torch import Tensor, nn

from vultus.backbones.base import (
    BACKBONE_INFO,
    BACKBONES,
    Backbone,
    BackboneInfo,
    check_images,
    check_input_hw,
    register_backbone,
)
from vultus.core.errors import InputError, RegistryError


class Means(Backbone):
    def __init__(self, *, dim: int = 3, input_hw: tuple[int, int] = (4, 6)) -> None:
        super().__init__(dim=dim, input_hw=input_hw)

    def compute(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


def test_a_backbone_takes_images_of_its_size_in_both_memory_formats() -> None:
    images = torch.arange(144.0).reshape(2, 3, 4, 6)
    wanted = images.flatten(2).mean(dim=2)
    assert torch.equal(Means()(images), wanted)
    assert torch.equal(Means()(images.contiguous(memory_format=torch.channels_last)), wanted)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (torch.zeros(2, 3, 6, 4), r"shape \(2, 3, 6, 4\)"),
        (torch.zeros(2, 4, 6, 3), r"shape \(2, 4, 6, 3\)"),
        (torch.zeros(2, 1, 4, 6), r"shape \(2, 1, 4, 6\)"),
        (torch.zeros(3, 4, 6), r"shape \(3, 4, 6\)"),
        (torch.zeros(2, 3, 4, 6, dtype=torch.uint8), "uint8"),
    ],
)
def test_other_images_are_refused(images: Tensor, got: str) -> None:
    with pytest.raises(InputError, match=r"\(b, 3, 4, 6\), got .*" + got):
        Means()(images)
    with pytest.raises(InputError, match=got):
        check_images(images, input_hw=(4, 6))


@pytest.mark.parametrize("size", [(112,), (112, 112, 3), (0, 112), (112.0, 112), (True, 112)])
def test_sizes_are_two_positive_integers(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="input_hw must be"):
        check_input_hw(size)


def test_sizes_can_have_a_minimum_and_a_divisor() -> None:
    assert check_input_hw((32, 48), minimum=32, multiple=16) == (32, 48)
    with pytest.raises(InputError, match="at least 32 divisible by 16"):
        check_input_hw((32, 40), minimum=32, multiple=16)
    with pytest.raises(InputError, match="at least 32"):
        check_input_hw((16, 48), minimum=32)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_tracing_for_onnx_is_quiet_and_leaves_the_batch_free() -> None:
    traced = torch.jit.trace(Means(), torch.zeros(2, 3, 4, 6))  # type: ignore[no-untyped-call]
    images = torch.rand(5, 3, 4, 6)
    assert torch.equal(traced(images), Means()(images))


def test_the_dimension_is_checked() -> None:
    with pytest.raises(InputError, match="dim"):
        Means(dim=0)


def test_registering_makes_it_known_by_name_once() -> None:
    info = BackboneInfo("nobody, 2026")
    register_backbone("means-of-this-test", info)(Means)
    try:
        assert isinstance(BACKBONES.create("means-of-this-test", dim=5), nn.Module)
        assert BACKBONE_INFO["means-of-this-test"] is info
        with pytest.raises(RegistryError, match="already"):
            register_backbone("means-of-this-test", info)(Means)
    finally:
        del BACKBONES._factories["means-of-this-test"], BACKBONE_INFO["means-of-this-test"]

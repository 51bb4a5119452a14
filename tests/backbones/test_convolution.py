import pytest
import torch

from vultus.backbones.convolution import ConvReLU


@pytest.mark.parametrize(
    ("kernel", "stride", "padded", "wanted"),
    [(3, 1, True, (9, 8)), (3, 2, True, (5, 4)), ((1, 7), 1, True, (9, 8)), (3, 2, False, (4, 3))],
)
def test_height_and_width(
    kernel: int | tuple[int, int], stride: int, padded: bool, wanted: tuple[int, int]
) -> None:
    layer = ConvReLU(2, 5, kernel, stride=stride, padded=padded)
    maps = layer(torch.randn(1, 2, 9, 8))
    assert maps.shape == (1, 5, *wanted)
    assert maps.min() == 0


def test_the_scale_of_activations_stays_through_many_layers() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 32, 16, 16).relu()
    start = maps.square().mean()
    with torch.no_grad():
        for _ in range(12):
            maps = ConvReLU(32, 32, 3)(maps)
    # PyTorch's own start would lose a factor of about 6 in each.
    assert 0.01 < float(maps.square().mean() / start) < 100

import torch

from vultus.backbones.squeezenet import STAGES, Fire, SqueezeNet


def test_the_convolutions_are_those_of_version_1_1() -> None:
    with torch.device("meta"):
        net = SqueezeNet(batch_norm=False)
    convolutions = sum(p.numel() for p in net.layers.parameters())
    classes = 512 * 1000 + 1000
    assert convolutions + classes == 1_235_496  # as published with 1,000 classes


def test_a_fire_module_joins_two_expansions_of_its_squeeze() -> None:
    torch.manual_seed(0)
    fire = Fire(6, 2, expand=4, batch_norm=False)
    maps = torch.randn(1, 6, 5, 5)
    squeezed = fire.squeeze(maps)
    assert squeezed.shape == (1, 2, 5, 5)
    out = fire(maps)
    assert torch.equal(out[:, :4], fire.expand1(squeezed))
    assert torch.equal(out[:, 4:], fire.expand3(squeezed))


def test_places_of_the_head_follow_the_input_size() -> None:
    with torch.device("meta"):
        square, tall = SqueezeNet(), SqueezeNet(input_hw=(112, 96))
    assert square.places.kernel_size == (7, 7)
    assert tall.places.kernel_size == (7, 6)
    assert sum(len(stage) for stage in STAGES) == 8

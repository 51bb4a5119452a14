import torch

from vultus.backbones.complexity import complexity_of
from vultus.backbones.inception_resnet import InceptionResNetV1


def test_parameters_are_those_of_the_public_weights() -> None:
    # facenet-pytorch 2.6.0 has 27,910,327 with its classifier of 8,631 people.
    assert complexity_of("inception-resnet-v1").parameters == 27_910_327 - (512 + 1) * 8631


def test_names_are_those_of_the_public_weights() -> None:
    with torch.device("meta"):
        names = set(InceptionResNetV1().state_dict())
    for name in (
        "conv2d_1a.conv.weight",
        "conv2d_4b.bn.running_mean",
        "repeat_1.4.branch2.2.conv.weight",
        "repeat_2.9.conv2d.bias",
        "mixed_6a.branch1.2.bn.weight",
        "mixed_7a.branch2.2.conv.weight",
        "block8.branch1.2.conv.weight",
        "last_linear.weight",
        "last_bn.running_var",
    ):
        assert name in names


def test_only_the_last_block_lets_values_below_zero_through() -> None:
    torch.manual_seed(0)
    net = InceptionResNetV1(input_hw=(80, 80)).eval()
    maps: dict[str, torch.Tensor] = {}
    for name, block in (("inner", net.repeat_3), ("last", net.block8)):
        block.register_forward_hook(lambda _, __, out, name=name: maps.update({name: out}))
    with torch.no_grad():
        net(torch.randn(1, 3, 80, 80))
    assert maps["inner"].min() >= 0
    assert maps["last"].min() < 0


def test_a_block_adds_a_scaled_branch() -> None:
    torch.manual_seed(0)
    block = InceptionResNetV1(input_hw=(80, 80)).eval().repeat_2[0]
    maps = torch.rand(1, 896, 3, 3)
    joined = torch.cat([block.branch0(maps), block.branch1(maps)], dim=1)  # type: ignore[operator]
    wanted = (maps + 0.10 * block.conv2d(joined)).relu()  # type: ignore[operator]
    assert torch.allclose(block(maps), wanted)


def test_reduction_to_3_by_3_places_at_160() -> None:
    with torch.device("meta"):
        net = InceptionResNetV1().eval()
        shapes: list[torch.Size] = []
        net.block8.register_forward_hook(lambda _, __, out: shapes.append(out.shape))
        net(torch.zeros(1, 3, 160, 160))
    assert shapes == [torch.Size((1, 1792, 3, 3))]

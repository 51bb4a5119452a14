import pytest
import torch

from vultus.losses.margins.margin_softmax import ArcFace
from vultus.losses.margins.subcenter import SubCenterArcFace


def test_equals_arcface_with_the_nearest_centers() -> None:
    torch.manual_seed(0)
    head = SubCenterArcFace(num_classes=3, dim=4, centers=5, scale=16.0)
    features, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 2, 1, 0])
    total = 0.0
    for row, label in zip(features, labels, strict=True):
        cosines = torch.nn.functional.cosine_similarity(head.weight, row[None, None], dim=2)
        nearest = head.weight[torch.arange(3), cosines.argmax(dim=1)]
        plain = ArcFace(num_classes=3, dim=4, scale=16.0)
        plain.weight.data.copy_(nearest)
        total += plain(row[None], label[None]).loss.item()
    assert head(features, labels).loss.item() == pytest.approx(total / 6, rel=1e-5)


def test_nearest_center_tells_index_and_angles() -> None:
    head = SubCenterArcFace(num_classes=2, dim=2, centers=2)
    head.weight.data.copy_(torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[-1.0, 0.0], [0.0, -1.0]]]))
    index, angles = head.nearest_center(torch.tensor([[3.0, 0.0], [0.0, -1.0]]), torch.arange(2))
    assert index.tolist() == [0, 1]
    assert angles.flatten().tolist() == pytest.approx([0.0, 90.0, 90.0, 0.0], abs=0.05)

import math

import pytest
import torch

from vultus.losses.centres.euclidean import EuclideanCenters
from vultus.losses.margins.fixed import NormFace


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    return x, torch.tensor([0, 1, 2, 3, 3, 4, 4])  # 4: not a face


@pytest.mark.parametrize("pull", [0.0, 0.5])
def test_equals_the_loops(pull: float) -> None:
    loss = EuclideanCenters(num_classes=4, dim=3, scale=3.0, margin_squared_distance=0.2, pull=pull)
    x, labels = batch()
    weight = loss.weight.detach()
    centers = [*(weight / weight.norm(dim=1, keepdim=True)).tolist(), [0.0, 0.0, 0.0]]
    total = 0.0
    for row, label in zip(x.tolist(), labels.tolist(), strict=True):
        squared = [math.dist(row, center) ** 2 for center in centers]
        logits = [-3.0 * d for d in squared]
        logits[label] -= 3.0 * 0.2
        total += math.log(sum(math.exp(z - logits[label]) for z in logits)) + pull * squared[label]
    assert loss(x, labels).loss.item() == pytest.approx(total / 7, rel=1e-5)


def test_on_the_sphere_far_from_the_origin_class_it_is_normface_with_twice_the_scale() -> None:
    loss = EuclideanCenters(num_classes=4, dim=3, scale=40.0, margin_squared_distance=0.0)
    plain = NormFace(num_classes=4, dim=3, scale=80.0)
    plain.load_state_dict(loss.state_dict())
    # Close to the own centre, the origin's share of the softmax is exp(-40) beside it.
    centers = loss.weight.detach() / loss.weight.detach().norm(dim=1, keepdim=True)
    x = centers + 0.1 * torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    x = x / x.norm(dim=1, keepdim=True)
    labels = torch.arange(4)
    assert loss(x, labels).loss.item() == pytest.approx(plain(x, labels).loss.item(), abs=1e-6)


def test_non_faces_are_drawn_to_the_origin_and_faces_to_the_sphere() -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    loss = EuclideanCenters(num_classes=4, dim=3, scale=4.0, pull=0.1)
    loss.weight.data.mul_(100)
    x = (0.5 * torch.randn(40, 3, generator=generator)).requires_grad_()
    labels = torch.arange(40) % 5
    tensors = [x, *loss.parameters()]
    for _ in range(300):
        output = loss(x, labels)
        with torch.no_grad():
            gradients = torch.autograd.grad(output.loss, tensors)
            for tensor, gradient in zip(tensors, gradients, strict=True):
                tensor.sub_(gradient)
    assert output.statistics["face_norm"] > 0.9
    assert output.statistics["non_face_norm"] < 0.5
    quality = loss.quality(x.detach())
    assert quality.max() <= 1
    assert quality[labels < 4].min() > quality[labels == 4].max()


def test_nothing_but_the_pull_holds_a_clear_face_at_length_one() -> None:
    x = torch.tensor([[1.5, 0.0]], requires_grad=True)
    for pull, sign in ((0.0, -1), (1.0, 1)):
        loss = EuclideanCenters(num_classes=2, dim=2, scale=2.0, pull=pull)
        loss.weight.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        (gradient,) = torch.autograd.grad(loss(x, torch.tensor([0])).loss, x)
        assert gradient[0, 0].sign().item() == sign


def test_a_unit_length_divides_the_features() -> None:
    x, labels = batch()
    plain = EuclideanCenters(num_classes=4, dim=3, scale=3.0, pull=0.5)
    longer = EuclideanCenters(num_classes=4, dim=3, scale=3.0, pull=0.5, unit_length=4.0)
    longer.load_state_dict(plain.state_dict())
    torch.testing.assert_close(longer(4 * x, labels).loss, plain(x, labels).loss)
    torch.testing.assert_close(longer.quality(4 * x), plain.quality(x))


def test_long_features_are_learnt_from_with_their_length_as_the_unit() -> None:
    # As a network that ends in batch normalisation gives them: of length dim^1/2 from the start.
    def angle_after(unit_length: float) -> float:
        torch.manual_seed(0)
        loss = EuclideanCenters(num_classes=20, dim=64, scale=8.0, unit_length=unit_length)
        noise = torch.randn(200, 64, generator=torch.Generator().manual_seed(1))
        labels = torch.arange(200) % 20
        mixed = torch.nn.Linear(64, 64, bias=False)
        ending = torch.nn.BatchNorm1d(64)
        people = torch.randn(20, 64, generator=torch.Generator().manual_seed(2))
        tensors = [*mixed.parameters(), *ending.parameters(), *loss.parameters()]
        optimizer = torch.optim.SGD(tensors, lr=0.1, momentum=0.9)
        for _ in range(30):
            optimizer.zero_grad()
            loss(ending(mixed(people[labels] + 2 * noise)), labels).loss.backward()
            optimizer.step()
        with torch.no_grad():
            unit = torch.nn.functional.normalize(ending(mixed(people[labels] + 2 * noise)))
            centers = torch.nn.functional.normalize(loss.weight)
        return float((unit * centers[labels]).sum(dim=1).mean())

    assert angle_after(8.0) > angle_after(1.0) + 0.1

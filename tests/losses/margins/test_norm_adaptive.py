import math

import pytest
import torch

from vultus.core.errors import InputError
from vultus.losses.margins.margin_softmax import ArcFace
from vultus.losses.margins.norm_adaptive import AdaFace, MagFace


def unit_batch(lengths: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    directions = torch.randn(len(lengths), 5, generator=torch.Generator().manual_seed(0))
    directions = directions / directions.norm(dim=1, keepdim=True)
    return directions * torch.tensor(lengths)[:, None], torch.arange(len(lengths)) % 3


class TestMagFace:
    def test_is_arcface_plus_regulariser_at_one_length(self) -> None:
        features, labels = unit_batch([60.0] * 4)
        loss = MagFace(num_classes=3, dim=5, scale=16.0)
        arc = ArcFace(num_classes=3, dim=5, scale=16.0, margin_rad=0.625)
        arc.load_state_dict(loss.state_dict())
        expected = arc(features, labels).loss.item() + 35 * (1 / 60 + 60 / 110**2)
        assert loss(features, labels).loss.item() == pytest.approx(expected, rel=1e-5)

    def test_lengths_outside_the_range_get_no_radial_gradient(self) -> None:
        features, labels = unit_batch([2.0, 60.0, 500.0])
        loss = MagFace(num_classes=3, dim=5)
        inputs = features.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(inputs, labels).loss, inputs)
        radial = (gradient * features.detach()).sum(dim=1) / features.detach().norm(dim=1)
        assert radial[[0, 2]].abs().max() < 1e-5
        assert radial[1].abs() > 1e-4

    def test_a_regulariser_below_its_bound_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"at least 22\.5867"):
            MagFace(num_classes=3, dim=5, regulariser=20.0)

    def test_none_takes_the_bound_at_which_the_best_length_still_grows(self) -> None:
        loss = MagFace(num_classes=3, dim=5, regulariser=None)
        assert loss.regulariser == pytest.approx(22.5867, abs=1e-4)


class TestAdaFace:
    def test_running_statistics_follow_the_lengths(self) -> None:
        lengths = [5.0, 15.0, 40.0, 200.0]  # the last counts as 100
        features, labels = unit_batch(lengths)
        loss = AdaFace(num_classes=3, dim=5)
        loss(features, labels)
        counted = [5.0, 15.0, 40.0, 100.0]
        mean = sum(counted) / 4
        std = math.sqrt(sum((length - mean) ** 2 for length in counted) / 3)
        assert loss.norm_mean.item() == pytest.approx(0.99 * 20 + 0.01 * mean, rel=1e-5)
        assert loss.norm_std.item() == pytest.approx(0.99 * 100 + 0.01 * std, rel=1e-5)

    def test_one_row_moves_the_mean_but_not_the_spread(self) -> None:
        features, labels = unit_batch([50.0])
        loss = AdaFace(num_classes=3, dim=5)
        loss(features, labels)
        assert loss.norm_mean.item() == pytest.approx(20.3, rel=1e-5)
        assert loss.norm_std.item() == 100

    def test_a_target_logit_in_use_keeps_its_statistics_when_the_next_step_moves_them(self) -> None:
        loss = AdaFace(num_classes=3, dim=5)
        cos, norms = torch.tensor([0.5, 0.1]), torch.tensor([90.0, 5.0])
        target_logit = loss.target_logit_for(cos, norms)
        before = target_logit(cos, norms)
        loss.target_logit_for(cos, norms)
        assert torch.equal(target_logit(cos, norms), before)

    def test_equals_the_formula_row_by_row(self) -> None:
        lengths = [5.0, 15.0, 40.0, 90.0]
        features, labels = unit_batch(lengths)
        loss = AdaFace(num_classes=3, dim=5, scale=16.0, concentration=1.0).eval()
        loss.norm_mean.fill_(30.0)
        loss.norm_std.fill_(20.0)
        centers = loss.weight.detach() / loss.weight.detach().norm(dim=1, keepdim=True)
        total = 0.0
        for row, label, length in zip(features, labels.tolist(), lengths, strict=True):
            z = max(-1.0, min(1.0, (length - 30.0) / 20.001))
            logits = [16 * float(row @ center) / length for center in centers]
            theta = math.acos(logits[label] / 16)
            shifted = min(max(theta - 0.4 * z, 1e-3), math.pi - 1e-3)
            logits[label] = 16 * (math.cos(shifted) - 0.4 - 0.4 * z)
            total += math.log(sum(math.exp(value - logits[label]) for value in logits))
        assert loss(features, labels).loss.item() == pytest.approx(total / 4, rel=1e-5)

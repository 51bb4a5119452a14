import math
from typing import Literal

import pytest
import torch

from vultus.core.errors import InputError
from vultus.losses.margins.adaptive import (
    AdaCos,
    AdaFace,
    CurricularFace,
    ElasticFace,
    MagFace,
    MvSoftmax,
)
from vultus.losses.margins.fixed import ArcFace, CosFace


def batch(rows: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(rows, 6, generator=generator), torch.randint(5, (rows,), generator=generator)


class TestElasticFace:
    def test_margins_are_normal_about_the_mean(self) -> None:
        loss = ElasticFace(num_classes=5, dim=6, margin=0.5, sigma=0.05)
        margins = loss.margins(torch.zeros(20_000))
        assert margins.mean().item() == pytest.approx(0.5, abs=2e-3)
        assert margins.std().item() == pytest.approx(0.05, abs=2e-3)

    def test_a_step_has_its_own_reproducible_draw(self) -> None:
        loss = ElasticFace(num_classes=5, dim=6)
        first = loss.margins(torch.zeros(9))
        assert torch.equal(loss.margins(torch.zeros(9)), first)
        loss(*batch())
        second = loss.margins(torch.zeros(9))
        assert not torch.equal(second, first)
        resumed = ElasticFace(num_classes=5, dim=6)
        resumed.load_state_dict(loss.state_dict())
        assert torch.equal(resumed.margins(torch.zeros(9)), second)

    def test_the_hardest_face_gets_the_largest_margin(self) -> None:
        # Gathering by the order where one must scatter gets this wrong, unless the order is its
        # own inverse: this one is not.
        cos = torch.tensor([0.5, -0.8, 0.9, -0.3, 0.1])
        loss = ElasticFace(num_classes=5, dim=6, sigma=0.2, hardest_first=True)
        margins = loss.margins(cos)
        assert margins.argsort(descending=True).tolist() == cos.argsort().tolist()
        plain = ElasticFace(num_classes=5, dim=6, sigma=0.2).margins(cos)
        assert torch.equal(margins.sort().values, plain.sort().values)

    @pytest.mark.parametrize(("kind", "head"), [("arc", ArcFace), ("cos", CosFace)])
    def test_without_spread_it_is_the_fixed_margin(
        self, kind: str, head: type[ArcFace] | type[CosFace]
    ) -> None:
        margin = 0.5 if kind == "arc" else 0.35
        loss = ElasticFace(num_classes=5, dim=6, kind=kind, margin=margin, sigma=0.0)  # type: ignore[arg-type]
        fixed = head(num_classes=5, dim=6)
        fixed.load_state_dict(loss.state_dict())
        value = loss(*batch()).loss.item()
        assert value == pytest.approx(fixed(*batch()).loss.item(), rel=1e-6)

    def test_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(InputError, match="kind must be 'arc' or 'cos'"):
            ElasticFace(num_classes=5, dim=6, kind="sphere")  # type: ignore[arg-type]


class TestCurricularFace:
    def test_the_level_follows_the_unmargined_target_cosine(self) -> None:
        loss = CurricularFace(num_classes=5, dim=6)
        features, labels = batch()
        own = torch.nn.functional.cosine_similarity(features, loss.weight.detach()[labels])
        loss(features, labels)
        assert loss.level.item() == pytest.approx(0.01 * own.mean().item(), rel=1e-4)
        assert "level" in loss.state_dict()
        assert "level" not in dict(loss.named_parameters())

    def test_a_target_logit_in_use_keeps_its_level_when_the_next_step_moves_it(self) -> None:
        loss = CurricularFace(num_classes=5, dim=6)
        target_logit = loss.target_logit_for(torch.tensor([0.9]), torch.tensor([1.0]))
        cos, low = torch.tensor([[0.5]]), torch.tensor([-1.0])
        before = target_logit.negatives(cos, low, low)
        loss.target_logit_for(torch.tensor([0.9]), torch.tensor([1.0]))
        assert torch.equal(target_logit.negatives(cos, low, low), before)

    def test_equals_the_formula_row_by_row(self) -> None:
        loss = CurricularFace(num_classes=5, dim=6, scale=16.0).eval()
        loss.level.fill_(0.3)
        features, labels = batch()
        centers = loss.weight.detach() / loss.weight.detach().norm(dim=1, keepdim=True)
        total = 0.0
        for row, label in zip(features / features.norm(dim=1, keepdim=True), labels, strict=True):
            cos = (centers @ row).tolist()
            theta = math.acos(cos[label])
            over = cos[label] > math.cos(math.pi - 0.5)
            target = math.cos(theta + 0.5) if over else cos[label] - 0.5 * math.sin(0.5)
            logits = [c * (0.3 + c) if c > target else c for c in cos]
            logits[label] = target
            total += math.log(sum(math.exp(16 * (z - target)) for z in logits))
        assert loss(features, labels).loss.item() == pytest.approx(total / 16, rel=1e-5)


def test_mv_softmax_punishes_more_than_its_target_margin_alone() -> None:
    features, labels = batch()
    for kind, head in (("cos", CosFace), ("arc", ArcFace)):
        loss = MvSoftmax(num_classes=5, dim=6, kind=kind, margin=0.35)  # type: ignore[arg-type]
        plain = head(num_classes=5, dim=6, scale=32.0)
        if isinstance(plain, ArcFace):
            plain = ArcFace(num_classes=5, dim=6, scale=32.0, margin_rad=0.35)
        plain.load_state_dict(loss.state_dict())
        assert loss(features, labels).loss > plain(features, labels).loss
    with pytest.raises(InputError, match="kind must be"):
        MvSoftmax(num_classes=5, dim=6, kind="sphere")  # type: ignore[arg-type]


class TestAdaCos:
    def test_starts_at_the_fixed_scale_and_follows_the_formula(self) -> None:
        loss = AdaCos(num_classes=5, dim=6)
        start = math.sqrt(2) * math.log(4)
        assert loss.dynamic_scale.item() == pytest.approx(start)
        features, labels = batch()
        unit = features / features.norm(dim=1, keepdim=True)
        cos = unit @ (loss.weight.detach() / loss.weight.detach().norm(dim=1, keepdim=True)).T
        mean = 0.0
        for row, label in zip(cos.tolist(), labels.tolist(), strict=True):
            mean += sum(math.exp(start * c) for j, c in enumerate(row) if j != label) / 16
        median = torch.acos(cos.gather(1, labels[:, None])).median().item()
        loss(features, labels)
        expected = math.log(mean) / math.cos(min(math.pi / 4, median))
        assert loss.dynamic_scale.item() == pytest.approx(expected, rel=1e-5)

    def test_the_scale_stays_positive_with_few_classes(self) -> None:
        loss = AdaCos(num_classes=3, dim=2)
        loss.weight.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1]]))
        for _ in range(50):
            loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
        assert loss.dynamic_scale.item() >= 1


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

    def test_easy_is_the_published_code_in_plain_loops(self) -> None:
        """cos(t) > 0 ? cos(t) cos(m) - sin(t) sin(m) : cos(t), of MagFace's models/magface.py."""
        features, labels = unit_batch([5.0, 20.0, 60.0, 105.0, 200.0, 30.0])
        labels = labels.clone()
        loss = MagFace(num_classes=3, dim=5, scale=16.0, beyond="easy").double()
        features = features.double()
        unit = loss.weight.detach() / loss.weight.detach().norm(dim=1, keepdim=True)
        total, eased = 0.0, 0
        for x, label in zip(features, labels.tolist(), strict=True):
            a = min(max(float(x.norm()), 10.0), 110.0)
            m = (0.8 - 0.45) / (110 - 10) * (a - 10) + 0.45
            cosines = [float(x @ w / x.norm()) for w in unit]
            c = cosines[label]
            eased += c <= 0
            target = c * math.cos(m) - math.sqrt(1 - c * c) * math.sin(m) if c > 0 else c
            logits = [16 * (target if j == label else z) for j, z in enumerate(cosines)]
            total += math.log(sum(math.exp(z) for z in logits)) - logits[label]
            total += 35 * (a / 110**2 + 1 / a)
        assert 0 < eased < 6
        assert loss(features, labels).loss.item() == pytest.approx(total / 6, rel=1e-12)
        with pytest.raises(InputError, match="beyond must be"):
            MagFace(num_classes=3, dim=5, beyond="never")  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "margin"), [("cos", 0.35), ("arc", 0.5)])
def test_mv_softmax_with_an_easy_margin_is_the_published_code_in_plain_loops(
    kind: Literal["arc", "cos"], margin: float
) -> None:
    """Of SV-X-Softmax: hard is what beats the margin at every angle, also where it is let go."""
    loss = MvSoftmax(
        num_classes=5, dim=6, kind=kind, margin=margin, scale=8.0, easy_margin=True
    ).double()
    features, labels = batch(24)
    features = features.double()
    unit = loss.weight.detach() / loss.weight.detach().norm(dim=1, keepdim=True)
    total, eased, hard = 0.0, 0, 0
    for x, label in zip(features, labels.tolist(), strict=True):
        cosines = [float(x @ w / x.norm()) for w in unit]
        c = cosines[label]
        if kind == "cos":
            bar = c - margin
            target = c - margin if c > margin else c
        else:
            bar = c * math.cos(margin) - math.sqrt(1 - c * c) * math.sin(margin)
            target = bar if c > 0 else c
        eased += target != bar
        logits = [8 * (1.12 * z + 0.12 if z > bar else z) for z in cosines]
        hard += sum(bar < z < target for j, z in enumerate(cosines) if j != label)
        logits[label] = 8 * target
        total += math.log(sum(math.exp(z) for z in logits)) - logits[label]
    assert 0 < eased < 24
    assert hard > 0
    assert loss(features, labels).loss.item() == pytest.approx(total / 24, rel=1e-12)


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

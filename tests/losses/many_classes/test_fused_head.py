"""The fused head as a module, on one process; `test_sharding` has several."""

import pytest
import torch

from vultus.core.errors import InputError
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.margins.adaptive import CurricularFace
from vultus.losses.margins.functional import margin_cross_entropy
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    CosFaceLogit,
    NormFaceLogit,
    TargetLogit,
)
from vultus.losses.margins.target_logit_adaptive import CurricularLogit, MvLogit


def test_loss_and_statistics() -> None:
    head = FusedMarginSoftmax(num_classes=30, dim=6, target_logit=ArcFaceLogit(), scale=16.0)
    features = torch.cat([torch.randn(5, 6), head.weight.detach()[[7]] * 300])
    labels = torch.tensor([0, 3, 9, 29, 4, 7])
    output = head(features, labels)
    expected = margin_cross_entropy(
        features, head.weight, labels, target_logit=ArcFaceLogit(), scale=16.0
    )
    torch.testing.assert_close(output.loss, expected)
    cosines = torch.nn.functional.cosine_similarity(features[:, None], head.weight[None], dim=2)
    right = (cosines.argmax(1) == labels).float().mean()
    torch.testing.assert_close(output.statistics["accuracy"], right)
    torch.testing.assert_close(output.statistics["feature_norm"], features.norm(dim=1).mean())
    angles = torch.rad2deg(torch.acos(cosines[torch.arange(6), labels].clamp(-1, 1)))
    torch.testing.assert_close(
        output.statistics["target_angle_deg"], angles.mean().detach(), rtol=1e-4, atol=0.01
    )
    assert head.step == 1


def test_ignored_rows_count_nowhere() -> None:
    head = FusedMarginSoftmax(num_classes=9, dim=4, target_logit=CosFaceLogit(), scale=16.0)
    features, labels = torch.randn(5, 4), torch.tensor([3, -1, 8, -1, 0])
    kept = head(features[labels >= 0], labels[labels >= 0])
    output = head(features, labels)
    torch.testing.assert_close(output.loss, kept.loss)
    for name, value in kept.statistics.items():
        torch.testing.assert_close(output.statistics[name], value)


def test_a_batch_without_a_usable_row_has_loss_0_with_a_graph() -> None:
    head = FusedMarginSoftmax(num_classes=9, dim=4, target_logit=CosFaceLogit(), scale=16.0)
    for rows in (0, 2):
        loss = head(torch.randn(rows, 4), torch.full((rows,), -1)).loss
        loss.backward()
        assert loss == 0
    assert head.weight.grad is not None
    assert head.weight.grad.abs().max() == 0


def test_full_state_goes_round_with_momentum() -> None:
    head = FusedMarginSoftmax(num_classes=9, dim=4, target_logit=MvLogit(), scale=16.0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.1)
    head(torch.randn(3, 4), torch.arange(3)).loss.backward()
    optimizer.step()
    state = head.full_state(optimizer)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    again = FusedMarginSoftmax(num_classes=9, dim=4, target_logit=MvLogit(), scale=16.0)
    other = torch.optim.AdamW(again.parameters(), lr=0.1)
    again.load_full_state(state, other)
    assert again.step == 1
    for one, its_optimizer in ((head, optimizer), (again, other)):
        one.zero_grad()
        one(torch.ones(3, 4), torch.arange(3)).loss.backward()
        its_optimizer.step()
    assert torch.equal(head.weight, again.weight)


def test_a_state_of_another_size_is_refused() -> None:
    head = FusedMarginSoftmax(num_classes=9, dim=4, target_logit=CosFaceLogit())
    with pytest.raises(InputError, match=r"weight of shape \(9, 4\), got \(8, 4\)"):
        head.load_full_state({"weight": torch.zeros(8, 4), "step": torch.tensor(0)})


def test_initial_centres_differ_between_rows_and_follow_the_seed() -> None:
    def centers() -> torch.Tensor:
        torch.manual_seed(3)
        head = FusedMarginSoftmax(num_classes=3000, dim=4, target_logit=CosFaceLogit())
        return head.weight.detach()

    first = centers()
    assert torch.equal(first, centers())
    assert len(torch.unique(first, dim=0)) == 3000
    assert first.std().item() == pytest.approx(0.01, rel=0.05)


class _FusedCurricular(FusedMarginSoftmax):
    """A margin with running state, as a subclass makes it."""

    level = torch.tensor(0.0)

    def target_logit_for(self, cos_target: torch.Tensor, norms: torch.Tensor) -> TargetLogit:
        self.level = 0.99 * self.level + 0.01 * cos_target.mean()
        return CurricularLogit(0.5, self.level)


def test_a_margin_may_follow_the_batch() -> None:
    head = _FusedCurricular(num_classes=20, dim=6, target_logit=NormFaceLogit(), scale=64.0)
    plain = CurricularFace(num_classes=20, dim=6)
    plain.load_state_dict({"weight": head.weight.detach()}, strict=False)
    for _ in range(3):
        features, labels = torch.randn(5, 6), torch.randint(20, (5,))
        features += 40 * head.weight.detach()[labels]
        torch.testing.assert_close(head(features, labels).loss, plain(features, labels).loss)
        torch.testing.assert_close(head.level, plain.level)
    assert head.level > 0

import math
from typing import Any

import pytest
import torch

from vultus.core.errors import ConfigError
from vultus.data.loading.batch import FaceBatch
from vultus.losses import LOSSES, Loss
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.many_classes.named import many_class_head
from vultus.losses.many_classes.partial_fc import ClassSampling, PartialFC, RowSparseSGD
from vultus.losses.margins.schedules import MarginWarmup
from vultus.losses.margins.target_logit import CosFaceLogit
from vultus.training.objectives.objective import LossObjective


def make(name: str, *, num_classes: int = 5, dim: int = 8, **settings: Any) -> Loss:
    return LOSSES.create(name, num_classes=num_classes, dim=dim, **settings)


def batch(labels: torch.Tensor) -> FaceBatch:
    return FaceBatch(torch.zeros(len(labels), 3, 1, 1), labels, torch.arange(len(labels)))


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


LABELS = torch.tensor([0, 1, 1, 0, 2, 2])


def test_two_losses_add_up(features: torch.Tensor) -> None:
    first, second = make("cosface"), make("triplet")
    output = LossObjective(first, second=second, factor=0.5)(features, batch(LABELS))
    expected = first(features, LABELS).loss + 0.5 * second(features, LABELS).loss
    torch.testing.assert_close(output.loss, expected)
    assert {"first_loss", "second_loss", "target_angle_deg"} <= set(output.statistics)


@pytest.mark.parametrize("kind", ["plain", "fused"])
def test_the_margin_comes_in_along_a_line_and_stays(features: torch.Tensor, kind: str) -> None:
    torch.manual_seed(0)
    head: Loss = (
        make("cosface", scale=8.0, margin_cos=0.4)
        if kind == "plain"
        else FusedMarginSoftmax(num_classes=5, dim=8, target_logit=CosFaceLogit(0.4), scale=8.0)
    )
    objective = LossObjective(head, warmup=MarginWarmup(steps=4, delay=2))
    values = []
    for step in (0, 2, 4, 6, 50):
        objective.prepare(step)
        values.append(objective(features, batch(LABELS)).loss.item())
    expected = []
    for fraction in (0, 0, 0.5, 1, 1):
        plain = make("cosface", scale=8.0, margin_cos=0.4 * fraction)
        with torch.no_grad():
            plain.get_parameter("weight").copy_(head.get_parameter("weight"))
        expected.append(plain(features, LABELS).loss.item())
    assert values == pytest.approx(expected, rel=1e-5)
    objective.prepare(3)
    objective.end_warmup()
    objective.prepare(0)
    assert objective(features, batch(LABELS)).loss.item() == pytest.approx(expected[-1], rel=1e-5)


def test_only_margin_losses_can_be_warmed_up() -> None:
    with pytest.raises(ConfigError, match="Triplet is none"):
        LossObjective(make("triplet"), warmup=MarginWarmup(steps=4))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("arcface", {"scale": 16.0, "margin_rad": 0.5}),
        ("cosface", {"scale": 16.0, "margin_cos": 0.35}),
        ("normface", {"scale": 16.0}),
    ],
)
def test_the_first_loss_is_foreseen(name: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    objective = LossObjective(make(name, num_classes=1000, dim=128, **settings))
    rows = torch.randn(256, 128)
    seen = objective(rows, batch(torch.randint(1000, (256,)))).loss.item()
    expected = objective.expected_first_loss()
    assert expected is not None
    assert seen == pytest.approx(expected, rel=0.05)


def test_a_warmup_starts_without_the_margin() -> None:
    bare, margin = make("normface", scale=16.0), make("cosface", scale=16.0)
    warmed = LossObjective(margin, warmup=MarginWarmup(steps=5))
    assert warmed.expected_first_loss() is None  # s^2 / 2d = 16 is not small
    wide = LossObjective(make("cosface", dim=256, scale=16.0), warmup=MarginWarmup(steps=5))
    same = LossObjective(make("normface", dim=256, scale=16.0))
    assert wide.expected_first_loss() == pytest.approx(same.expected_first_loss())
    assert LossObjective(bare, second=margin).expected_first_loss() is None
    assert LossObjective(make("softmax")).expected_first_loss() is None


def test_partial_fc_is_expected_to_see_its_sample_only() -> None:
    head = PartialFC(
        num_classes=1000,
        dim=256,
        target_logit=CosFaceLogit(0.0),
        scale=1.0,
        sampling=ClassSampling(rate=0.1),
    )
    assert LossObjective(head).expected_first_loss() == pytest.approx(math.log(100), abs=0.01)


def test_what_is_saved_comes_back_with_the_heads_momentum(features: torch.Tensor) -> None:
    def new() -> tuple[LossObjective, RowSparseSGD]:
        head = PartialFC(
            num_classes=5, dim=8, target_logit=CosFaceLogit(0.2), sampling=ClassSampling(rate=0.6)
        )
        objective = LossObjective(head, second=make("center"))
        return objective, RowSparseSGD([head.weight], lr=0.1)

    objective, optimizer = new()
    for _ in range(3):
        optimizer.zero_grad()
        objective(features, batch(LABELS)).loss.backward()
        optimizer.step()
    state = objective.full_state((optimizer,))
    other, its_optimizer = new()
    other.load_full_state(state, (its_optimizer,))
    for key, value in objective.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key
    head, own = other.heads()[0], objective.heads()[0]
    assert torch.equal(
        its_optimizer.state[head.weight]["momentum"], optimizer.state[own.weight]["momentum"]
    )
    assert other.row_sparse() == [head.weight]
    assert other.sharded() == []


@pytest.mark.parametrize("name", ["adaface", "curricularface", "uniface"])
def test_what_follows_the_batch_is_saved_with_its_head(features: torch.Tensor, name: str) -> None:
    def objective() -> LossObjective:
        return LossObjective(many_class_head(name, num_classes=5, dim=8))

    first = objective()
    for _ in range(3):
        first(30 * features, batch(LABELS)).loss.backward()
    torch.optim.SGD(first.replicated(), lr=0.1).step()
    again = objective()
    again.load_full_state(first.full_state())
    given = 30 * features, batch(LABELS)
    assert torch.equal(again(*given).loss, first(*given).loss)
    assert not torch.equal(objective()(*given).loss, first(*given).loss)


def test_another_loss_is_refused() -> None:
    state = LossObjective(make("center")).full_state()
    with pytest.raises(ConfigError, match=r"differs in: .*centers"):
        LossObjective(make("softmax")).load_full_state(state)
    with pytest.raises(ConfigError, match="another loss"):
        LossObjective(make("center", num_classes=6)).load_full_state(state)
    head = FusedMarginSoftmax(num_classes=5, dim=8, target_logit=CosFaceLogit(0.2))
    with pytest.raises(ConfigError, match="another loss"):
        LossObjective(head).load_full_state(state)

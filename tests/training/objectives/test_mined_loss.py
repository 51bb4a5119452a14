from typing import Any

import pytest
import torch

from vultus.core.errors import ConfigError, InputError
from vultus.losses import LOSSES, Loss
from vultus.mining.miners import MINERS
from vultus.mining.triplets import Split, Triplets
from vultus.training.checks.doctor import collapse_note
from vultus.training.objectives.heads import build_objective
from vultus.training.objectives.mined_loss import MinedLoss
from vultus.training.objectives.objective import LossObjective
from vultus.training.recipe.stage_config import NamedConfig, StageConfig

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, -1])


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(7, 8, generator=torch.Generator().manual_seed(0)) * 3


def make(name: str, **settings: Any) -> Loss:
    return LOSSES.create(name, num_classes=4, dim=8, **settings)


def test_hard_triplets_mined_outside_give_the_loss_that_mines_inside(
    features: torch.Tensor,
) -> None:
    for settings in ({}, {"normalize": False, "squared": False}):
        inner = make("triplet", mining="batch-hard", **settings)
        mined = MinedLoss(make("triplet", **settings), MINERS.create("batch-hard"))
        torch.testing.assert_close(mined(features, LABELS).loss, inner(features, LABELS).loss)


def test_margin_based_loss_of_the_miners_triplets(features: torch.Tensor) -> None:
    inner = make("margin-based")
    output = MinedLoss(inner, MINERS.create("all"))(features, LABELS)
    unit = torch.nn.functional.normalize(features)
    terms = []
    for a in range(6):
        for p in range(6):
            for n in range(6):
                if a != p and LABELS[a] == LABELS[p] != LABELS[n]:
                    terms.append(max(0.0, float((unit[a] - unit[p]).norm()) - 1.2 + 0.2))
                    terms.append(max(0.0, 0.2 - float((unit[a] - unit[n]).norm()) + 1.2))
    expected = sum(terms) / sum(term > 0 for term in terms)
    assert output.loss.item() == pytest.approx(expected, rel=1e-5)
    assert output.statistics["triplets"].item() == len(terms) / 2
    assert "boundary" in dict(inner.named_parameters())


def test_draws_follow_seed_and_step_and_go_on_after_a_resume(features: torch.Tensor) -> None:
    drawn: list[int] = []

    def miner(
        rows: torch.Tensor | Split, labels: torch.Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        drawn.append(int(torch.randint(10**9, (1,), generator=generator)))
        return MINERS.create("all")(rows, labels, generator)

    loss = MinedLoss(make("triplet"), miner, seed=3)
    for _ in range(3):
        loss(features, LABELS)
    again = MinedLoss(make("triplet"), miner, seed=3)
    again(features, LABELS)
    again.load_state_dict(loss.state_dict())
    again(features, LABELS)
    loss(features, LABELS)
    MinedLoss(make("triplet"), miner, seed=4)(features, LABELS)
    assert len(set(drawn[:3])) == 3
    assert drawn[3] == drawn[0]
    assert drawn[4] == drawn[5]
    assert drawn[6] != drawn[0]


def test_other_losses_and_bad_batches_are_refused(features: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="CosFace is none"):
        MinedLoss(make("cosface"), MINERS.create("all"))
    with pytest.raises(InputError, match="labels must lie in"):
        MinedLoss(make("triplet"), MINERS.create("all"))(features, LABELS + 9)


def test_no_triplet_is_a_loss_of_0_with_a_graph() -> None:
    rows = torch.randn(3, 8, requires_grad=True)
    loss = MinedLoss(make("margin-based"), MINERS.create("hard"))
    output = loss(rows, torch.tensor([0, 1, -1]))
    (gradient,) = torch.autograd.grad(output.loss, rows)
    assert output.loss.item() == 0
    assert not gradient.any()


def test_a_recipe_names_its_miner() -> None:
    stage = StageConfig(
        steps=1,
        sampler=NamedConfig(name="shuffled"),
        loss=NamedConfig(name="margin-based"),
        miner=NamedConfig(name="distance-weighted", settings={"temperature": 2.0}),
    )
    objective = build_objective(stage, num_classes=4, dim=8, seed=5)
    assert isinstance(objective, LossObjective)
    loss = objective.first
    assert isinstance(loss, MinedLoss)
    assert loss.miner == MINERS.create("distance-weighted", temperature=2.0)
    assert loss.seed == 5


def test_a_collapse_is_seen_behind_the_miner() -> None:
    objective = LossObjective(MinedLoss(make("triplet"), MINERS.create("all")))
    assert "collapsed" in str(collapse_note(objective, 0.2))


@pytest.mark.parametrize("name", ["all", "batch-hard", "distance-weighted", "hard", "semi-hard"])
def test_a_feature_that_is_no_number_shows_in_the_loss(features: torch.Tensor, name: str) -> None:
    features[1, 3] = torch.nan
    output = MinedLoss(make("triplet"), MINERS.create(name))(features, LABELS)
    assert output.loss.isnan()  # the guard of a training looks there, and leaves the step out

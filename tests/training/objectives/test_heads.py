from typing import Any

import pytest
import torch

from vultus.core.errors import ConfigError
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.many_classes.partial_fc import PartialFC
from vultus.losses.margins.target_logit import DetachedLogit
from vultus.training.objectives.heads import build_loss, build_objective
from vultus.training.recipe.stage_config import (
    HeadConfig,
    MarginWarmupConfig,
    NamedConfig,
    SecondLossConfig,
    StageConfig,
)

FEATURES = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, -1, 4])


def named(name: str, **settings: Any) -> NamedConfig:
    return NamedConfig(name=name, settings=settings)


@pytest.mark.parametrize(
    "loss",
    [
        named("cosface", scale=10.0, margin_cos=0.2),
        named("arcface", scale=10.0, margin_rad=0.3, beyond="smooth"),
        named("combined", scale=10.0),
        named("normface", scale=10.0),
        named("adaface", scale=10.0),
        named("curricularface", scale=10.0),
        named("elasticface", scale=10.0),
        named("magface", scale=10.0, beyond="easy"),
        named("mv-softmax", easy_margin=True),
        named("uniface", scale=10.0),
    ],
)
@pytest.mark.parametrize("kind", ["fused", "partial-fc"])
def test_other_heads_give_the_plain_loss(loss: NamedConfig, kind: Any) -> None:
    plain = build_loss(loss, HeadConfig(), num_classes=5, dim=8)
    rate: dict[str, Any] = {"sample_rate": 1.0} if kind == "partial-fc" else {}
    other = build_loss(loss, HeadConfig(kind=kind, **rate), num_classes=5, dim=8)
    assert isinstance(other, FusedMarginSoftmax)
    with torch.no_grad():
        other.weight.copy_(plain.get_parameter("weight"))
    torch.testing.assert_close(other(FEATURES, LABELS).loss, plain(FEATURES, LABELS).loss)


def test_settings_reach_the_heads() -> None:
    config = HeadConfig(kind="partial-fc", sample_rate=0.5, correct=True)
    head = build_loss(named("arcface", grad="detached"), config, num_classes=8, dim=4, seed=3)
    assert isinstance(head, PartialFC)
    assert isinstance(head.target_logit, DetachedLogit)
    assert (head.sample_rate, head.sampling.correct, head.sampling.seed) == (0.5, True, 3)


@pytest.mark.parametrize("name", ["a-softmax", "softmax", "subcenter-arcface", "triplet", "adacos"])
def test_losses_whose_scale_or_classes_are_their_own_have_no_fused_head(name: str) -> None:
    with pytest.raises(ConfigError, match=r"head\.kind must be 'plain' for the loss"):
        build_loss(named(name), HeadConfig(kind="fused"), num_classes=5, dim=8)
    with pytest.raises(ConfigError, match=r"head\.kind must be 'plain'"):
        build_loss(
            named("normface", learn_scale=True), HeadConfig(kind="fused"), num_classes=5, dim=8
        )
    with pytest.raises(ConfigError, match=r"head\.kind must be 'plain'"):
        build_loss(
            named("cosface", normalize=False), HeadConfig(kind="fused"), num_classes=5, dim=8
        )


def test_a_stage_becomes_its_objective() -> None:
    stage = StageConfig(
        steps=1,
        sampler=named("shuffled", batch_size=4),
        loss=named("cosface"),
        second_loss=SecondLossConfig(name="triplet", factor=0.5),
        margin_warmup=MarginWarmupConfig(steps=10),
    )
    objective = build_objective(stage, num_classes=5, dim=8)
    assert [type(child).__name__ for child in objective.children()] == ["CosFace", "Triplet"]

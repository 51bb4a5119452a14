from typing import Any

import pytest
import torch
from torch import nn

from vultus.backbones import BACKBONES
from vultus.core.errors import ConfigError, RegistryError
from vultus.data import open_dataset
from vultus.training.objectives.objective import LossObjective
from vultus.training.process.distributed import World
from vultus.training.recipe.recipe import Recipe
from vultus.training.stages import StageBuilder, freeze, set_training_mode


def builder(values: dict[str, Any], **more: Any) -> StageBuilder:
    recipe = Recipe.from_dict({**values, **more}, source="r.toml")
    settings = {k: tuple(v) for k, v in (("widths", (8, 8, 8, 8)), ("units", (1, 1, 1, 1)))}
    backbone = BACKBONES.create("vultusnet-s", dim=16, input_hw=(32, 32), **settings)
    return StageBuilder(recipe, open_dataset(recipe.data.root), backbone, World())


def test_epochs_are_turned_into_steps(tiny_values: dict[str, Any]) -> None:
    # 320 images in batches of at most 24 are 14 batches; two make a step.
    del tiny_values["steps"]
    made = builder(tiny_values, epochs=2.5, training={"accumulate": 2})
    assert made.total_steps(0) == round(2.5 * 14 / 2)
    assert builder(tiny_values, epochs=0.001).total_steps(0) == 1


@pytest.mark.parametrize(
    ("sampler", "rows"),
    [
        ({"name": "shuffled", "batch_size": 24}, 24),
        ({"name": "pk", "identities": 5, "images": 4}, 20),
        ({"name": "facenet", "identities": 3, "images": 6, "negatives": 7}, 25),
        ({"name": "balanced", "batch_size": 32}, 32),
    ],
)
def test_the_rate_grows_with_the_batch(
    tiny_values: dict[str, Any], sampler: dict[str, Any], rows: int
) -> None:
    stage = builder(
        tiny_values,
        sampler=sampler,
        optimizer={"lr": 0.1, "lr_batch": 10},
        training={"accumulate": 3},
    ).build(0)
    assert stage.optimizers.set_factor(1.0) == pytest.approx(0.1 * rows * 3 / 10)
    assert len(next(iter(stage.loader)).labels) <= rows


def test_a_batch_of_one_is_foreseen(tiny_values: dict[str, Any]) -> None:
    made = builder(tiny_values, sampler={"name": "shuffled", "batch_size": 1})
    before = {name: value.clone() for name, value in made.backbone.state_dict().items()}
    with pytest.raises(ConfigError, match=r"sampler: batches must have two images or more") as said:
        made.check()
    assert "sampler.batch_size=1 would give" in str(said.value)
    assert made.backbone.training
    for name, value in made.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
    # 320 images are two batches of 160, not 319 and 1.
    builder(tiny_values, sampler={"name": "shuffled", "batch_size": 319}).check()
    # What is frozen keeps its statistics, and needs no second image.
    builder(tiny_values, sampler={"name": "shuffled", "batch_size": 1}, frozen=["*"]).check()


def test_the_rate_of_triplets_counts_three_faces_each(tiny_values: dict[str, Any]) -> None:
    offline = {"name": "offline", "triplets": 5, "every": 4}
    made = builder(tiny_values, sampler=offline, optimizer={"lr": 0.1, "lr_batch": 10}).build(0)
    assert made.optimizers.set_factor(1.0) == pytest.approx(0.1 * 15 / 10)


def test_a_loss_goes_on_where_it_stays_the_same(tiny_values: dict[str, Any]) -> None:
    stages = [{}, {"optimizer": {"lr": 0.01}}, {"loss": {"margin_cos": 0.1}}]
    made = builder(tiny_values, stage=stages, margin_warmup={"steps": 100})
    first = made.build(0)
    second = made.build(1, before=first)
    assert second.objective is first.objective
    assert second.optimizers is not first.optimizers
    # The second stage must not start without the margin again, nor after a resume.
    assert second.objective.warmup is None
    assert made.build(1).objective.warmup is None
    third = made.build(2, before=second)
    assert third.objective is not first.objective
    assert third.objective.warmup is not None


def test_another_miner_is_another_loss(tiny_values: dict[str, Any]) -> None:
    loss = {"name": "triplet"}
    stages = [{"miner": {"name": "hard"}}, {"miner": {"name": "all"}}, {"miner": {"name": "all"}}]
    made = builder(tiny_values, loss=loss, stage=stages)
    first = made.build(0)
    second = made.build(1, before=first)
    assert second.objective is not first.objective
    assert made.build(2, before=second).objective is second.objective


def test_frozen_parameters_stand_still_and_are_freed_again(tiny_values: dict[str, Any]) -> None:
    made = builder(tiny_values, stage=[{"frozen": ["stages.*"]}, {}])
    stage = made.build(0)
    names = {id(p): name for name, p in made.backbone.named_parameters()}
    moving = {names[id(p)] for p in stage.optimizers.parameters() if id(p) in names}
    assert moving == {n for n in names.values() if not n.startswith("stages.")}
    everything = made.build(1, before=stage).optimizers.parameters()
    assert {names[id(p)] for p in everything if id(p) in names} == set(names.values())


def test_statistics_of_frozen_modules_stand_still_too() -> None:
    still, last = nn.BatchNorm1d(2, affine=False), nn.BatchNorm1d(2)
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 2), still), last)
    freeze(net, ("0.*",))
    net.eval()
    set_training_mode(net)
    assert [net[0].training, still.training, last.training] == [False, False, True]
    net(torch.randn(8, 2) + 5)
    assert still.get_buffer("running_mean").tolist() == [0, 0]
    assert last.get_buffer("running_mean").abs().sum() > 0


def test_mistakes_of_any_stage_are_found_before_the_first(tiny_values: dict[str, Any]) -> None:
    later: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"loss": {"name": "cosfaze"}}, RegistryError, "did you mean 'cosface'"),
        ({"loss": {"margin_kos": 1}}, ConfigError, "^loss: .*did you mean 'margin_cos'"),
        ({"loss": {"scale": "big"}}, ConfigError, "loss: scale must be a number, got 'big'"),
        ({"sampler": {"batchsize": 3}}, ConfigError, "did you mean 'batch_size'"),
        ({"sampler": {"name": "pk", "identities": 99, "images": 2}}, ConfigError, "at most the 40"),
        ({"frozen": ["stem.*"]}, ConfigError, r"'stem\.\*' matches no parameter"),
        ({"loss": {"name": "triplet"}, "head": {"kind": "fused"}}, ConfigError, "head.kind"),
    ]
    for stage, error, message in later:
        made = builder(tiny_values, stage=[{}, stage])
        torch.manual_seed(0)
        with pytest.raises(error, match=message):
            made.check()


def test_non_faces_are_the_class_behind_the_people(tiny_values: dict[str, Any]) -> None:
    data = {**tiny_values["data"], "non_faces": "p039"}
    made = builder(tiny_values, data=data, loss={"name": "euclidean"})
    made.check()
    objective = made.build(0).objective
    assert isinstance(objective, LossObjective)
    assert (objective.first.num_classes, objective.first.num_labels) == (39, 40)
    with pytest.raises(ConfigError, match="CosFace does not"):
        builder(tiny_values, data=data).check()


def test_checking_draws_no_random_numbers(tiny_values: dict[str, Any]) -> None:
    made = builder(tiny_values)
    torch.manual_seed(0)
    made.check()
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(1))

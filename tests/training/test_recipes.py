"""Every recipe that comes with Vultus: it builds, and its small twin trains."""

from pathlib import Path

import pytest
import torch

from vultus.data.synthetic import SyntheticFaces
from vultus.models.built_in import built_in_cards
from vultus.training.optimisation.optimizers import build_optimizers, parameter_groups
from vultus.training.optimisation.schedules import lr_factor
from vultus.training.process.distributed import World
from vultus.training.recipe.config import DataConfig
from vultus.training.recipe.recipe_file import load_recipe, recipe_names
from vultus.training.run.result import build_backbone
from vultus.training.stages import StageBuilder
from vultus.training.trainer import Trainer

RECIPES = {name: load_recipe(name) for name in recipe_names()}
# Learning from a teacher needs the teacher's run; those recipes are tested beside distillation.
TAUGHT = [
    name for name, recipe in RECIPES.items() if any(stage.distillation for stage in recipe.stages)
]
TINY = sorted({recipe.about.tiny for recipe in RECIPES.values()} - {"", *TAUGHT})
WHOLE = [
    name
    for name, recipe in RECIPES.items()
    if recipe.data.kind != "synthetic" and name not in TAUGHT
]
BUILDABLE = [name for name in RECIPES if name not in TAUGHT]
PEOPLE = SyntheticFaces(identities=100, images=6)


@pytest.mark.parametrize("name", BUILDABLE)
def test_it_builds_for_a_hundred_people(name: str) -> None:
    recipe = RECIPES[name]
    with torch.device("meta"):  # nothing is computed or held: some networks are large
        backbone = build_backbone(recipe)
    builder = StageBuilder(recipe, PEOPLE, backbone, World())
    builder.check()
    for number, stage in enumerate(recipe.stages):
        total = builder.total_steps(number)
        groups = parameter_groups(stage.optimizer, dict(backbone.named_parameters()), [], lr=0.1)
        build_optimizers(stage.optimizer, groups)
        factors = [lr_factor(stage.schedule, step, total_steps=total) for step in (0, total - 1)]
        # A schedule that never gets anywhere was meant for another number of steps.
        assert stage.schedule.name == "constant" or factors[0] != factors[1]
        assert all(point < total for point in stage.schedule.milestones)


@pytest.mark.parametrize("name", WHOLE)
def test_it_needs_data_of_the_user_and_names_a_small_twin(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.about.expected
    assert (recipe.data.root, recipe.data.kind) == (None, DataConfig().kind)
    twin = RECIPES[recipe.about.tiny]
    assert twin.data.kind == "synthetic"
    own, other = recipe.stages[-1], twin.stages[-1]
    assert own.loss is not None
    assert other.loss is not None
    assert other.loss.name == own.loss.name
    assert other.head.kind in (own.head.kind, "plain")
    assert (other.miner is None) == (own.miner is None)
    assert other.sampler.name == own.sampler.name
    assert len(twin.stages) == len(recipe.stages)


def test_the_recipe_of_the_built_in_model_is_what_its_card_says() -> None:
    assert TAUGHT == [
        "distil-tiny", "vultus-s1", "vultus-s2", "vultus-s2-named", "vultus-s3", "vultus-s3-named",
    ]  # fmt: skip
    recipe, card = RECIPES["vultus-s2"], built_in_cards()["vultus-s2"]
    assert RECIPES[recipe.about.tiny].stages[-1].distillation is not None
    assert recipe.backbone.settings["dim"] == card.embedding_dim
    assert (recipe.input.template, recipe.input.mean, recipe.input.std) == (
        card.template, card.mean, card.std,
    )  # fmt: skip
    with torch.device("meta"):
        backbone = build_backbone(recipe)
    assert backbone.input_hw == recipe.input.size_hw


def test_the_next_one_goes_on_from_the_built_in_model_with_a_unit_more() -> None:
    before, after = RECIPES["vultus-s2"], RECIPES["vultus-s3"]
    assert after.initial.weights == "vultus-s2"
    own = dict(before.backbone.settings)
    assert {**own, "units": [2, 4, 3]} == dict(after.backbone.settings)
    named = RECIPES["vultus-s3-named"]
    assert named.backbone.settings == after.backbone.settings
    for recipe in (after, named):
        taught = recipe.stages[-1].distillation
        assert taught is not None
        assert (taught.teacher, taught.centre) == ("mobilefacenet-y1@2+dlib-resnet@3", True)
        assert {"stretch", "noise", "posterise"} <= {table["name"] for table in recipe.augment}
    assert [stage.frozen for stage in named.stages] == [("*",), ()]


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_a_small_recipe_runs(name: str, tmp_path: Path) -> None:
    stages = len(RECIPES[name].stages)
    steps = ["steps=2"] if stages == 1 else [f"stage.{n}.steps=2" for n in range(stages)]
    few = ["data.identities=20", "data.images=5", "evaluation.sets.0.identities=8"]
    recipe = load_recipe(name, overrides=[f"run.output={tmp_path / name}", *few, *steps])
    result = Trainer(recipe).run()
    assert result.complete
    assert result.summary["evaluation"][0]["set"] == "unseen"
    assert result.summary["evaluation"][0]["spread"] > 1e-3

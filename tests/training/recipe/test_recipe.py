from typing import Any

import pytest

from vultus.core.errors import ConfigError
from vultus.training.recipe.recipe import Recipe


def recipe(tiny_values: dict[str, Any], **more: Any) -> Recipe:
    return Recipe.from_dict({**tiny_values, **more}, source="r.toml")


def test_a_recipe_without_stages_is_one_stage(tiny_values: dict[str, Any]) -> None:
    (stage,) = recipe(tiny_values).stages
    assert (stage.name, stage.steps) == ("main", 20)
    assert stage.loss is not None
    assert stage.loss.name == "cosface"
    assert stage.loss.settings == {"scale": 16.0, "margin_cos": 0.2}


def test_stages_are_laid_over_the_top_level_key_by_key(tiny_values: dict[str, Any]) -> None:
    stages = [
        {"optimizer": {"lr": 0.5}},
        {
            "name": "fine",
            "epochs": 2,
            "loss": {"name": "triplet", "margin_distance": 0.3},
            "without": ["margin_warmup"],
        },
    ]
    first, second = recipe(tiny_values, stage=stages, margin_warmup={"steps": 5}).stages
    assert (first.name, first.steps, first.epochs) == ("stage 1", 20, None)
    assert (first.optimizer.lr, first.optimizer.name) == (0.5, "sgd")
    assert first.margin_warmup is not None
    assert (second.name, second.steps, second.epochs) == ("fine", None, 2.0)
    # Another name starts the table afresh: cosface's scale is no setting of triplet.
    assert second.loss is not None
    assert second.loss.settings == {"margin_distance": 0.3}
    assert second.margin_warmup is None
    assert second.optimizer.lr == 0.05


def test_the_resolved_recipe_is_itself_a_recipe(tiny_values: dict[str, Any]) -> None:
    stages = [{"frozen": ["stages.*"]}, {"head": {"kind": "partial-fc", "sample_rate": 0.5}}]
    before = recipe(
        tiny_values, stage=stages, augment=[{"name": "flip"}], evaluation={"sets": ["a.bin"]}
    )
    assert Recipe.from_dict(before.to_dict(), source="") == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"optimiser": {}}, "no 'optimiser'; did you mean 'optimizer'"),
        ({"epochs": 3}, "r.toml: either epochs or steps must be given"),
        ({"stage": {}}, r"stage must be tables, written \[\[stage\]\]"),
        ({"stage": []}, r"stage must be tables"),
        ({"stage": [{"optimizer": {"nesterow": True}}]}, "'nesterow'; did you mean 'nesterov'"),
        ({"head": {"kind": "fused", "sample_rate": 0.1}}, "sample_rate and correct need"),
        ({"schedule": {"name": "step"}}, "milestones must be given"),
        ({"schedule": {"name": "step", "milestones": [1.5]}}, "milestones must be a number in"),
        ({"optimizer": {"name": "adamw", "nesterov": True}}, "nesterov needs"),
        ({"training": {"precision": "fp8"}}, "training.precision must be one of f32, bf16, fp16"),
    ],
)
def test_mistakes_are_named(tiny_values: dict[str, Any], more: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(tiny_values, **more)


def test_a_missing_loss_is_named(tiny_values: dict[str, Any]) -> None:
    del tiny_values["loss"]
    with pytest.raises(ConfigError, match=r"r\.toml: loss is missing"):
        recipe(tiny_values)

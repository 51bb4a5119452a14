from typing import Any

import pytest

from vultus.core.errors import ConfigError
from vultus.training.recipe.overlay import apply_overrides, laid_over

BASE: dict[str, Any] = {
    "steps": 10,
    "optimizer": {"name": "sgd", "lr": 0.1},
    "stage": [{"steps": 1}, {"steps": 2, "loss": {"name": "triplet"}}],
}


def test_overrides_reach_into_tables_and_lists() -> None:
    changed = apply_overrides(
        BASE,
        ["optimizer.lr=0.5", "data.root=x", "stage.1.loss.name=softmax", "stage.2.steps=3"],
    )
    assert changed["optimizer"] == {"name": "sgd", "lr": 0.5}
    assert changed["data"] == {"root": "x"}
    assert changed["stage"][1]["loss"] == {"name": "softmax"}
    assert changed["stage"][2] == {"steps": 3}
    assert BASE["stage"][1]["loss"] == {"name": "triplet"}


def test_steps_replace_epochs_and_the_other_way_round() -> None:
    assert apply_overrides({"epochs": 3}, ["steps=5"]) == {"steps": 5}
    assert apply_overrides({"stage": [{"steps": 3}]}, ["stage.0.epochs=5"])["stage"] == [
        {"epochs": 5}
    ]


def test_another_name_drops_the_settings_of_the_one_before() -> None:
    values = {
        "loss": {"name": "arcface", "margin_rad": 0.5},
        "second_loss": {"name": "center", "weight": 0.1, "factor": 0.5},
        "data": {"kind": "synthetic", "images": 20, "workers": 2, "min_images": 3},
        "optimizer": {"name": "sgd", "lr": 0.5},
    }
    changed = apply_overrides(
        values,
        [
            "loss.name=cosface",
            "loss.margin_cos=0.3",
            "second_loss.name=triplet",
            "data.root=/faces",
            "data.kind=folder",
            "optimizer.name=adamw",
        ],
    )
    assert changed["loss"] == {"name": "cosface", "margin_cos": 0.3}
    assert changed["second_loss"] == {"name": "triplet", "factor": 0.5}
    assert changed["data"] == {"kind": "folder", "root": "/faces", "workers": 2, "min_images": 3}
    assert changed["optimizer"] == {"name": "adamw", "lr": 0.5}
    same = apply_overrides(values, ["loss.name=arcface"])
    assert same["loss"] == values["loss"]


def test_none_takes_a_key_away() -> None:
    changed = apply_overrides(BASE, ["optimizer.lr=none", "stage.0=none"])
    assert changed["optimizer"] == {"name": "sgd"}
    assert len(changed["stage"]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.lr", "must be written key=value"),
        ("=3", "must be written key=value"),
        ("a..b=3", "names with points between"),
        ("steps.x=3", "leads to 'x' in 10"),
        ("stage.x.steps=3", "leads to 'x' in a list of 2"),
        ("stage.7.steps=3", "leads to '7' in a list of 2"),
    ],
)
def test_what_leads_nowhere_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apply_overrides(BASE, [text])


def test_tables_are_laid_over_key_by_key_unless_they_are_called_otherwise() -> None:
    base = {"loss": {"name": "cosface", "scale": 64.0}, "optimizer": {"name": "sgd", "lr": 0.1}}
    top = {"loss": {"name": "coco"}, "optimizer": {"lr": 0.5}}
    assert laid_over(base, top) == {
        "loss": {"name": "coco"},
        "optimizer": {"name": "sgd", "lr": 0.5},
    }
    assert base["optimizer"] == {"name": "sgd", "lr": 0.1}


def test_epochs_take_steps_away_and_lists_are_replaced_whole() -> None:
    assert laid_over({"steps": 5, "augment": [1, 2]}, {"epochs": 2, "augment": [3]}) == {
        "epochs": 2,
        "augment": [3],
    }


def test_what_is_named_in_without_is_left_out() -> None:
    assert laid_over({"a": {"x": 1}, "b": 2}, {"without": ["a"], "c": 3}) == {"b": 2, "c": 3}
    assert laid_over({"a": {"x": 1}}, {"without": ["a"], "a": {"y": 2}}) == {"a": {"y": 2}}


@pytest.mark.parametrize("without", ["loss", 3, {}])
def test_without_is_a_list(without: Any) -> None:
    with pytest.raises(ConfigError, match="without must be a list of names, got"):
        laid_over({"loss": {}}, {"without": without})

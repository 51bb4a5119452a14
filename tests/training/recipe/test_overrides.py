from typing import Any

import pytest

from vultus.core.errors import ConfigError
from vultus.training.recipe.overrides import apply_overrides, parse_override

BASE: dict[str, Any] = {
    "steps": 10,
    "optimizer": {"name": "sgd", "lr": 0.1},
    "stage": [{"steps": 1}, {"steps": 2, "loss": {"name": "triplet"}}],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1e-3", 0.001),
        ("a=true", True),
        ("a='x y'", "x y"),
        ("a=x y", "x y"),
        ("a=/data/faces=2", "/data/faces=2"),
        ("a=[1, 'b']", [1, "b"]),
        ("a={b = 1}", {"b": 1}),
        ("a=", ""),
        ("a=none", None),
        ("a=1\nb=2", "1\nb=2"),
    ],
)
def test_values_are_toml_or_else_text(text: str, value: Any) -> None:
    assert parse_override(text) == (["a"], value)


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
        ("a..b=3", "must be written key=value"),
        ("steps.x=3", "leads to 'x' in 10"),
        ("stage.x.steps=3", "leads to 'x' in a list of 2"),
        ("stage.7.steps=3", "leads to '7' in a list of 2"),
    ],
)
def test_what_leads_nowhere_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apply_overrides(BASE, [text])

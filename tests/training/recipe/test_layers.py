from vultus.training.recipe.overrides import laid_over


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

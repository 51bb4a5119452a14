from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import ConfigError
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.run.run_folder import RunFolder


def recipe(values: dict[str, Any], **more: Any) -> Recipe:
    return Recipe.from_dict({**values, **more}, source="r.toml")


def test_the_recipe_is_written_into_the_folder(tmp_path: Path, tiny_values: dict[str, Any]) -> None:
    folder = RunFolder(tmp_path / "a" / "b")
    folder.begin(recipe(tiny_values), resume=False)
    assert load_recipe(str(folder.config)) == recipe(tiny_values)


def test_it_is_for_its_owner_only(tmp_path: Path, tiny_values: dict[str, Any]) -> None:
    folder = RunFolder(tmp_path / "a" / "b")
    folder.begin(recipe(tiny_values), resume=False)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.config.stat().st_mode & 0o777 == 0o600


def begun(path: Path, values: dict[str, Any]) -> RunFolder:
    folder = RunFolder(path)
    folder.begin(recipe(values), resume=False)
    folder.checkpoints.mkdir()
    (folder.checkpoints / "step-00000001.safetensors").touch()
    return folder


def test_a_run_that_saved_nothing_is_begun_anew(
    tmp_path: Path, tiny_values: dict[str, Any]
) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(recipe(tiny_values), resume=True)
    folder.begin(recipe(tiny_values, steps=21), resume=False)
    assert load_recipe(str(folder.config)).stages[0].steps == 21


def test_a_second_run_needs_resume(tmp_path: Path, tiny_values: dict[str, Any]) -> None:
    folder = begun(tmp_path, tiny_values)
    with pytest.raises(ConfigError, match="holds a run already: add --resume"):
        folder.begin(recipe(tiny_values), resume=False)
    folder.begin(recipe(tiny_values), resume=True)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"steps": 21}, "stage.0.steps = 20, now it is 21"),
        ({"training": {"ema_decay": 0.9}}, "training.ema_decay = None, now it is 0.9"),
        ({"loss": {"name": "normface"}}, "stage.0.loss."),
        ({"augment": [{"name": "flip"}]}, "augment.0.name = None, now it is 'flip'"),
    ],
)
def test_another_recipe_is_refused_with_the_key(
    tmp_path: Path, tiny_values: dict[str, Any], more: dict[str, Any], key: str
) -> None:
    folder = begun(tmp_path, tiny_values)
    with pytest.raises(ConfigError, match=key):
        folder.begin(recipe(tiny_values, **more), resume=True)


def test_what_the_weights_do_not_depend_on_may_change(
    tmp_path: Path, tiny_values: dict[str, Any]
) -> None:
    taught = {"teacher": "somebody", "cache": "/here"}
    folder = begun(tmp_path, {**tiny_values, "distillation": taught})
    changed = {
        "distillation": {**taught, "cache": "/there", "batch_size": 9},
        "data": {**tiny_values["data"], "workers": 3},
        "checkpoint": {"keep": 9},
        "run": {**tiny_values["run"], "output": "moved", "log_every_steps": 1},
    }
    folder.begin(recipe(tiny_values, **changed), resume=True)
    other = {**changed, "distillation": {**taught, "teacher": "somebody else"}}
    with pytest.raises(ConfigError, match=r"stage\.0\.distillation\.teacher = 'somebody', now"):
        folder.begin(recipe(tiny_values, **other), resume=True)

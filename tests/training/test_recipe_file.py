import re
import tomllib
from pathlib import Path

import pytest

from vultus.core.errors import ConfigError
from vultus.training.recipe import Recipe
from vultus.training.recipe_file import load_recipe, recipe_names, recipe_toml


@pytest.mark.parametrize("name", recipe_names())
def test_every_packaged_recipe_can_be_read_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.about.title
    assert recipe.about.source
    assert recipe.run.output == f"runs/{name}"
    assert load_recipe(f"recipes/{name}.toml") == recipe


def test_the_recipes_of_the_guide_are_recipes() -> None:
    page = Path(__file__).parents[2] / "docs" / "guide" / "training.md"
    whole, stages = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    recipe = Recipe.from_dict(tomllib.loads(whole), source="guide")
    assert recipe.stages[0].loss is not None
    assert recipe.stages[0].loss.name == "cosface"
    recipe = Recipe.from_dict(tomllib.loads(whole + stages), source="guide")
    assert [stage.name for stage in recipe.stages] == ["softmax", "triplet"]
    assert [stage.epochs for stage in recipe.stages] == [20, 5]


def test_a_recipe_written_out_is_read_back(tiny_recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(recipe_toml(tiny_recipe), encoding="utf-8")
    assert load_recipe(str(path)) == tiny_recipe


def test_odd_values_survive_being_written(tiny_recipe: Recipe, tmp_path: Path) -> None:
    values = tiny_recipe.to_dict()
    values["about"] = {"title": 'a "quoted" back\\slash, ü and\nanother line'}
    values["augment"] = [{"name": "x", "list": [{"a": 1}], "mixed": [1, {"b": [2.0, 1e-30]}]}]
    odd = Recipe.from_dict(values, source="")
    assert Recipe.from_dict(tomllib.loads(recipe_toml(odd)), source="") == odd


def test_overrides_are_laid_over_the_file() -> None:
    recipe = load_recipe("arcface-tiny", overrides=["optimizer.lr=0.5", "run.output=elsewhere"])
    assert recipe.stages[0].optimizer.lr == 0.5
    assert recipe.run.output == "elsewhere"


def test_unknown_names_suggest_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recipe 'arcface-tini'; did you mean 'arcface-tiny'"):
        load_recipe("arcface-tini")
    with pytest.raises(ConfigError, match="no recipe"):
        load_recipe(str(tmp_path / "absent.toml"))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("steps = = 3")
    with pytest.raises(ConfigError, match=r"broken\.toml is no TOML"):
        load_recipe(str(path))

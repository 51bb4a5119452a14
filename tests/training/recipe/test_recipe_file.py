import re
import tomllib
from pathlib import Path

import pytest

from vultus.core.errors import ConfigError
from vultus.training.recipe.overlay import laid_over
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe, recipe_names, recipe_toml


@pytest.mark.parametrize("name", recipe_names())
def test_every_packaged_recipe_can_be_read_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.about.title
    assert recipe.about.source
    assert recipe.run.output == f"runs/{name}"
    assert load_recipe(f"recipes/{name}.toml") == recipe


def test_the_recipes_of_the_guide_are_recipes() -> None:
    page = Path(__file__).parents[3] / "docs" / "guide" / "training.md"
    blocks = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    whole, stages, teacher, live = blocks
    recipe = Recipe.from_dict(tomllib.loads(whole), source="guide")
    assert recipe.stages[0].loss is not None
    assert recipe.stages[0].loss.name == "cosface"
    taught = Recipe.from_dict(tomllib.loads(whole + teacher), source="guide").stages[0]
    assert taught.distillation is not None
    assert [term.kind for term in taught.distillation.terms] == ["cosine", "relational"]
    lively = Recipe.from_dict(laid_over(tomllib.loads(whole), tomllib.loads(live)), source="guide")
    assert lively.data.on_device
    assert lively.stages[0].distillation is not None
    assert lively.stages[0].distillation.live
    assert [step["name"] for step in lively.augment] == ["flip", "mixup", "low-resolution"]
    recipe = Recipe.from_dict(tomllib.loads(whole + stages), source="guide")
    assert [stage.name for stage in recipe.stages] == ["softmax", "triplet"]
    assert [stage.epochs for stage in recipe.stages] == [20, 5]


def test_the_recipe_for_own_photos_is_a_recipe() -> None:
    page = Path(__file__).parents[3] / "docs" / "guide" / "train_your_own.md"
    (text,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (stage,) = Recipe.from_dict(tomllib.loads(text), source="guide").stages
    assert stage.loss is not None
    assert stage.distillation is not None
    settings = tomllib.loads(text)
    del settings["loss"], settings["margin_warmup"]
    assert Recipe.from_dict(settings, source="guide").stages[0].loss is None


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
    with pytest.raises(ConfigError, match=r"broken\.toml must be TOML"):
        load_recipe(str(path))


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


WHOLE = """
epochs = 3
[backbone]
name = "iresnet18"
dim = 64
[sampler]
name = "shuffled"
batch_size = 8
[loss]
name = "cosface"
scale = 64.0
margin_cos = 0.35
[margin_warmup]
steps = 10
"""


def test_a_recipe_extends_others_the_last_one_on_top(tmp_path: Path) -> None:
    write(
        tmp_path,
        whole=WHOLE,
        small='steps = 5\n[backbone]\nname = "mobilefacenet"\n[loss]\nscale = 16.0',
        both='extends = ["whole.toml", "small.toml"]\n[loss]\nmargin_cos = 0.2',
        longer='extends = "both.toml"\nwithout = ["margin_warmup"]\nsteps = 9',
    )
    recipe = load_recipe(str(tmp_path / "longer.toml"))
    (stage,) = recipe.stages
    assert (stage.steps, stage.epochs, stage.margin_warmup) == (9, None, None)
    assert stage.loss is not None
    assert stage.loss.settings == {"scale": 16.0, "margin_cos": 0.2}
    assert (recipe.backbone.name, recipe.backbone.settings) == ("mobilefacenet", {})
    assert load_recipe(str(tmp_path / "both.toml")).stages[0].margin_warmup is not None
    overridden = load_recipe(str(tmp_path / "longer.toml"), overrides=["loss.scale=32.0"])
    loss = overridden.stages[0].loss
    assert loss is not None
    assert loss.settings["scale"] == 32.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "absent.toml"', r"top\.toml extends 'absent\.toml', but there is no file .*"),
        ('extends = "circle.toml"', r"in a circle: circle\.toml -> ring\.toml -> circle\.toml"),
        ('extends = "top.toml"', r"in a circle: top\.toml -> top\.toml"),
        ('extends = "arcface-r5"', r"no file .*recipes.arcface-r5\.toml; did you mean 'arcface-r"),
        ("extends = 3", r"top\.toml: extends must be a \.toml file beside it.*got 3"),
        ('extends = "whole.toml"\n[loss]\nscal = 3\n[opt]', "no 'opt'"),
        ('extends = "broken.toml"', r"broken\.toml must be TOML"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, text: str, message: str) -> None:
    write(
        tmp_path,
        whole=WHOLE,
        circle='extends = "ring.toml"',
        ring='extends = "circle.toml"',
        broken="= 3",
        top=text,
    )
    with pytest.raises(ConfigError, match=message):
        load_recipe(str(tmp_path / "top.toml"))


def test_a_file_extends_a_recipe_that_comes_with_vultus(tmp_path: Path) -> None:
    write(tmp_path, mine='extends = "arcface-r18"\nsteps = 7\n[loss]\nscale = 32.0')
    mine, other = load_recipe(str(tmp_path / "mine.toml")), load_recipe("arcface-r18")
    assert mine.backbone == other.backbone
    assert mine.stages[0].steps == 7
    assert mine.stages[0].loss is not None
    assert mine.stages[0].loss.settings == {"margin_rad": 0.5, "scale": 32.0}

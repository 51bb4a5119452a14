"""Recipes: read, laid over, written back, refused."""

from pathlib import Path

import pytest

from vultus.core.errors import ConfigError
from vultus.training.liveness.recipe import liveness_recipe_names, load_liveness_recipe


@pytest.mark.parametrize("name", liveness_recipe_names())
def test_what_comes_along_can_be_read_and_written_back(name: str, tmp_path: Path) -> None:
    recipe = load_liveness_recipe(name, overrides=["data.root=/door", "fit.epochs=3"])
    assert (recipe.data.root, recipe.fit.epochs) == ("/door", 3)
    assert recipe.run.output == f"runs/{name}"
    (tmp_path / "config.toml").write_text(recipe.to_toml())
    assert load_liveness_recipe(str(tmp_path / "config.toml")) == recipe


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("crop.size=40", "did you mean 'size_px'"),
        ("crop.context=0.5", "context must be"),
        ("data.held_out=0.7", "held_out must be"),
        ("imitation.families=['print-inkjt']", "did you mean 'print-inkjet'"),
        ("imitation.families=[]", "share = 0 imitates none"),
        ("augment.0.name=flap", "flap"),
        ("apcer=1", "apcer must be"),
        ("run.device=tpu", "must be one of auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_is_refused(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_liveness_recipe("pad-tiny", overrides=[override])


def test_a_recipe_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="did you mean 'pad-tiny'"):
        load_liveness_recipe("pad-tinny")

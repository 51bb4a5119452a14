"""Renew the table of recipes in docs/guide/recipes.md.

Run it from the repository root: ``python scripts/recipe_table.py``.
"""

from pathlib import Path

from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe, recipe_names

PAGE = Path(__file__).resolve().parent.parent / "docs" / "guide" / "recipes.md"
START, END = "<!-- table: scripts/recipe_table.py -->\n", "<!-- end of the table -->\n"


def page() -> str:
    """The guide with the table as it should be."""
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{recipe_table()}\n{END}{after}"


def recipe_table() -> str:
    """A Markdown table: system, recipe, network, loss, length, source, expected figure, small twin.

    Small twins stand beside the recipe that they are the twin of, and have no row of their own.
    """
    recipes = {name: load_recipe(name) for name in recipe_names()}
    twins = {recipe.about.tiny for recipe in recipes.values()}
    lines = [
        "| system | recipe | network | loss | length | from | expected | in small |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, recipe in recipes.items():
        if name in twins:
            continue
        about = recipe.about
        tiny = f"`{about.tiny}`" if about.tiny else ""
        cells = [about.title, f"`{name}`", f"`{recipe.backbone.name}`", _losses(recipe)]
        cells += [_length(recipe), about.source, about.expected, tiny]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _losses(recipe: Recipe) -> str:
    """Of all stages, each with its miner."""
    names = []
    for stage in recipe.stages:
        name = "the teacher's embeddings" if stage.loss is None else f"`{stage.loss.name}`"
        if stage.second_loss is not None:
            name += f" + `{stage.second_loss.name}`"
        if stage.miner is not None:
            name += f", mined `{stage.miner.name}`"
        names.append(name)
    return "; ".join(names)


def _length(recipe: Recipe) -> str:
    """Of all stages."""
    lengths = [
        f"{stage.steps:,} steps" if stage.steps is not None else f"{stage.epochs:g} epochs"
        for stage in recipe.stages
    ]
    return " + ".join(lengths)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

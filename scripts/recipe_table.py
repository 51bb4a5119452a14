"""Renew the table of recipes in docs/guide/recipes.md.

Run it from the repository root: ``python scripts/recipe_table.py``.
"""

from pathlib import Path

from vultus.training.recipe.recipe_catalog import recipe_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "guide" / "recipes.md"
START, END = "<!-- table: scripts/recipe_table.py -->\n", "<!-- end of the table -->\n"


def page() -> str:
    """The guide with the table as it should be."""
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{recipe_table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

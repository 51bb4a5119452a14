"""The documentation says what the code does: command line, guides, README."""

import re
import runpy
from pathlib import Path

from scripts import recipe_table
from vultus.cli.main import commands
from vultus.losses.base import LOSSES
from vultus.models.store import ModelStore
from vultus.training.recipe.recipe_file import recipe_names

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "guide").glob("*.md")]


def test_the_command_line_reference_is_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page == script["reference"](), "run: python scripts/cli_reference.py"


def test_the_table_of_recipes_is_current_and_complete() -> None:
    page = (ROOT / "docs" / "guide" / "recipes.md").read_text(encoding="utf-8")
    assert page == recipe_table.page(), "run: python scripts/recipe_table.py"
    assert [name for name in recipe_names() if f"`{name}`" not in page] == []


def test_every_command_is_named_in_a_guide_or_the_readme() -> None:
    prose = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert [name for name in commands.commands if f"vultus {name}" not in prose] == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*PAGES, *(ROOT / "benchmarks").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_registered_loss_is_documented() -> None:
    page = (ROOT / "docs" / "guide" / "losses.md").read_text(encoding="utf-8")
    reference = "".join(p.read_text("utf-8") for p in (ROOT / "docs" / "reference").glob("*.md"))
    assert [name for name in LOSSES if name not in page + reference] == []


def test_every_model_card_can_be_shown() -> None:
    store = ModelStore()
    assert all(store.card(name).description for name in store.names())

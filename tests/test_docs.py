"""The documentation says what the code does: command line, guides, README."""

import importlib
import re
import runpy
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from scripts import recipe_table
from vultus.cli.main import commands
from vultus.losses.base import LOSSES
from vultus.models.store import ModelStore
from vultus.training.recipe.recipe_file import recipe_names

ROOT = Path(__file__).resolve().parent.parent
_ENTRY_POINTS = ("vultus.augmentations", "vultus.detectors")
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


def test_every_command_has_a_python_twin_that_can_be_imported() -> None:
    page = (ROOT / "docs" / "guide" / "python_twins.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(vultus[^`]*)` \| (.*) \|$", page, re.MULTILINE))
    assert sorted(rows) == sorted(_leaves(commands, "vultus"))
    for command, twins in rows.items():
        names = re.findall(r"`(vultus\.[\w.]+)`", twins)
        assert names, command
        assert [n for n in names if not _leads_somewhere(*n.rpartition(".")[::2])] == []


def _leaves(command: Any, path: str) -> list[str]:
    below = getattr(command, "commands", None)
    if below is None:
        return [path]
    own = [path] if hasattr(command, "own") else []
    return own + [leaf for name in below for leaf in _leaves(below[name], f"{path} {name}")]


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*PAGES, *(ROOT / "benchmarks").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_what_examples_import_is_there() -> None:
    imports = re.compile(r"^ *(?:>>> )?from (vultus[\w.]*) import \(?([\w\s,]+?)\)?$", re.MULTILINE)
    found = [
        (module, name.split(" as ")[0].strip())
        for page in [*PAGES, *(ROOT / "docs" / "reference").glob("*.md")]
        for module, names in imports.findall(page.read_text("utf-8"))
        for name in names.split(",")
        if name.strip()
    ]
    assert len(found) > 50
    assert [
        f"{module}.{name}" for module, name in found if not _leads_somewhere(module, name)
    ] == []


@pytest.mark.parametrize("folder", ["docs", "src", "benchmarks"])
def test_names_of_modules_lead_somewhere(folder: str) -> None:
    """Not in the changelog: it tells what modules were called."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"] if folder == "docs" else []
    pages += [p for p in (ROOT / folder).rglob("*") if p.suffix in (".md", ".py")]
    wrong = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages
        if "_build" not in page.parts and "api" not in page.parts
        for name in set(re.findall(r"\bvultus(?:\.[A-Za-z_]\w*)+", page.read_text("utf-8")))
        if name not in _ENTRY_POINTS and not _leads_somewhere(*name.rpartition(".")[::2])
    ]
    assert wrong == []


def test_the_picture_of_folders_is_the_layers_and_the_folders() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    picture = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert picture is not None
    drawn = [
        {line.split("/")[0] for line in group.splitlines()} for group in picture[1].split("\n\n")
    ]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    package = ROOT / "src" / "vultus"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    layers = [
        {name.strip(" ()").removeprefix("vultus.") for name in layer.split("|")} & folders
        for layer in contracts["contracts"][0]["layers"]
    ]
    assert drawn == [layer for layer in layers if layer]
    assert set.union(*drawn) == folders


def test_what_the_guide_for_contributors_names_is_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    page = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    words = re.findall(r"`([^`\n]+)`", page)
    package = ROOT / "src" / "vultus"
    paths = [word for word in words if re.fullmatch(r"[\w.]+(/[\w.<>]+)*/?", word) and "/" in word]
    folders = "|".join(path.parent.name for path in package.glob("*/__init__.py"))
    names = [word for word in words if re.fullmatch(rf"(?:{folders})(?:\.\w+)+", word)]
    assert len(paths) > 40
    assert len(names) > 40
    # A name in <> is up to who adds the file; its folder must be there.
    real = [path.rpartition("/")[0] if "<" in path else path for path in paths]
    assert [p for p in real if not (ROOT / p).exists() and not (package / p).exists()] == []
    assert [n for n in names if not _leads_somewhere(*f"vultus.{n}".rpartition(".")[::2])] == []


def _leads_somewhere(owner: str, name: str) -> bool:
    """Whether ``owner.name`` is a module, or something that can be reached from one."""
    parts = [*owner.split("."), name]
    while not _is_module(parts):
        parts.pop()
    thing: object = importlib.import_module(".".join(parts))
    for part in [*owner.split("."), name][len(parts) :]:
        if not hasattr(thing, part):
            return part in getattr(thing, "__annotations__", {})  # an attribute of instances
        thing = getattr(thing, part)
    return True


def _is_module(parts: list[str]) -> bool:
    try:
        return find_spec(".".join(parts)) is not None
    except ModuleNotFoundError:  # one on the way is no package
        return False


def test_every_registered_loss_is_documented() -> None:
    page = (ROOT / "docs" / "guide" / "losses.md").read_text(encoding="utf-8")
    reference = "".join(p.read_text("utf-8") for p in (ROOT / "docs" / "reference").glob("*.md"))
    assert [name for name in LOSSES if name not in page + reference] == []


def test_every_model_card_can_be_shown() -> None:
    store = ModelStore()
    assert all(store.card(name).description for name in store.names())


@pytest.mark.parametrize("folder", ["docs", "src", "README.md", "CONTRIBUTING.md"])
def test_nobody_is_told_to_install_by_a_name_that_no_index_has(folder: str) -> None:
    root = ROOT / folder
    files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    told = re.compile(r"""pip install (?:-\S+ )*['"]?vultus(\[|['"\s]|$)""", re.MULTILINE)
    wrong = [
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix in (".py", ".md", ".toml", ".j2") and told.search(path.read_text("utf-8"))
    ]
    assert wrong == []

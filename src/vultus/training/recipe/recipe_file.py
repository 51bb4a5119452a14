"""Recipes as files: found by name or path, read, written back."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import tomli_w

from vultus.core.errors import ConfigError
from vultus.core.plain_values import parse_toml, read_text
from vultus.core.text import did_you_mean
from vultus.training.recipe.overlay import apply_overrides, laid_over
from vultus.training.recipe.recipe import Recipe


def recipe_names() -> list[str]:
    """The recipes that come with Vultus; a file ``_name.toml`` is only there to be extended."""
    names = [entry.name for entry in _packaged().iterdir()]
    return sorted(
        Path(name).stem for name in names if name.endswith(".toml") and not name.startswith("_")
    )


def load_recipe(name_or_path: str, *, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: A name of `recipe_names`, or a file (``config.toml`` of a run folder is one).
        overrides: ``key=value`` each, laid over it; see `vultus.training.recipe.overlay`.

    Raises:
        ConfigError: If there is no such recipe, it or one that it extends is no TOML or not there,
            recipes extend each other in a circle, or a setting is wrong.
    """
    path = Path(name_or_path)
    names = recipe_names()
    if path.suffix == ".toml" and path.is_file():
        values = _read(path)
    elif path.stem in names and path.parent in (Path(), Path("recipes")):
        with as_file(_packaged()) as folder:
            values = _read(folder / f"{path.stem}.toml")
    else:
        raise ConfigError(
            f"no recipe {name_or_path!r}{did_you_mean(path.stem, names)} "
            f"(there are: {', '.join(names)}; or the path of a .toml file)"
        )
    run = values.setdefault("run", {})
    if isinstance(run, dict):
        run.setdefault("output", f"runs/{path.stem}")
    source = path.name if path.suffix else f"{path.name}.toml"
    return Recipe.from_dict(apply_overrides(values, overrides), source=source)


def recipe_toml(recipe: Recipe) -> str:
    """The recipe as TOML, every default written out; `load_recipe` reads it back."""
    return tomli_w.dumps(recipe.to_dict())


def _packaged() -> Any:
    return files("vultus") / "recipes"


def _read(path: Path, *, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file's tables laid over those of the recipes that it extends, the first one lowest.

    Args:
        path: The file.
        above: The files that led here.
    """
    if path in above:
        circle = " -> ".join(file.name for file in (*above[above.index(path) :], path))
        raise ConfigError(f"recipes extend each other in a circle: {circle}")
    values = parse_toml(read_text(path), source=str(path))
    lower: dict[str, Any] = {}
    for name in _extended(values.pop("extends", []), path):
        with as_file(_packaged()) as packaged:
            base = path.parent / name if name.endswith(".toml") else packaged / f"{name}.toml"
            if not base.is_file():
                hint = "" if name.endswith(".toml") else did_you_mean(name, recipe_names())
                raise ConfigError(f"{path} extends {name!r}, but there is no file {base}{hint}")
            lower = laid_over(lower, _read(base, above=(*above, path)))
    return laid_over(lower, values)


def _extended(names: Any, path: Path) -> list[str]:
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{path}: extends must be a .toml file beside it, a name of vultus train --list, or a "
            f"list of them, got {names!r}"
        )
    return names

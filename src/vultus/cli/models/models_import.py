"""`vultus models import`: put a model file of one's own into the store."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from vultus.cli.output import JsonOption, out, print_json
from vultus.core.choices import Colour, Flip
from vultus.core.errors import ConfigError
from vultus.models.store import ModelStore

_REQUIRED = ("name", "template", "colour", "mean", "std", "licence")


def import_model(
    file: Annotated[Path, typer.Argument(help="An ONNX file.", metavar="FILE")],
    name: Annotated[str | None, typer.Option("--name", help="Its name in the store.")] = None,
    template: Annotated[
        str | None, typer.Option("--template", help="Alignment template, e.g. arcface-112.")
    ] = None,
    colour: Annotated[Colour | None, typer.Option("--colour", help="Input channel order.")] = None,
    mean: Annotated[
        float | None, typer.Option("--mean", help="Input is (pixel - mean) / std, pixel 0..255.")
    ] = None,
    std: Annotated[float | None, typer.Option("--std", help="See --mean.")] = None,
    flip: Annotated[
        Flip | None, typer.Option("--flip", help="Use of the mirrored view.", show_default="none")
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Terms of the weights.")] = None,
    commercial: Annotated[
        bool,
        typer.Option("--commercial/--non-commercial", help="Whether the terms allow it."),
    ] = False,
    card: Annotated[
        Path | None,
        typer.Option("--card", help="A card as TOML; options given here win over it."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Import an ONNX embedder of your own, or a file of a known model without any option."""
    options = {
        "name": name,
        "template": template,
        "colour": colour,
        "mean": mean,
        "std": std,
        "flip": flip,
        "licence": _licence(licence, commercial=commercial),
    }
    given = {key: value for key, value in options.items() if value is not None}
    values = _card_values(given, card) if given or card is not None else None
    imported = ModelStore().import_model(file, values)
    if json:
        print_json(imported.to_dict())
    else:
        out.print(f"{imported.name}: imported, {imported.layout}", markup=False, soft_wrap=True)


def _licence(name: str | None, *, commercial: bool) -> dict[str, Any] | None:
    if name is None:
        return None
    return {"name": name, "commercial_use": commercial, "source": "stated at import"}


def _card_values(given: dict[str, Any], card: Path | None) -> dict[str, Any]:
    base: dict[str, Any] = {
        "task": "embedding",
        "description": f"Imported embedder {given.get('name', '')}".strip(),
        "flip": "none",
    }
    if card is not None:
        try:
            base |= tomllib.loads(card.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"--card must be a TOML file: {error}") from error
    values = base | given
    missing = [key for key in _REQUIRED if key not in values]
    if missing and values["task"] == "embedding":
        options = ", ".join(f"--{key}" for key in missing)
        raise ConfigError(f"an import must say {options}; only its maker can know them")
    return values

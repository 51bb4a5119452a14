"""`vultus models import`: put a model file of one's own into the store."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vultus.cli.output import JsonOption, print_json, say
from vultus.core.choices import Colour, Flip
from vultus.core.errors import ConfigError
from vultus.core.plain_values import parse_toml, read_text

_REQUIRED = ("name", "template", "colour", "mean", "std", "licence")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardOptions:
    """What a card says that is not in a file."""

    name: Annotated[str | None, typer.Option(help="Its name in the store.")] = None
    template: Annotated[str | None, typer.Option(help="Alignment template, e.g. arcface-112.")] = (
        None
    )
    colour: Annotated[Colour | None, typer.Option(help="Input channel order.")] = None
    mean: Annotated[
        float | None, typer.Option(help="Input is (pixel - mean) / std, pixel 0..255.")
    ] = None
    std: Annotated[float | None, typer.Option(help="See --mean.")] = None
    flip: Annotated[
        Flip | None, typer.Option(help="Use of the mirrored view.", show_default="none")
    ] = None
    licence: Annotated[str | None, typer.Option(help="Terms of the weights.")] = None
    commercial: Annotated[
        bool,
        typer.Option("--commercial/--non-commercial", help="Whether the terms allow it."),
    ] = False

    def given(self) -> dict[str, Any]:
        """The fields of a card that were given."""
        values = asdict(self)
        commercial = values.pop("commercial")
        if self.licence is not None:
            values["licence"] = {
                "name": self.licence,
                "commercial_use": commercial,
                "source": "stated at import",
            }
        return {key: value for key, value in values.items() if value is not None}


def import_model(
    file: Annotated[Path, typer.Argument(help="An ONNX file.", metavar="FILE")],
    options: CardOptions,
    card: Annotated[
        Path | None,
        typer.Option(help="A card as TOML; options given here win over it."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Import an ONNX embedder of your own, or a file of a known model without any option."""
    from vultus.models.store import ModelStore

    given = options.given()
    values = _card_values(given, card) if given or card is not None else None
    imported = ModelStore().import_model(file, values)
    if json:
        print_json(imported.to_dict())
    else:
        say(f"{imported.name}: imported, {imported.layout}")


def _card_values(given: dict[str, Any], card: Path | None) -> dict[str, Any]:
    base: dict[str, Any] = {
        "task": "embedding",
        "description": f"Imported embedder {given.get('name', '')}".strip(),
        "flip": "none",
    }
    if card is not None:
        base |= parse_toml(read_text(card), source=f"--card {card}")
    values = base | given
    missing = [key for key in _REQUIRED if key not in values]
    if missing and values["task"] == "embedding":
        options = ", ".join(f"--{key}" for key in missing)
        raise ConfigError(f"an import must say {options}; only its maker can know them")
    return values

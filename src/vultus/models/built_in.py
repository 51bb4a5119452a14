"""The cards, and the model files, that come with Vultus."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from vultus.core.errors import ConfigError
from vultus.models.cards import ModelCard


@cache
def built_in_cards() -> Mapping[str, ModelCard]:
    """The built-in cards by name, in alphabetical order; read once.

    Raises:
        ConfigError: If a card's file is not named after its card.
    """
    cards: dict[str, ModelCard] = {}
    folder = files("vultus.models").joinpath("cards")
    for file in folder.iterdir():
        if not file.name.endswith(".toml"):
            continue
        card = ModelCard.from_package(file.read_text(encoding="utf-8"))
        if file.name != f"{card.name}.toml":
            raise ConfigError(f"card file {file.name} must be named {card.name}.toml")
        cards[card.name] = card
    return MappingProxyType(dict(sorted(cards.items())))


@cache
def built_in_rates(name: str) -> str | None:
    """The text of the search rates that come with a model, as `vultus.matching.model_rates` reads.

    None where nobody has measured them.
    """
    file = files("vultus.models").joinpath("rates", f"{name}.json")
    return file.read_text(encoding="utf-8") if file.is_file() else None


def built_in_files() -> Path:
    """The folder of the model files that come with Vultus; the first mirror of every store."""
    return Path(str(files("vultus.models").joinpath("files")))

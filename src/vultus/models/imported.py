"""Models that a site brings itself: their cards are made from the file and a few words."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vultus.core.errors import ConfigError, ModelError
from vultus.core.files import write_text
from vultus.models.built_in import built_in_cards
from vultus.models.cards import ModelCard
from vultus.models.digest import sha256_file
from vultus.models.graph import check_graph, embedder_shapes

_log = logging.getLogger(__name__)

CARD_FILE = "card.toml"


def card_for_file(path: Path, values: Mapping[str, Any]) -> ModelCard:
    """Make the card of a model file.

    Args:
        path: An ONNX file.
        values: Fields of `ModelCard` as plain values. ``file_name``, ``sha256``, ``size_bytes``
            and, for embedders, ``embedding_dim`` and ``layout`` come from the file; where they are
            given too, they must agree with it (``layout`` may differ).

    Raises:
        ModelError: If the file cannot be the model that the fields describe.
        ConfigError: If a field is unknown, missing or wrong.
    """
    found: dict[str, Any] = {
        "file_name": path.name,
        "sha256": sha256_file(path),
        "size_bytes": path.stat().st_size,
    }
    layout = ""
    if values.get("task") == "embedding":
        shapes = embedder_shapes(path)
        layout = shapes.layout
        if shapes.embedding_dim is not None:
            found["embedding_dim"] = shapes.embedding_dim
    else:
        check_graph(path)
    for key in ("sha256", "size_bytes", "embedding_dim"):
        if key in values and values[key] != found.get(key, values[key]):
            raise ModelError(f"{path.name}: {key} must be {values[key]!r}, is {found[key]!r}")
    return ModelCard.from_dict({"layout": layout, **values, **found})


def known_card(path: Path, cards: Iterable[ModelCard]) -> ModelCard:
    """The card, among ``cards``, of a file: the one with its SHA-256.

    Raises:
        ModelError: If there is none.
    """
    digest = sha256_file(path)
    for card in cards:
        if card.sha256 == digest:
            return card
    raise ModelError(
        f"{path.name} (SHA-256 {digest}) is on no known card; give it a name and say how faces "
        "must look for it"
    )


def warn_of_known_terms(card: ModelCard) -> None:
    """Log a warning if a card allows commercial use of a file whose public licence does not.

    No error, because a site may have bought other terms.
    """
    for known in built_in_cards().values():
        if known.sha256 == card.sha256 and not known.licence.commercial_use:
            if card.licence.commercial_use:
                _log.warning(
                    "%s is the file of %s, whose public licence (%s) does not allow commercial "
                    "use; the imported card says otherwise",
                    *(card.name, known.name, known.licence.name),
                )
            return


def imported_card(root: Path, name: str) -> ModelCard | None:
    """The card of an imported model; None if none of that name was imported.

    Raises:
        ConfigError: If the card in the store is broken.
    """
    path = root / name / CARD_FILE
    if not path.is_file():
        return None
    card = ModelCard.from_file(path)
    if card.name != name:
        raise ConfigError(f"{path} must be the card of {name!r}, is that of {card.name!r}")
    return card


def imported_cards(root: Path) -> Iterator[ModelCard]:
    """All imported models' cards; a broken one is passed over with a warning in the log."""
    for path in sorted(root.glob(f"*/{CARD_FILE}")):
        try:
            card = imported_card(root, path.parent.name)
        except ConfigError as error:
            _log.warning("a model is passed over: %s", error)
        else:
            if card is not None:
                yield card


def write_card(root: Path, card: ModelCard) -> None:
    """Write the card of an imported model into the store."""
    write_text(root / card.name / CARD_FILE, card.to_toml())

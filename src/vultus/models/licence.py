"""Licences: non-commercial models are downloaded only by who has accepted their terms once."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from vultus.core.errors import LicenceError, ModelError
from vultus.core.files import write_text
from vultus.core.text import json_text
from vultus.models.cards import ModelCard

ENVIRONMENT_VARIABLE = "VULTUS_ACCEPT_LICENCES"
"""Names of models, separated by commas, whose licences count as accepted."""


def check_accepted(root: Path, card: ModelCard) -> None:
    """Refuse a download whose terms nobody here has accepted.

    Raises:
        LicenceError: If the licence forbids commercial use and was not accepted; the message says
            what it is and how to accept it.
    """
    if is_accepted(root, card):
        return
    raise LicenceError(
        f"the licence of model {card.name!r} must be accepted before it is downloaded: "
        f"{card.licence.name} ({card.licence.source}). Run `vultus models pull {card.name} "
        f"--accept-licence`, or set {ENVIRONMENT_VARIABLE}={card.name}"
    )


def is_accepted(root: Path, card: ModelCard) -> bool:
    """Whether the card's licence needs no acceptance, or has it, by record or environment."""
    if card.licence.commercial_use:
        return True
    named = os.environ.get(ENVIRONMENT_VARIABLE, "").split(",")
    if card.name in (name.strip() for name in named):
        return True
    record = _records(root).get(card.name)
    return isinstance(record, Mapping) and record.get("licence") == card.licence.name


def accept_licence(root: Path, card: ModelCard) -> None:
    """Record, with today's date, that the card's licence was accepted.

    The record names the terms: if a later card states others, they must be accepted anew.

    Raises:
        ModelError: If the record cannot be read.
    """
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / "licences.lock"):
        records = dict(_records(root))
        records[card.name] = {
            "licence": card.licence.name,
            "source": card.licence.source,
            "accepted": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_text(root / "licences.json", json_text(records, indent=2))


def _records(root: Path) -> Mapping[str, object]:
    path = root / "licences.json"
    if not path.exists():
        return {}
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} must be readable JSON: {error}; mend or delete it") from error
    if not isinstance(records, dict):
        raise ModelError(f"{path} must be a JSON object, got {type(records).__name__}; delete it")
    return records

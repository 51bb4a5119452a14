"""The trust head of an embedder that is named by its name, its file or its card."""

import dataclasses
import logging
from pathlib import Path

from vultus.core.errors import ModelError, ModelNotFoundError
from vultus.embedding.source import find_model
from vultus.models.cards import ModelCard
from vultus.models.digest import find_file
from vultus.models.names import is_committee
from vultus.models.store import ModelStore
from vultus.quality.trust import TrustHead, load_trust_head

logger = logging.getLogger(__name__)


def find_trust_file(card: ModelCard, *, store: ModelStore) -> Path | None:
    """The file of a model's trust head: this site's own, else the card's; None without one.

    Raises:
        ModelNotFoundError: If the card has one, and no file with its bytes is here: to judge faces
            without it would be to trust what the card's rates do not hold for.
    """
    own = store.trust_path(card.name)
    if own.is_file() or card.trust is None:
        return own if own.is_file() else None
    found = find_file(store.mirrors, card.trust.sha256, name=card.trust.file_name)
    if found is None:
        raise ModelNotFoundError(
            f"{card.trust.file_name} (SHA-256 {card.trust.sha256}), the trust head of model "
            f"{card.name!r}, must be on this machine; put it into a folder of "
            "VULTUS_MODELS_MIRROR, or make one with vultus train-trust"
        )
    return found


def find_trust_head(
    model: str | Path | ModelCard, *, store: ModelStore | None = None
) -> TrustHead | None:
    """The trust head of a model: this site's own, else the one on its card; None without one.

    Args:
        model: As `vultus.embedding.embedder.open_embedder`.
        store: Where to look; None takes the default store.

    Returns:
        The head; its ``min_trust`` is the card's where the file is the card's.

    Raises:
        ModelNotFoundError: If the model or the head of its card is not on this machine.
        ModelError: If the file is no head, or belongs to another model.
    """
    store = ModelStore() if store is None else store
    if isinstance(model, str) and is_committee(model) and not model.endswith(".onnx"):
        return None
    _, card = find_model(model, store=store)
    path = find_trust_file(card, store=store)
    if path is None:
        return None
    head = load_trust_head(path)
    if head.model_sha256 != card.sha256:
        raise ModelError(
            f"{path} must be a trust head of model {card.name!r} ({card.sha256[:12]}), belongs to "
            f"{head.model_sha256[:12]}; make one with vultus train-trust {card.name}, or delete it"
        )
    if path != store.trust_path(card.name) and card.trust is not None:
        head = dataclasses.replace(head, min_trust=card.trust.min_trust)
    logger.info("faces for %s are trusted by %s", card.name, path.name)
    return head

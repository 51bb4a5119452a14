"""The trust head of an embedder that is named by its name, its file or its card."""

import dataclasses
import logging
from pathlib import Path

from vultus.core.errors import ModelError, ModelNotFoundError
from vultus.embedding.source import find_model
from vultus.models.cards import ModelCard
from vultus.models.committee import parse_committee
from vultus.models.digest import find_file
from vultus.models.names import is_committee
from vultus.models.store import ModelStore
from vultus.quality.committee_trust import CommitteeHead
from vultus.quality.trust import TrustHead, load_trust_head
from vultus.quality.trust_limit import load_trust_limit

logger = logging.getLogger(__name__)


_LIMIT = "trust_limit.json"


def trust_limit_path(model: str, *, store: ModelStore | None = None) -> Path:
    """Where this site's limit of trust is kept, of a model or committee; it may not exist.

    Args:
        model: Its name.
        store: The store; None takes the default one.
    """
    return (ModelStore() if store is None else store).calibration_path(model).with_name(_LIMIT)


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
) -> TrustHead | CommitteeHead | None:
    """The trust head of a model: this site's own, else the one on its card; None without one.

    Its limit is the one that this site measured (``vultus calibrate-trust``), if it did.

    Args:
        model: As `vultus.embedding.embedder.open_embedder`.
        store: Where to look; None takes the default store.

    Returns:
        The head, with the limit that counts.

    Raises:
        ModelNotFoundError: If the model or the head of its card is not on this machine.
        ModelError: If the file is no head, or belongs to another model.
        ConfigError: If this site's limit cannot be read, or was measured on another head.
    """
    store = ModelStore() if store is None else store
    if isinstance(model, str) and is_committee(model) and not model.endswith(".onnx"):
        card = store.card(model)
    else:
        _, card = find_model(model, store=store)
    return _limited_head(card, store)


def _limited_head(card: ModelCard, store: ModelStore) -> TrustHead | CommitteeHead | None:
    """A head with this site's limit, if there is one."""
    head = usual_trust_head(card, store=store)
    path = trust_limit_path(card.name, store=store)
    if head is None or not path.is_file():
        return head
    limit = load_trust_limit(path)
    limit.check_head(head.digest, source=str(path))
    logger.info("this site's limit of trust for %s is %.3f", card.name, limit.min_trust)
    return dataclasses.replace(head, min_trust=limit.min_trust)


def usual_trust_head(card: ModelCard, *, store: ModelStore) -> TrustHead | CommitteeHead | None:
    """The head as it came, without a limit of this site; None without one.

    A committee has one if a member has: the heads of those members, each with the limit that
    counts for the member alone. The limit is the card's where the file is the card's.

    Raises:
        ModelNotFoundError, ModelError: As `find_trust_head`.
    """
    if is_committee(card.name):
        members = [store.card(member.name) for member in parse_committee(card.name)]
        found = {member.name: _limited_head(member, store) for member in members}
        heads = {name: head for name, head in found.items() if isinstance(head, TrustHead)}
        return CommitteeHead(heads, card.sha256) if heads else None
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

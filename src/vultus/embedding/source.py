"""Find a model's file and its card from whatever names it."""

from pathlib import Path

from vultus.core.errors import DigestError, ModelError, ModelNotFoundError
from vultus.models.cards import ModelCard
from vultus.models.digest import find_file, known_sha256
from vultus.models.store import ModelStore


def find_model(model: str | Path | ModelCard, *, store: ModelStore) -> tuple[Path, ModelCard]:
    """The file on this machine, its digest checked, and its card.

    Args:
        model: A name, a path or a card; see `vultus.embedding.embedder.open_embedder`.
        store: Where to look.

    Raises:
        RegistryError: If a name is unknown.
        ModelNotFoundError: If the file is not on this machine.
        ModelError: If a file has no card.
        DigestError: If the file's bytes are not those of its card.
        LicenceError: If the store's policy forbids the model.
    """
    if isinstance(model, ModelCard):
        return _file_of(model, store), model
    if isinstance(model, str) and not is_file_name(model, store):
        return store.path(model), store.card(model)
    path = Path(model)
    if not path.is_file():
        raise ModelNotFoundError(f"no model file at {path}")
    card = _card_of(path, store)
    store.check_policy(card)
    return path, card


def is_file_name(model: str, store: ModelStore) -> bool:
    """Whether a text that names a model means a file, and not a name in the store."""
    return model not in store.names() and (model.endswith(".onnx") or Path(model).is_file())


def _file_of(card: ModelCard, store: ModelStore) -> Path:
    store.check_policy(card)
    if card.name in store.names() and store.card(card.name).sha256 == card.sha256:
        return store.path(card.name)
    folders = [folder for folder in (store.root, *store.mirrors) if folder.is_dir()]
    found = find_file(folders, card.sha256, name=card.file_name, size_bytes=card.size_bytes)
    if found is None:
        raise ModelNotFoundError(
            f"the file of model {card.name!r} ({card.file_name}, SHA-256 {card.sha256[:12]}...) is "
            "neither in the store nor in its mirrors; put it into a folder and set "
            "VULTUS_MODELS_MIRROR to that folder"
        )
    return found


def _card_of(path: Path, store: ModelStore) -> ModelCard:
    digest = known_sha256(path)
    beside = path.with_suffix(".toml")
    if beside.is_file():
        card = ModelCard.from_file(beside)
        if card.sha256 != digest:
            raise DigestError(f"{path} must have SHA-256 {card.sha256} ({beside}), got {digest}")
        return card
    for name in store.names():
        if store.card(name).sha256 == digest:
            return store.card(name)
    raise ModelError(
        f"no model card is known for {path} (SHA-256 {digest}); write one to {beside}, so that its "
        "template, colour order and scaling are known"
    )

"""The model store: a folder of verified model files on this machine."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import platformdirs

from vultus.core.errors import ConfigError, LicenceError, ModelNotFoundError, RegistryError
from vultus.models.cards import ModelCard, Task, did_you_mean
from vultus.models.digest import check_digest, is_stamped, stamp
from vultus.models.mirror import find_file
from vultus.models.registry import built_in_cards

__all__ = ["ModelStore", "Policy"]

Policy = Literal["any", "commercial-only"]
Progress = Callable[[int, int | None], None]


class ModelStore:
    """Finds the files of models, and fetches those that are not here.

    Args:
        root: The store's folder; None takes ``$VULTUS_HOME/models`` or the user's data folder.
        mirror: Folder or folders searched by SHA-256 before any download; None takes
            ``$VULTUS_MODELS_MIRROR`` (several separated as in ``$PATH``).
        offline: Never touch the network; None takes ``$VULTUS_OFFLINE``.
        policy: ``"commercial-only"`` refuses every model whose licence forbids commercial use,
            wherever its file comes from; None takes ``$VULTUS_MODELS_POLICY``, else ``"any"``.

    Raises:
        ConfigError: If an environment variable has a value that it cannot have.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        mirror: str | Path | Sequence[str | Path] | None = None,
        *,
        offline: bool | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.root = _default_root() if root is None else Path(root)
        self.mirrors = _mirrors(mirror)
        self.offline = _env_flag("VULTUS_OFFLINE") if offline is None else offline
        self.policy = _policy(policy)

    def names(self, task: Task | None = None) -> list[str]:
        """Names of all known models, or of those of one task, in alphabetical order."""
        cards = built_in_cards()
        return [name for name in sorted(cards) if task is None or cards[name].task == task]

    def card(self, name: str) -> ModelCard:
        """The card of that name.

        Raises:
            RegistryError: If there is none; the message suggests the nearest.
        """
        cards = built_in_cards()
        if name not in cards:
            raise RegistryError(
                f"models: no {name!r}{did_you_mean(name, cards)} (`vultus models list` shows all)"
            )
        return cards[name]

    def path(self, name: str) -> Path:
        """The model's file on this machine: in the store, else in a mirror; never downloads.

        Raises:
            RegistryError: If the name is unknown.
            LicenceError: If the policy forbids the model.
            ModelNotFoundError: If the file is not here; the message says how to get it.
            DigestError: If the file in the store has been changed.
        """
        card = self.card(name)
        self._check_policy(card)
        stored = self.root / card.name / card.file_name
        if stored.is_file():
            if not is_stamped(stored, card.sha256):
                check_digest(stored, card.sha256)
                stamp(stored, card.sha256)
            return stored
        mirrored = find_file(
            self.mirrors, card.sha256, name=card.file_name, size_bytes=card.size_bytes
        )
        if mirrored is not None:
            return mirrored
        raise ModelNotFoundError(_not_here(card))

    def fetch(self, name: str, *, progress: Progress | None = None) -> Path:
        """The model's file: as `path`, else downloaded into the store.

        Raises:
            RegistryError: If the name is unknown.
            LicenceError: If the policy forbids the model.
            ModelNotFoundError: If the file is not here and cannot be downloaded.
        """
        return self.path(name)

    def _check_policy(self, card: ModelCard) -> None:
        if self.policy == "commercial-only" and not card.licence.commercial_use:
            raise LicenceError(
                f"model {card.name!r} must not be used here: its licence ({card.licence.name}) "
                "does not allow commercial use, and the policy is commercial-only"
            )


def _default_root() -> Path:
    home = os.environ.get("VULTUS_HOME")
    return (Path(home) if home else platformdirs.user_data_path("vultus", False)) / "models"


def _mirrors(mirror: str | Path | Sequence[str | Path] | None) -> tuple[Path, ...]:
    if mirror is None:
        listed: Sequence[str | Path] = os.environ.get("VULTUS_MODELS_MIRROR", "").split(os.pathsep)
    else:
        listed = [mirror] if isinstance(mirror, (str, Path)) else mirror
    return tuple(Path(folder).expanduser() for folder in listed if str(folder))


def _env_flag(name: str) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("", "0", "false", "no", "off"):
        return False
    raise ConfigError(f"{name} must be 1 or 0, got {value!r}")


def _policy(policy: str | None) -> Policy:
    value = os.environ.get("VULTUS_MODELS_POLICY", "any") if policy is None else policy
    for known in get_args(Policy):
        if value == known:
            return cast(Policy, known)
    raise ConfigError(
        f"the policy (VULTUS_MODELS_POLICY) must be any or commercial-only, got {value!r}"
    )


def _not_here(card: ModelCard) -> str:
    way = f"run `vultus models pull {card.name}`, or " if card.url is not None else ""
    return (
        f"the file of model {card.name!r} ({card.file_name}, SHA-256 {card.sha256[:12]}...) is not "
        f"on this machine; {way}put it into a folder and set VULTUS_MODELS_MIRROR to that folder"
    )

"""The model store: a folder of verified model files on this machine."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from vultus.core.choices import Task
from vultus.core.errors import (
    DigestError,
    LicenceError,
    ModelError,
    ModelNotFoundError,
    RegistryError,
)
from vultus.core.text import did_you_mean
from vultus.models.built import build_in, check_buildable, find_origin
from vultus.models.built_in import built_in_cards, built_in_files
from vultus.models.cards import ModelCard
from vultus.models.committee import committee_card, one_name, parse_committee
from vultus.models.digest import check_digest, is_stamped, sha256_file, stamp
from vultus.models.download import (
    Progress,
    check_downloadable,
    copy_from_mirror,
    copy_in,
    download_in,
    find_in_mirrors,
    find_pack,
    not_here,
)
from vultus.models.imported import (
    CARD_FILE,
    card_for_file,
    imported_card,
    imported_cards,
    known_card,
    warn_of_known_terms,
    write_card,
)
from vultus.models.licence import accept_licence
from vultus.models.names import is_committee, is_committee_name, is_model_name
from vultus.models.settings import Policy, mirror_folders, offline_switch, store_policy, store_root

Place = Literal["built in", "store", "mirror", "package", "members", "changed"]

_LOCK = ".lock"
_CALIBRATION = "calibration.json"
_TRUST = "trust.npz"


class ModelStore:
    """Finds the files of models, and fetches those that are not here.

    The store is a folder with one folder a model. Every file in it was checked by its SHA-256 when
    it came; it is read again only if it changed since.

    Args:
        root: The store's folder; None takes ``$VULTUS_HOME/models`` or the user's data folder.
        mirror: Folder or folders searched by SHA-256 before any download; None takes
            ``$VULTUS_MODELS_MIRROR`` (several separated as in ``$PATH``). The models that come
            with Vultus are a mirror, too, and the first one.
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
        self.root = store_root(root)
        self.mirrors = (built_in_files(), *mirror_folders(mirror))
        self.offline = offline_switch(offline)
        self.policy = store_policy(policy)

    def names(self, task: Task | None = None) -> list[str]:
        """Names of all known models, or of those of one task, in alphabetical order."""
        return [card.name for card in self.cards() if task is None or card.task == task]

    def cards(self) -> list[ModelCard]:
        """All cards, built-in and imported, in alphabetical order; a built-in name comes first."""
        cards = {card.name: card for card in imported_cards(self.root)} | dict(built_in_cards())
        return [cards[name] for name in sorted(cards)]

    def card(self, name: str) -> ModelCard:
        """The card of that name, or of the committee of that name.

        Raises:
            RegistryError: If there is none; the message suggests the nearest.
            InputError: If a committee cannot be (see `vultus.models.committee`).
        """
        if is_committee(name):
            members = parse_committee(name)
            return committee_card(members, [self.card(member.name) for member in members])
        card = built_in_cards().get(name)
        if card is None and is_model_name(name):
            card = imported_card(self.root, name)
        if card is None:
            near = did_you_mean(name, self.names())
            raise RegistryError(f"models: no {name!r}{near} (`vultus models list` shows all)")
        return card

    def calibration_path(self, name: str) -> Path:
        """Where this site's calibration of a model is kept, beside its file; it may not exist."""
        return self.root / one_name(name) / _CALIBRATION

    def trust_path(self, name: str) -> Path:
        """Where this site's own trust head of a model is kept, beside its file; it may not be."""
        return self.root / name / _TRUST

    def find(self, name: str) -> Path | None:
        """Where the model's right file is: in the store, else in a mirror, else None.

        A model that is built of another file is here once `path`, `fetch` or `pull` has built it.

        Raises:
            RegistryError: If the name is unknown.
            DigestError: If the file in the store was changed.
        """
        card = self.card(name)
        if is_committee(name):
            return None
        stored = self._stored(card)
        if not stored.is_file():
            return find_in_mirrors(card, self.mirrors)
        if not is_stamped(stored, card.sha256):
            try:
                check_digest(stored, card.sha256)
            except DigestError as error:
                raise DigestError(f"{error}; `vultus models pull {name}` fetches it anew") from None
            stamp(stored, card.sha256)
        return stored

    def place(self, name: str) -> Place | None:
        """Where the model's file is.

        ``"changed"`` if it is in the store and not what it was; ``"package"`` if the file that it
        is built of is here, in its package or in a mirror; ``"members"`` if all members of a
        committee are here.

        Raises:
            RegistryError: If the name is unknown.
        """
        if is_committee(name):
            places = [self.place(member.name) for member in parse_committee(name)]
            return "changed" if "changed" in places else None if None in places else "members"
        try:
            found = self.find(name)
        except DigestError:
            return "changed"
        if found is None:
            return None if find_origin(self.card(name), self.mirrors) is None else "package"
        if found.is_relative_to(built_in_files()):
            return "built in"
        return "store" if found.is_relative_to(self.root) else "mirror"

    def path(self, name: str) -> Path:
        """The model's file on this machine: in the store, else in a mirror; never downloads.

        A model that is built of a file that is here is built, once.

        Raises:
            RegistryError: If the name is unknown.
            LicenceError: If the policy forbids the model.
            ModelNotFoundError: If the file is not here; the message says how to get it.
            DigestError: If the file in the store was changed.
            ModelError: If a model must be built and the store cannot be written.
        """
        card = self._card_with_file(name)
        self.check_policy(card)
        found = self.find(name)
        if found is None and card.built_from is not None:
            return self.pull(name)
        if found is None:
            raise ModelNotFoundError(not_here(card, "its file is not on this machine"))
        return found

    def fetch(self, name: str, *, progress: Progress | None = None) -> Path:
        """The model's file: where `path` finds it, else brought into the store by `pull`.

        Raises:
            RegistryError, LicenceError, ModelNotFoundError, DownloadError, DigestError: As `pull`.
        """
        self.check_policy(self._card_with_file(name))
        found = self.find(name)
        return self.pull(name, progress=progress) if found is None else found

    def pull(self, name: str, *, accept: bool = False, progress: Progress | None = None) -> Path:
        """Bring the model's file into the store: from a mirror if it is there, else downloaded.

        A model that is built of a file that another package carries is built.

        A download of a non-commercial model needs its licence to be accepted once; a file from a
        mirror does not, because the site that set up the mirror has chosen it.

        Args:
            name: The model.
            accept: Accept the model's licence; recorded with the date.
            progress: Called as bytes arrive.

        Returns:
            The file in the store. A changed file there is replaced.

        Raises:
            RegistryError: If the name is unknown.
            LicenceError: If the policy forbids the model or its licence was not accepted.
            ModelNotFoundError: If the card has no address, or the store is offline.
            DownloadError: If the download fails; what arrived is kept for the next try.
            DigestError: If other bytes come than the card promises.
            ModelError: If the store cannot be written, or a zip pack is not sound.
        """
        card = self._card_with_file(name)
        self.check_policy(card)
        if accept:
            self._make_folder(self.root)
            accept_licence(self.root, card)
        stored = self._stored(card)
        if _is_right(stored, card):
            return stored
        mirrored = find_in_mirrors(card, self.mirrors) or find_pack(card, self.mirrors)
        origin = find_origin(card, self.mirrors) if mirrored is None else None
        if mirrored is None and origin is None:
            check_buildable(card)
            check_downloadable(card, root=self.root, offline=self.offline)
        self._make_folder(stored.parent)
        with FileLock(stored.parent / _LOCK):
            if _is_right(stored, card):  # another process brought it while we waited
                return stored
            if mirrored is not None:
                copy_from_mirror(card, stored, mirrors=self.mirrors)
            elif origin is not None:
                build_in(card, stored, origin=origin)
            elif card.url is not None:
                download_in(card, stored, url=card.url, progress=progress)
        return stored

    def verify(self, name: str) -> Path:
        """Read the model's whole file again and compare its SHA-256.

        Returns:
            The file; of a model that is not built yet, the file that it will be built of.

        Raises:
            RegistryError: If the name is unknown.
            ModelNotFoundError: If it is not here.
            DigestError: If it is not what the card promises.
        """
        card = self._card_with_file(name)
        stored = self._stored(card)
        path = stored if stored.is_file() else find_in_mirrors(card, self.mirrors)
        if path is not None:
            check_digest(path, card.sha256)
            return path
        origin = find_origin(card, self.mirrors)
        if origin is None:
            check_buildable(card)
            raise ModelNotFoundError(not_here(card, "its file is not on this machine"))
        check_digest(origin, str(card.built_from_sha256))
        return origin

    def import_model(self, path: str | Path, values: Mapping[str, Any] | None = None) -> ModelCard:
        """Copy a model file into the store, under a card.

        Args:
            path: An ONNX file.
            values: Fields of the new card as plain values (see `card_for_file`); None for a file
                whose SHA-256 is on a known card.

        Returns:
            The card. Importing the same file again replaces its card.

        Raises:
            ModelError: If the file cannot be that model, or is on no known card.
            ConfigError: If a field is unknown, missing or wrong.
            RegistryError: If the name is taken by another model.
            LicenceError: If the policy forbids the model.
        """
        source = Path(path)
        if not source.is_file():
            raise ModelNotFoundError(f"a model to import must be a file, got {str(source)!r}")
        card = known_card(source, self.cards()) if values is None else card_for_file(source, values)
        self.check_policy(card)
        if values is not None:
            self._check_name_is_free(card)
        stored = self._stored(card)
        self._make_folder(stored.parent)
        with FileLock(stored.parent / _LOCK):
            if not _is_right(stored, card):
                copy_in(source, stored, card=card)
            if values is not None:
                write_card(self.root, card)
                warn_of_known_terms(card)
        return card

    def remove(self, name: str) -> None:
        """Delete the model's folder in the store: file, calibration, card if it was imported.

        The card goes last, so that what could not be deleted can be removed again by name. So can
        what an interrupted import left, or a card that is broken. Mirrors are left alone.

        Raises:
            RegistryError: If the name is unknown.
            ModelNotFoundError: If nothing of it is in the store.
            ModelError: If something cannot be deleted; the message says what is left.
        """
        name = one_name(name)
        folder = self.root / name
        if not (is_model_name(name) or is_committee_name(name)) or not folder.is_dir():
            raise ModelNotFoundError(
                f"model {self.card(name).name!r} is not in the store {self.root}"
            )
        try:
            if folder.is_symlink():
                folder.unlink()
                return
            with FileLock(folder / _LOCK):
                _empty(folder)
            shutil.rmtree(folder)
        except OSError as error:
            raise ModelError(
                f"model {name!r} is removed in part only: {error}; the rest is in {folder}; mend "
                "that and run the same again"
            ) from error

    def check_policy(self, card: ModelCard) -> None:
        """Refuse a model that this site's policy forbids.

        Raises:
            LicenceError: If the policy is ``commercial-only`` and the licence is not.
        """
        if self.policy == "commercial-only" and not card.licence.commercial_use:
            raise LicenceError(
                f"model {card.name!r} must not be used here: its licence ({card.licence.name}) "
                "does not allow commercial use, and the policy is commercial-only. By what their "
                f"publishers say, it allows: {self._allowed(card.task)}"
            )

    def _allowed(self, task: Task) -> str:
        """Models of a task whose licences allow commercial use, those that were run by us first."""
        cards = [card for card in self.cards() if card.task == task]
        allowed = [card for card in cards if card.licence.commercial_use]
        allowed.sort(key=lambda card: not card.verified)
        return ", ".join(card.name for card in allowed) or "none"

    def _card_with_file(self, name: str) -> ModelCard:
        card = self.card(name)
        if is_committee(name):
            members = " ".join(member.name for member in parse_committee(name))
            raise ModelError(
                f"committee {card.name!r} has no file of its own; name one of its members here, or "
                f"all of them: {members}"
            )
        return card

    def _stored(self, card: ModelCard) -> Path:
        return self.root / card.name / card.file_name

    def _check_name_is_free(self, card: ModelCard) -> None:
        earlier = imported_card(self.root, card.name)
        if is_committee(card.name):
            raise RegistryError(f"models: + joins the members of a committee, got {card.name!r}")
        if card.name in built_in_cards():
            raise RegistryError(f"models: {card.name!r} is a built-in name; choose another")
        if earlier is not None and earlier.sha256 != card.sha256:
            raise RegistryError(
                f"models: {card.name!r} is another file already; choose another name, or run "
                f"`vultus models remove {card.name}` first"
            )

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ModelError(
                f"the model store {self.root} must be a folder that can be written: {error}; "
                "set VULTUS_HOME to one"
            ) from error


def _empty(folder: Path) -> None:
    for path in sorted(folder.iterdir(), key=lambda path: path.name == CARD_FILE):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()


def _is_right(stored: Path, card: ModelCard) -> bool:
    return stored.is_file() and sha256_file(stored) == card.sha256

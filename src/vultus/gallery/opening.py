"""Opening a gallery: its store, its vault, what it says about itself; made where it is new."""

import getpass
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vultus.core.errors import GalleryDamagedError, GalleryError
from vultus.gallery.description import (
    Description,
    found,
    is_founded,
    open_vault,
    read_description,
)
from vultus.gallery.erasure import ErasureLog, Erasures
from vultus.gallery.migration import migrate
from vultus.gallery.people.details import Person
from vultus.gallery.people.roster import Roster
from vultus.gallery.people.summary import write_summary
from vultus.gallery.security.audit import AuditEntry, AuditLog
from vultus.gallery.security.crypto import Vault
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.base import GalleryStore
from vultus.gallery.stores.bound_counts import BoundStore
from vultus.gallery.stores.opening import open_store
from vultus.gallery.stores.places import is_database

ERASURES = "erasures"
"""Key of the fact how much of the log of erasures this gallery has done."""

OnEnrolled = Callable[[str, int], None]
"""Told ``Person.uid`` and how many photos were added, before the change is kept: what it writes in
the gallery is of the same transaction, and if it raises, nothing was enrolled."""


@dataclass(frozen=True, slots=True)
class OpenedGallery:
    """The parts of a gallery.

    Attributes:
        store: Where the rows are.
        vault: What seals them.
        description: What was fixed when it was made.
        roster: The people.
        audit: Its log.
        erasures: The log of who was erased.
        actor: Who is told to act.
        on_enrolled: Told what `enroll` does, or None.
    """

    store: GalleryStore
    vault: Vault
    description: Description
    roster: Roster
    audit: AuditLog
    erasures: Erasures
    actor: str
    on_enrolled: OnEnrolled | None = None

    def subject(self, person: Person) -> str:
        """What the audit log calls a person."""
        return self.vault.pseudonym(bytes.fromhex(person.uid))


def open_gallery(
    path: str | Path, new: Description | None, *, master: MasterKey | None, actor: str | None
) -> OpenedGallery:
    """Open a gallery; a file of the format before is brought to this one.

    Args:
        path: The file, or the URL of a gallery in a database.
        new: What to fix where a gallery is made; None opens only.
        master: The master key, or None.
        actor: Who acts, for the audit log; None takes the user's name.

    Raises:
        GalleryError: If the file is missing, foreign, damaged or cannot be made.
        GalleryKeyError: If a key is needed and missing or wrong, or given and not needed.
    """
    actor = default_actor() if actor is None else actor
    if not is_database(path):
        migrate(Path(path), master=master, actor=actor)
    store = open_store(path, create=new is not None)
    try:
        vault = _vault(store, new, master, actor)
        description = read_description(store, vault)
        opened = OpenedGallery(
            store,
            vault,
            description,
            Roster(store, vault, dim=description.space.dim, generation=description.generation),
            AuditLog(store, vault),
            _erasures(store, path, vault.gallery_id),
            actor,
        )
        _bind_counts(opened)
        erase_again(opened)
    except BaseException:
        store.close()
        raise
    return opened


def _erasures(store: GalleryStore, path: str | Path, gallery_id: bytes) -> Erasures:
    if is_database(path):
        from vultus.gallery.stores.postgres.erasures import DatabaseErasures
        from vultus.gallery.stores.postgres.store import PostgresStore

        if isinstance(store, PostgresStore):
            return DatabaseErasures(store, gallery_id=gallery_id)
    return ErasureLog(path, gallery_id=gallery_id)


def default_actor() -> str:
    """What the audit log calls whoever gave no name: the name of the user on this machine."""
    with suppress(KeyError, OSError, ImportError):
        return f"user {getpass.getuser()}"
    return "somebody"


def _vault(
    store: GalleryStore, new: Description | None, master: MasterKey | None, actor: str
) -> Vault:
    if is_founded(store):
        return open_vault(store, master)
    if new is None:
        raise GalleryError(
            f"there is no gallery at {store.location}; enrol somebody to make one (`Gallery.open` "
            "makes one of a given space)"
        )
    with store.transaction(write=True):
        if is_founded(store):  # another process was faster
            return open_vault(store, master)
        return found(store, new, master=master, actor=actor)


def _bind_counts(opened: OpenedGallery) -> None:
    """Let the store's counts be what only who can open the gallery can write."""
    store, vault = opened.store, opened.vault
    can = isinstance(store, BoundStore)
    try:
        bound = opened.roster.summary().bound
    except GalleryDamagedError:
        return  # whoever asks for people is told, and `check` opens it to say what else is wrong
    if bound is not can and not store.read_only:
        with store.transaction(write=True):
            summary = opened.roster.summary()  # another process may have been faster
            if isinstance(store, BoundStore):
                store.bind_counts(vault.audit_digest, bound=summary.bound)
            write_summary(store, vault, replace(summary, bound=can))
    elif bound and isinstance(store, BoundStore):
        store.bind_counts(vault.audit_digest, bound=True)


def erase_again(opened: OpenedGallery) -> None:
    """Erase who is noted as erased and is still there.

    They were erased after this file was copied, if it is an older copy; or their erasing was noted,
    and whoever did it was killed before it was done.
    """
    store, log = opened.store, opened.erasures
    done = erasures_done(store)
    if done == log.size():
        return
    uids, size = log.erased()
    if store.read_only:
        with store.transaction():
            back = [uid for uid in uids if store.person_by_uid(uid) is not None]
        if back:
            raise GalleryError(
                f"{store.location} is an older copy, in which {len(back)} people are who were "
                "erased since; open it once where it can be written, so that they go"
            )
        return
    with store.transaction(write=True):
        uids, size = log.erased()  # now that nobody else writes
        for uid in uids:
            member = opened.roster.find_uid(uid)
            if member is not None:
                subject = opened.vault.pseudonym(uid)
                opened.audit.append(
                    AuditEntry(actor=opened.actor, action="erase again", subject=subject)
                )
                opened.roster.erase(member)
        # What was cut off the log is not forgotten, so that it can be told; a copy has none.
        if not 0 < size < done:
            store.set_meta(ERASURES, str(size).encode())


def erasures_done(store: GalleryStore) -> int:
    """How many bytes of the log of erasures a gallery has done.

    Raises:
        GalleryDamagedError: If that is no number.
    """
    kept = store.meta(ERASURES) or b"0"
    if not kept.isdigit():
        raise GalleryDamagedError(
            f"{store.location} is damaged: how much was erased cannot be read; restore a backup"
        )
    return int(kept)

"""A whole gallery deleted: everybody in it, and all that is kept of them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import now
from vultus.gallery.searching.templates import index_path
from vultus.gallery.security.audit import AuditEntry, AuditHead
from vultus.gallery.stores.sqlite_removal import SqliteRemoval, leftovers, wipe
from vultus.gallery.upkeep.audit_file import write_audit


@runtime_checkable
class DroppedStore(Protocol):
    """A store that is deleted where it is, as one in a database."""

    @property
    def location(self) -> str:
        """Where it is."""

    def transaction(self, *, write: bool = False) -> AbstractContextManager[None]:
        """See `vultus.gallery.stores.base.GalleryStore`."""

    def drop(self) -> None:
        """Delete the gallery and wipe its keys; nothing can be done with the store afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryDeletion:
    """What was deleted.

    Attributes:
        gallery: The 16 random bytes of the gallery, in hexadecimal.
        deleted_at: ISO 8601, UTC.
        people: How many people were in it.
        photos: Of how many photos.
        audit: The end of its audit log, whose last entry is this.
    """

    gallery: str
    deleted_at: str
    people: int
    photos: int
    audit: AuditHead

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(self), "audit": self.audit.to_text()}


def delete_gallery(
    gallery: Gallery,
    *,
    audit_file: str | Path | None = None,
    check: Callable[[], None] | None = None,
) -> GalleryDeletion:
    """Overwrite and remove a gallery, and close it; all of it, or nothing.

    Of one in a database the keys are wiped and the rows deleted, whoever else has it open. The log
    of erasures (``<gallery>-erased``, in a database a table) stays, so that who was erased before
    does not come back with a backup that is put in this place. Backups hold everybody else: destroy
    them, too.

    Args:
        gallery: The gallery.
        audit_file: Where the audit log, which goes with the gallery, is written before, as
            `write_audit` does, for its owner only; replaced where it is there. None keeps none.
        check: Called when nobody else can change the gallery any more: what it raises ends this.

    Raises:
        InputError: If the gallery's store has no way to delete it.
        GalleryError: If it may only be read; if another process has its file open, or somebody who
            reads is in the way of wiping the keys in a database: they are destroyed then, and it is
            to be deleted again.
        OutputError: If the audit log cannot be written.
    """
    store, opened = gallery.opened.store, gallery.opened
    index = index_path(store.location if isinstance(store, DroppedStore) else gallery.path)
    if isinstance(store, SqliteRemoval):
        with store.removing() as gone:
            done = _last_entry(gallery, audit_file, check)
        gallery.close()
        wipe(index)
        wipe(gone)  # the last of all: while it is there, `finish_deletions` knows what is left
    elif isinstance(store, DroppedStore):
        with store.transaction(write=True):
            done = _last_entry(gallery, audit_file, check)
        store.drop()
        gallery.close()
        wipe(index)
    else:
        raise InputError(f"{opened.store.location} cannot be deleted; its store has no way to")
    return done


def _last_entry(
    gallery: Gallery, audit_file: str | Path | None, check: Callable[[], None] | None
) -> GalleryDeletion:
    """Note what is being deleted, where nobody else can change it any more."""
    opened = gallery.opened
    if check is not None:
        check()
    photos = opened.store.people_by_faces()
    counts = {
        "people": sum(photos.values()),
        "photos": sum(each * people for each, people in photos.items()),
    }
    deleted_at = now()
    head = opened.audit.append(
        AuditEntry(actor=opened.actor, action="delete gallery", counts=counts)
    )
    if audit_file is not None:
        Path(audit_file).unlink(missing_ok=True)
        write_audit(opened.audit, audit_file)
    return GalleryDeletion(
        gallery=opened.vault.gallery_id.hex(), deleted_at=deleted_at, audit=head, **counts
    )


def finish_deletions(folder: Path) -> list[str]:
    """Overwrite and remove what a killed `delete_gallery` left; the names of the galleries' files.

    Raises:
        GalleryError: If something cannot be removed.
    """
    names = []
    for gone in leftovers(folder):
        wipe(index_path(gone.with_suffix("")))
        wipe(gone)
        names.append(gone.with_suffix("").name)
    return names

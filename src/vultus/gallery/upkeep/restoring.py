"""Bringing a gallery back from a backup, without bringing back who was erased since."""

import os
import shutil
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vultus.core.errors import GalleryDamagedError, GalleryError, InputError, OutputError
from vultus.core.files import appearing, private_opener, write_bytes
from vultus.gallery.inspection import inspect
from vultus.gallery.opening import OpenedGallery, open_gallery
from vultus.gallery.security.audit import AuditEntry, AuditHead
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.copying import copy_gallery
from vultus.gallery.stores.opening import open_store
from vultus.gallery.stores.places import is_database
from vultus.gallery.stores.sqlite import SqliteStore

_LOGS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What was brought back.

    Attributes:
        people: How many people the gallery has now.
        erased_again: How many people were in the backup who had been erased since.
        audit: The end of its audit log.
    """

    people: int
    erased_again: int
    audit: AuditHead

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(self), "audit": self.audit.to_text()}


def restore(
    backup: str | Path,
    path: str | Path,
    *,
    key: MasterKey | None = None,
    erased: str | Path | None = None,
    actor: str | None = None,
) -> Restoration:
    """Put a backup in a gallery's place; whole and sound, or not at all.

    Whoever is noted in ``<path>-erased`` as erased is erased again; of a gallery in a database, in
    its table of erasures. Nothing is replaced: what is at ``path`` must be moved away first, but
    not ``<path>-erased``.

    Args:
        backup: A file of `Gallery.backup`, or of a gallery that is closed; it is only read.
        path: Where the gallery is to be: a file, or the URL of a gallery in a database.
        key: What opens it: the key that it had when the backup was made.
        erased: A log of erasures that was kept elsewhere, if the gallery's folder was lost.
        actor: Who does it, for the audit log; None takes the name of the user.

    Raises:
        GalleryError: If the backup is foreign or damaged; the message says how.
        GalleryKeyError: If its key is missing or wrong.
        OutputError: If something is at ``path``, or its folder cannot be written.
        InputError: If ``backup`` is no file.
    """
    source = Path(backup)
    if not source.is_file():
        raise InputError(f"the backup must be a file, there is none at {source}")
    _check_logs(source, hint="a backup that is open or was not closed is not whole; close it")
    if is_database(path):
        if erased is not None:
            raise InputError("a gallery in a database has its erasures there; leave `erased` out")
        before = _into_database(source, path, key, actor)
        target: str | Path = path
    else:
        target = Path(path)
        before = _into_file(source, target, key, actor, erased)
    opened = open_gallery(target, None, master=key, actor=actor)
    with closing(opened.store):
        return _noted(opened, before)


def _into_file(
    source: Path, target: Path, key: MasterKey | None, actor: str | None, erased: str | Path | None
) -> int:
    _check_logs(target, hint="move it away with the gallery that it belongs to")
    with appearing(target, private=True) as part:
        with open(part, "xb", opener=private_opener) as copy, source.open("rb") as original:
            shutil.copyfileobj(original, copy)
        before = _checked(source, part, key, actor)
        if erased is not None:
            _bring_log(Path(erased), Path(f"{target}-erased"))
    return before


def _into_database(
    source: Path, target: str | Path, key: MasterKey | None, actor: str | None
) -> int:
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "backup"
        with open(part, "xb", opener=private_opener) as copy, source.open("rb") as original:
            shutil.copyfileobj(original, copy)
        before = _checked(source, part, key, actor)
        with (
            closing(SqliteStore(part)) as kept,
            closing(open_store(target, create=True)) as store,
            kept.transaction(),
            store.transaction(write=True),
        ):
            copy_gallery(kept, store)
    return before


def _checked(source: Path, part: Path, key: MasterKey | None, actor: str | None) -> int:
    """Refuse a backup that does not open or is damaged, as its copy tells; else its people."""
    try:
        opened = open_gallery(part, None, master=key, actor=actor)
        with closing(opened.store):
            problems = inspect(opened)
            people = opened.roster.summary().n_people
    except GalleryError as error:
        raise type(error)(str(error).replace(str(part), str(source))) from error
    if problems:
        shown = "; ".join(problems[:5]).replace(str(part), str(source))
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise GalleryDamagedError(f"{source} is damaged, nothing was restored: {shown}{more}")
    return people


def _noted(opened: OpenedGallery, before: int) -> Restoration:
    """The audit entry of a gallery that was restored, in which there were so many people."""
    with opened.store.transaction(write=True):
        people = opened.roster.summary().n_people
        counts = {"people": people, "erased again": before - people}
        head = opened.audit.append(
            AuditEntry(actor=opened.actor, action="restore", gallery_size=people, counts=counts)
        )
    return Restoration(people=people, erased_again=before - people, audit=head)


def _check_logs(path: Path, *, hint: str) -> None:
    """Refuse SQLite's logs beside a file: they would be played back into what is put there."""
    real = os.path.realpath(path)
    for ending in _LOGS:
        log = Path(real + ending)
        if log.exists() and log.stat().st_size:
            raise OutputError(f"{log} lies there; {hint}")


def _bring_log(kept: Path, place: Path) -> None:
    """Add a log of erasures that was kept elsewhere to the one of the gallery."""
    try:
        here = place.read_bytes() if place.exists() else b""
        lines = kept.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror or error}") from error
    whole = here[: here.rfind(b"\n") + 1]
    known = set(whole.splitlines(keepends=True))
    new = [line for line in lines if line.endswith(b"\n") and line not in known]
    write_bytes(place, whole + b"".join(new), private=True)

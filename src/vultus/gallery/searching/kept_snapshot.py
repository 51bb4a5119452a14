"""The sealed snapshot of one gallery: read, kept up and written anew as the gallery changes."""

import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from vultus.core.errors import GallerySpaceError, IndexFileError, InputError, OutputError
from vultus.gallery.people.roster import Roster
from vultus.gallery.searching.snapshot import (
    read_header,
    read_snapshot,
    take_out,
    write_snapshot,
)
from vultus.search.index import VectorIndex
from vultus.search.index_file import Stamp

logger = logging.getLogger(__name__)


class KeptSnapshot:
    """A snapshot that is used where it holds, and given up, which is said, where it does not.

    Args:
        roster: The people.
        path: Of the file.
    """

    def __init__(self, roster: Roster, path: Path) -> None:
        self._roster, self._path = roster, path
        self._owner = roster.vault.gallery_id

    def load(self) -> tuple[VectorIndex, int, int] | None:
        """Its templates, the position that they stand for, and what they add up to there.

        None where there is none, or it is of no use. Call it in a transaction of the store.
        """
        if not self._path.exists():
            return None
        try:
            cipher = self._roster.vault.snapshot_cipher()
            header, rows = read_snapshot(self._path, cipher, owner=self._owner)
            position = header.stamp.position
            if header.dim != self._roster.dim or position > self._roster.store.position():
                raise IndexFileError(f"{self._path} is of another state of the gallery")
            index = VectorIndex(header.dim)
            for ids, vectors in rows:
                index.add(vectors, ids=ids)
        except (IndexFileError, InputError) as error:
            self.give_up(error)
            return None
        return index, position, int.from_bytes(header.stamp.mark, "big")

    def take_out(self, ids: Collection[int]) -> None:
        """Overwrite the rows of people who were erased."""
        if not self._path.exists():
            return
        try:
            take_out(self._path, self._roster.vault.snapshot_cipher(), ids, owner=self._owner)
        except (IndexFileError, OutputError) as error:
            self.give_up(error)

    def take_out_since(self) -> None:
        """Overwrite the rows of all who were erased since it was written, without opening it."""
        if not self._path.exists():
            return
        store = self._roster.store
        try:
            changes = store.changes(read_header(self._path, owner=self._owner).stamp.position)
            if changes is None:
                raise IndexFileError("what changed so long ago is no longer known")
        except IndexFileError as error:
            self.give_up(error)
            return
        self.take_out([one.person_id for one in changes if store.template(one.person_id) is None])

    def keep(self, index: VectorIndex, position: int, mark: bytes) -> bool:
        """Write it anew; gives whether it did."""
        vault = self._roster.vault
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._roster.check_current()
            write_snapshot(
                self._path, index, vault.snapshot_cipher(), Stamp(self._owner, position, mark)
            )
        except GallerySpaceError:
            return False  # what is here is of a model that nobody looks for any more
        except OSError as error:
            logger.warning("templates are not kept in a snapshot: %s", error)
            return False
        return True

    def give_up(self, why: object) -> None:
        """Remove the file, if there is one, which is logged; it is made again."""
        if not self._path.exists():
            return
        logger.warning("the snapshot of the gallery is made again: %s", why)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

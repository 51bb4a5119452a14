"""The templates of a gallery's people, kept as the store has them, and searched.

Without a master key they are also kept in the file of an index beside the gallery, so that opening
a gallery of a million reads next to nothing. That file is a copy, for the state of the gallery that
it names: what changed since is taken from the store, and the sum of all templates that comes out
must be the one that the store keeps. Where anything is amiss it is made again. With a master key
templates are in memory only, and all are opened when the first is looked for.
"""

import logging
import os
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import (
    GalleryDamagedError,
    GalleryError,
    GallerySpaceError,
    IndexFileError,
    InputError,
    OutputError,
)
from vultus.gallery.description import read_header
from vultus.gallery.people.roster import Roster
from vultus.gallery.people.summary import read_digest, template_digest
from vultus.search.index import SearchAnswer, VectorIndex
from vultus.search.index_file import IndexFile, Stamp

logger = logging.getLogger(__name__)

WORTH_A_FILE = 5000
"""People from which on a file is kept: fewer are opened in a tenth of a second."""
_ANEW_AFTER = 50
"""The file is written anew when a fiftieth of the people, or so, is not in it."""
_MODULUS = 1 << 64
Vector = npt.NDArray[np.float32]


def index_path(location: str | Path) -> Path:
    """The file of the index of a gallery's file."""
    return Path(f"{os.path.realpath(location)}-index")


def wipe_index(location: str | Path) -> None:
    """Overwrite and remove the file of the index of a gallery that was given a master key.

    A process that still has it mapped finds zeros there, which no checksum fits.

    Raises:
        GalleryError: If it is there and cannot be removed.
    """
    path = index_path(location)
    try:
        with open(path, "r+b") as stream:
            left = path.stat().st_size
            while left:
                left -= stream.write(bytes(min(left, 1 << 20)))
            stream.flush()
            os.fsync(stream.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise GalleryError(
            f"{path} holds templates that can be read, and cannot be removed "
            f"({error.strerror or error}); remove it by hand"
        ) from error


@dataclass(slots=True)
class _Held:
    """Templates as of one position of the store.

    Attributes:
        index: All of them.
        file: Where most of them lie, if anywhere.
        position: Of the store.
        sum: Of their digests, modulo 2**64.
        n_outside: How many changes the file does not have.
    """

    index: VectorIndex
    file: IndexFile | None = None
    position: int = 0
    sum: int = 0
    n_outside: int = 0


class Templates:
    """One template per person; threads may share it.

    Args:
        roster: The people.
        path: Of the file; None keeps none.
    """

    def __init__(self, roster: Roster, path: Path | None = None) -> None:
        self._roster = roster
        self._path = path
        self._lock = threading.RLock()
        self._held: _Held | None = None

    def refresh(self, *, load: bool = True) -> frozenset[int] | None:
        """Bring what is here to what the store has now.

        Args:
            load: Whether to open everybody's template where that is needed. Without, only what is
                here already and the file are kept up: an erasure takes no longer with more people.

        Returns:
            Numbers of the people who changed since; None for anybody.

        Raises:
            GalleryDamagedError: If a template was changed or is missing.
        """
        with self._lock:
            if self._held is not None:
                with self._roster.store.transaction():
                    changed = self._follow(self._held)
                if changed is not None:
                    return changed
            self._held = self._opened(load=load)
            if self._held is not None and self._keep(self._held):
                self.refresh()  # who was erased while the file was written is overwritten in it
            return None

    def read(self) -> Iterator[tuple[list[int], Vector]]:
        """All templates from the store, in pages: numbers, ascending, and (n, dim) float32.

        Raises:
            GalleryDamagedError: If a template was changed; at the end, if one is missing.
        """
        store, after, total = self._roster.store, 0, 0
        with store.transaction():
            while page := store.templates(after=after):
                ids = [row.person_id for row in page]
                vectors = np.stack([self._roster.template(row) for row in page])
                total = (total + self._digests(ids, vectors)) % _MODULUS
                yield ids, vectors
                after = page[-1].person_id
            if total != self._roster.summary().sum:
                raise self._damaged()

    def search(
        self, probes: Vector, *, rank: int, person_ids: Collection[int] | None = None
    ) -> list[SearchAnswer]:
        """Rank the people of the last refresh for each probe; exact.

        Args:
            probes: (p, dim) float32, rows of length 1.
            rank: How many to give per probe, at least 1; fewer where there are fewer people.
            person_ids: Who may be found; None for everybody.
        """
        among = None
        if person_ids is not None:
            among = np.fromiter(person_ids, np.int64, len(person_ids))
        while True:
            held = self._current()
            try:
                return held.index.search(probes, rank=rank, among=among)
            except IndexFileError as error:  # found where the file was read for the first time
                with self._lock:
                    if self._held is held:
                        self._give_up(held, error)

    def warm(self) -> None:
        """Compile the scan of a large gallery (a second or two), for a service that starts."""
        self._current().index.warm()

    def close(self) -> None:
        """Bring the file to what is here, if much changed; closing twice is fine."""
        with self._lock:
            if self._held is not None and self._keep(self._held):
                with suppress(GalleryError):
                    self.refresh(load=False)
            if self._held is not None and self._held.file is not None:
                self._held.file.close()
            self._held = None

    def held(self) -> AbstractContextManager[object]:
        """What keeps other threads from these templates meanwhile."""
        return self._lock

    def _current(self) -> _Held:
        with self._lock:
            if self._held is None:
                self.refresh()
            if self._held is None:
                raise GalleryError(f"{self._roster.store.location} was closed")
            return self._held

    def _opened(self, *, load: bool) -> _Held | None:
        """What the file and the store give; None where everybody would have to be opened."""
        with self._roster.store.transaction():
            self._roster.check_current()
            held = self._from_file()
            if held is not None and self._follow(held) is not None:
                return held
            return self._from_store() if load else None

    def _from_file(self) -> _Held | None:
        path, vault, store = self._path, self._roster.vault, self._roster.store
        if path is None or not path.exists():
            return None
        try:
            if vault.protected:
                raise IndexFileError("the gallery was given a key")
            file = IndexFile(path, owner=vault.gallery_id)
            if file.dim != self._roster.dim or file.stamp.position > store.position():
                raise IndexFileError(f"{path} is of another state of the gallery")
        except IndexFileError as error:
            self._give_up(None, error)
            return None
        total = int.from_bytes(file.stamp.mark, "big")
        return _Held(VectorIndex.open(file), file, file.stamp.position, total)

    def _from_store(self) -> _Held:
        held = _Held(VectorIndex(self._roster.dim), position=self._roster.store.position())
        for ids, vectors in self.read():
            try:
                held.index.add(vectors, ids=ids)
            except InputError as error:
                raise GalleryDamagedError(
                    f"{self._roster.store.location} is damaged (a template is there twice); "
                    "restore a backup"
                ) from error
            held.n_outside += len(ids)
        held.sum = self._roster.summary().sum  # which is what was read
        return held

    def _follow(self, held: _Held) -> frozenset[int] | None:
        """Take over what changed in the store; None if what is held is of no use any more."""
        position = self._roster.store.position()
        if position == held.position and held is self._held:
            return frozenset()
        self._roster.check_current()
        # What comes from a file is looked at in any case: a gallery that was put back to an
        # older copy may have come to the same position on another way.
        try:
            changed = self._take_over(held)
        except (IndexFileError, OutputError) as error:
            self._give_up(held, error)
            return None
        except BaseException:
            self._held = None  # half taken over
            raise
        held.position = position
        if held.sum == self._roster.summary().sum:
            return changed
        if held.file is None:
            self._held = None
            raise self._damaged()
        self._give_up(held, f"{self._path} does not fit the gallery")
        return None

    def _take_over(self, held: _Held) -> frozenset[int]:
        store, index = self._roster.store, held.index
        changes = store.changes(held.position)
        if changes is None:
            raise IndexFileError("what changed so long ago is no longer known")
        ids = np.unique([change.person_id for change in changes]).astype(np.int64)
        # Not from the rows that are here: the file's were overwritten by who erased or replaced.
        other = {change.person_id for change in changes if change.before is not None}
        held.sum -= sum(read_digest(change.before or b"") for change in changes)
        rows = [row for row in map(store.template, ids.tolist()) if row is not None]
        left = np.array([row.person_id for row in rows], np.int64)
        vectors = np.array([self._roster.template(row) for row in rows], np.float32)
        vectors = vectors.reshape(-1, self._roster.dim)
        self._discard(held, np.setdiff1d(ids, left))
        known = index.has(left)
        index.update(left[known], vectors[known])
        index.add(vectors[~known], ids=left[~known])
        new = np.isin(left, list(other))
        held.sum = (held.sum + self._digests(left[new].tolist(), vectors[new])) % _MODULUS
        held.n_outside += len(ids)
        return frozenset(ids.tolist())

    def _discard(self, held: _Held, ids: npt.NDArray[np.int64]) -> None:
        """Overwrite who was erased; also in a file that another process put in place of ours."""
        held.index.discard(ids)
        if not len(ids) or held.file is None or held.file.is_current():
            return
        with suppress(IndexFileError), IndexFile(held.file.path) as file:
            if file.stamp.owner == held.file.stamp.owner:
                VectorIndex.open(file).discard(ids)

    def _keep(self, held: _Held) -> bool:
        """Write the file anew, if that is worth it; gives whether it did."""
        vault, path, n = self._roster.vault, self._path, len(held.index)
        if path is None or vault.protected or self._roster.store.read_only:
            return False
        if n < WORTH_A_FILE or held.n_outside <= max(n, WORTH_A_FILE) // _ANEW_AFTER:
            return False
        if not vault.is_of(read_header(self._roster.store)):
            return False  # given a master key meanwhile: nothing readable may be written any more
        mark = held.sum.to_bytes(8, "big")
        try:
            self._roster.check_current()
            held.index.save(path, Stamp(vault.gallery_id, held.position, mark))
            if not vault.is_of(read_header(self._roster.store)):
                wipe_index(self._roster.store.location)
                return False
            file = IndexFile(path, owner=vault.gallery_id)
        except GallerySpaceError:
            return False  # what is here is of a model that nobody looks for any more
        except (OutputError, IndexFileError) as error:
            logger.warning("templates are not kept in a file: %s", error)
            return False
        self._held = _Held(VectorIndex.open(file), file, held.position, held.sum)
        return True

    def _give_up(self, held: _Held | None, why: object) -> None:
        """Do without the file from here on; one that can be removed may be made again."""
        if held is not None and held.file is not None:
            held.file.close()
        self._held = None
        if self._path is None:
            return
        logger.warning("the index of the gallery is made again: %s", why)
        with suppress(OSError):
            if not self._roster.store.read_only:
                self._path.unlink(missing_ok=True)
        if self._path.exists():
            self._path = None

    def _digests(self, ids: Iterable[int], vectors: Vector) -> int:
        vault = self._roster.vault
        pairs = zip(ids, vectors, strict=True)
        return sum(template_digest(vault, person_id, vector) for person_id, vector in pairs)

    def _damaged(self) -> GalleryDamagedError:
        return GalleryDamagedError(
            f"{self._roster.store.location} is damaged: templates are missing or were put back to "
            "what they were; restore a backup"
        )

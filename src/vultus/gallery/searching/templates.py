"""The templates of a gallery's people, kept as the store has them, and searched.

Without a master key they are also kept in the file of an index beside the gallery, so that opening
a gallery of a million reads next to nothing. That file is a copy, for the state of the gallery that
it names: what changed since is taken from the store, and the sum of all templates that comes out
must be the one that the store keeps. Where anything is amiss it is made again. With a master key
templates of a gallery in a file are in memory only, and all are opened when the first is looked
for; of one in a database a sealed snapshot is kept in the same way (`snapshot`).
"""

import hashlib
import logging
import os
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

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
from vultus.gallery.searching.kept_snapshot import KeptSnapshot
from vultus.gallery.searching.seen import Seen
from vultus.gallery.stores.places import is_database, place_of
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
    """The file of the index: beside a gallery's file; of one in a database in the user's cache."""
    place = place_of(location)
    if isinstance(place, Path):
        return Path(f"{os.path.realpath(place)}-index")
    name = hashlib.sha256(str(place).encode()).hexdigest()[:32]
    return platformdirs.user_cache_path("vultus", False) / "galleries" / f"{name}-index"


def snapshot_path(location: str | Path) -> Path | None:
    """The sealed snapshot of a gallery in a database; None of one in a file, which has none."""
    if not is_database(location):
        return None
    path = index_path(location)
    return path.with_name(f"{path.name.removesuffix('-index')}-snapshot")


def wipe_index(location: str | Path) -> None:
    """Overwrite and remove the file of the index of a gallery that was given a master key.

    A process that still has it mapped finds zeros there, which no checksum fits.

    Raises:
        GalleryError: If it is there and cannot be removed.
    """
    if (sealed := snapshot_path(location)) is not None:
        sealed.unlink(missing_ok=True)
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
        sealed = None if path is None else snapshot_path(roster.store.location)
        protected = roster.vault.protected
        self._snapshot = KeptSnapshot(roster, sealed) if sealed and protected else None
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

    def fits(self, seen: Seen) -> bool:
        """Whether what is here is the store's state, to the sum of all templates."""
        with self._lock:
            held = self._held
            return held is not None and (held.position, held.sum) == (seen.position, seen.sum)

    @property
    def position(self) -> int:
        """Of the store, at the last refresh; 0 where nothing is here."""
        with self._lock:
            return 0 if self._held is None else self._held.position

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
            if self._snapshot is not None and not load:
                self._snapshot.take_out_since()
                return None
            held = self._from_file() if self._snapshot is None else self._from_snapshot()
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

    def _from_snapshot(self) -> _Held | None:
        found = None if self._snapshot is None else self._snapshot.load()
        return None if found is None else _Held(found[0], None, *found[1:])

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
        if held is self._held and position <= held.position:
            if position == held.position and held.sum == self._roster.summary().sum:
                return frozenset()
            # What was taken over is undone: it was of a transaction that failed, or the gallery
            # was put back to an older state, and may have come to this position on another way.
            self._give_up(held, "the gallery is of an older state than the index")
            return None
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
        # Reading everybody tells whether templates are missing, or what was here is of no use.
        self._give_up(held, "it does not fit the gallery")
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
        if len(ids) and self._snapshot is not None:
            self._snapshot.take_out(ids.tolist())
        if not len(ids) or held.file is None or held.file.is_current():
            return
        with suppress(IndexFileError), IndexFile(held.file.path) as file:
            if file.stamp.owner == held.file.stamp.owner:
                VectorIndex.open(file).discard(ids)

    def _keep(self, held: _Held) -> bool:
        """Write the file anew, if that is worth it; gives whether it did."""
        vault, path, n = self._roster.vault, self._path, len(held.index)
        if path is None or self._roster.store.read_only:
            return False
        if vault.protected and self._snapshot is None:
            return False
        if n < WORTH_A_FILE or held.n_outside <= max(n, WORTH_A_FILE) // _ANEW_AFTER:
            return False
        if not vault.is_of(read_header(self._roster.store)):
            return False  # given a master key meanwhile: nothing readable may be written any more
        mark = held.sum.to_bytes(8, "big")
        if self._snapshot is not None:
            kept = self._snapshot.keep(held.index, held.position, mark)
            held.n_outside = 0 if kept else held.n_outside
            return kept
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._roster.check_current()
            held.index.save(path, Stamp(vault.gallery_id, held.position, mark))
            if not vault.is_of(read_header(self._roster.store)):
                wipe_index(self._roster.store.location)
                return False
            file = IndexFile(path, owner=vault.gallery_id)
        except GallerySpaceError:
            return False  # what is here is of a model that nobody looks for any more
        except (OSError, IndexFileError) as error:
            logger.warning("templates are not kept in a file: %s", error)
            return False
        self._held = _Held(VectorIndex.open(file), file, held.position, held.sum)
        return True

    def _give_up(self, held: _Held | None, why: object) -> None:
        """Do without the file from here on; one that can be removed may be made again."""
        if held is not None and held.file is not None:
            held.file.close()
        self._held = None
        if self._snapshot is not None:
            self._snapshot.give_up(why)
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

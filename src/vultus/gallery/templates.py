"""The templates of a gallery's people in memory, kept as the store has them, and searched."""

import threading
from collections.abc import Collection, Iterator

import numpy as np
import numpy.typing as npt

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.roster import Roster
from vultus.gallery.summary import template_digest
from vultus.search.index import SearchAnswer, VectorIndex

_MODULUS = 1 << 64
Vector = npt.NDArray[np.float32]


class Templates:
    """One template per person; threads may share it.

    Args:
        roster: The people.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._lock = threading.RLock()
        self._position: int | None = None
        self._index = VectorIndex(roster.dim)
        # What each person adds to the sum of all.
        self._digests: dict[int, int] = {}

    def refresh(self) -> frozenset[int] | None:
        """Bring what is here to what the store has now.

        Returns:
            Numbers of the people who changed since; None for anybody.

        Raises:
            GalleryDamagedError: If a template was changed or is missing.
        """
        with self._lock, self._roster.store.transaction():
            store, since = self._roster.store, self._position
            position = store.position()
            if position == since:
                return frozenset()
            self._position = None  # until all went well
            changes = None if since is None else store.changes(since)
            changed = None
            if changes is None:
                self._load()
            else:
                changed = frozenset(change.person_id for change in changes)
                self._follow(changed)
            if sum(self._digests.values()) % _MODULUS != self._roster.summary().sum:
                raise GalleryDamagedError(
                    f"{store.location} is damaged: templates are missing or were put back to what "
                    "they were; restore a backup"
                )
            self._position = position
            return changed

    def read(self) -> Iterator[tuple[list[int], Vector]]:
        """All templates from the store, in pages: numbers, ascending, and (n, dim) float32."""
        store, after = self._roster.store, 0
        with store.transaction():
            while page := store.templates(after=after):
                yield (
                    [row.person_id for row in page],
                    np.stack([self._roster.template(row) for row in page]),
                )
                after = page[-1].person_id

    def search(
        self, probes: Vector, *, rank: int, person_ids: Collection[int] | None = None
    ) -> list[SearchAnswer]:
        """Rank the people of the last refresh for each probe; exact.

        Args:
            probes: (p, dim) float32, rows of length 1.
            rank: How many to give per probe, at least 1; fewer where there are fewer people.
            person_ids: Who may be found; None for everybody.
        """
        with self._lock:
            mask = None
            if person_ids is not None:
                wanted = np.fromiter(person_ids, np.int64, len(person_ids))
                mask = np.isin(self._index.ids, wanted)
            return self._index.search(probes, rank=rank, mask=mask)

    def _load(self) -> None:
        self._index, self._digests = VectorIndex(self._roster.dim), {}
        for ids, vectors in self.read():
            self._put(ids, vectors)

    def _follow(self, changed: frozenset[int]) -> None:
        gone = [person_id for person_id in changed if person_id in self._digests]
        self._index.remove(gone)
        for person_id in gone:
            del self._digests[person_id]
        rows = [self._roster.store.template(person_id) for person_id in sorted(changed)]
        left = [row for row in rows if row is not None]
        if left:
            vectors = np.stack([self._roster.template(row) for row in left])
            self._put([row.person_id for row in left], vectors)

    def _put(self, ids: list[int], vectors: Vector) -> None:
        self._index.add(vectors, ids=ids)
        vault = self._roster.vault
        for person_id, vector in zip(ids, vectors, strict=True):
            self._digests[person_id] = template_digest(vault, person_id, vector)

"""The templates of a gallery's people in memory, kept as the store has them, and searched."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.roster import Roster
from vultus.gallery.stores.base import TemplateRow
from vultus.gallery.summary import template_digest
from vultus.search.exact import exact_similarities, near_best, near_rows, rounding_bound

_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True, eq=False)
class TemplateMatch:
    """Who was found for one probe.

    Attributes:
        person_ids: (n,) int64, best first, ties in the order of enrolment.
        similarities: (n,) float32 in [-1, 1].
    """

    person_ids: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]


class Templates:
    """One template per person; threads may share it.

    Args:
        roster: The people.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._lock = threading.RLock()
        self._position: int | None = None
        self._sum = 0
        self._ids = np.zeros(0, np.int64)  # ascending
        self._vectors = np.zeros((0, roster.dim), np.float32)

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
            changes = None if since is None else store.changes(since)
            if changes is None:
                self._load()
                changed = None
            else:
                changed = frozenset(change.person_id for change in changes)
                for person_id in sorted(changed):
                    self._put(person_id, store.template(person_id))
            if self._sum != self._roster.summary().sum:
                self._position = None
                raise GalleryDamagedError(
                    f"{store.location} is damaged: templates are missing or were put back to what "
                    "they were; restore a backup"
                )
            self._position = position
            return changed

    def everybody(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """(n,) int64 numbers, ascending, and (n, dim) float32 templates, as of the last refresh."""
        with self._lock:
            return self._ids, self._vectors

    def search(
        self,
        probes: npt.NDArray[np.float32],
        *,
        rank: int,
        person_ids: Collection[int] | None = None,
    ) -> list[TemplateMatch]:
        """Rank the people of the last refresh for each probe; exact.

        Args:
            probes: (p, dim) float32, rows of length 1.
            rank: How many to give per probe, at least 1; fewer where there are fewer people.
            person_ids: Who may be found; None for everybody.
        """
        ids, vectors = self.everybody()
        if person_ids is not None:
            kept = np.isin(ids, np.fromiter(person_ids, np.int64, len(person_ids)))
            ids, vectors = ids[kept], vectors[kept]
        near = partial(near_best, rank=rank, error=rounding_bound(self._roster.dim))
        if not len(ids):
            return [TemplateMatch(ids, np.zeros(0, np.float32)) for _ in probes]
        found = []
        for row, places in zip(probes, near_rows(probes, vectors, near=near), strict=True):
            similarities = exact_similarities(vectors[places], row)
            order = np.argsort(-similarities, kind="stable")[:rank]
            found.append(TemplateMatch(ids[places[order]], similarities[order]))
        return found

    def _load(self) -> None:
        rows: list[tuple[int, npt.NDArray[np.float32]]] = []
        after = 0
        while page := self._roster.store.templates(after=after):
            rows += [(row.person_id, self._roster.template(row)) for row in page]
            after = page[-1].person_id
        self._ids = np.array([person_id for person_id, _ in rows], np.int64)
        vectors = np.array([vector for _, vector in rows], np.float32)
        self._vectors = vectors.reshape(-1, self._roster.dim)
        self._sum = self._digests(rows)

    def _put(self, person_id: int, row: TemplateRow | None) -> None:
        """Take one person's template over; None: there is none any more."""
        vector = None if row is None else self._roster.template(row)
        place = int(np.searchsorted(self._ids, person_id))
        here = place < len(self._ids) and self._ids[place] == person_id
        if here:
            self._sum -= self._digests([(person_id, self._vectors[place])])
        if vector is not None:
            self._sum += self._digests([(person_id, vector)])
        self._sum %= _MODULUS
        # New arrays each time: who searches goes on with the old ones.
        ids, vectors = self._ids, self._vectors
        if here:
            ids, vectors = np.delete(ids, place), np.delete(vectors, place, axis=0)
        if vector is not None:
            ids = np.insert(ids, place, person_id)
            vectors = np.insert(vectors, place, vector, axis=0)
        self._ids, self._vectors = ids, vectors

    def _digests(self, rows: Sequence[tuple[int, npt.NDArray[np.float32]]]) -> int:
        vault = self._roster.vault
        return sum(template_digest(vault, number, vector) for number, vector in rows) % _MODULUS

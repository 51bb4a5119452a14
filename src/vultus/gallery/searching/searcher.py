"""Searching a gallery: templates that follow the store, and the names of who was found."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import Embeddings, EmbeddingSpace, TemplateSet
from vultus.core.errors import GalleryDamagedError
from vultus.core.results import Candidate
from vultus.gallery.people.roster import Roster
from vultus.gallery.searching.seen import look
from vultus.gallery.searching.templates import Templates
from vultus.gallery.stores.followed import FollowedStore, Following

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Ranked:
    """An answer, of one state of the gallery.

    Attributes:
        candidates: Of each probe face, best first.
        people_by_photos: Number of photos -> how many of those who were searched have so many.
    """

    candidates: list[tuple[Candidate, ...]]
    people_by_photos: Mapping[int, int]


class Searcher:
    """Finds people of one gallery; threads may share it.

    Args:
        roster: The people.
        space: Of the embeddings.
        path: Of a file for the templates; None keeps none.
    """

    def __init__(self, roster: Roster, space: EmbeddingSpace, *, path: Path | None = None) -> None:
        self._roster = roster
        self._store = roster.store
        self._space = space
        self._templates = Templates(roster, path)
        self._lock = threading.RLock()
        self._following: Following | None = None
        self._names: dict[int, str] = {}
        self._turn = 0
        self._cached: tuple[int, TemplateSet] | None = None

    def refresh(self, *, load: bool = True) -> None:
        """Bring what is in memory to what the store has now; who was erased is forgotten.

        Args:
            load: Whether to open everybody's template where that is needed.

        Raises:
            GalleryDamagedError: If a template was changed or is missing.
        """
        with self._lock:
            changed = self._templates.refresh(load=load)
            self._turn += 1
            for person_id in list(self._names) if changed is None else changed:
                self._names.pop(person_id, None)
            if self._cached is not None and self._cached[0] != self._store.position():
                self._cached = None

    def warm(self) -> None:
        """As `Gallery.warm`."""
        self._templates.warm()
        with self._lock:
            if self._following is None and isinstance(self._store, FollowedStore):
                self._following = self._store.follow(self.refresh)

    @property
    def position(self) -> int:
        """Position in the store's log of changes up to which the last search saw the gallery."""
        return self._templates.position

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads from searching meanwhile; to be taken before the store is."""
        with self._lock, self._templates.held():
            yield

    def close(self) -> None:
        """Let go of the templates, and of their file."""
        if self._following is not None:
            self._following.close()
        self._templates.close()

    def search(
        self, probe: Embeddings, *, rank: int, groups: Collection[str] | None = None
    ) -> Ranked:
        """As `Gallery.search`, for a probe of the gallery's space."""
        check_positive_int("rank", rank)
        for _ in range(_TRIES):
            if (found := self._search(probe, rank, groups)) is not None:
                return found
        with self._lock, self._store.transaction():  # nobody can be erased in the middle of it
            if (found := self._search(probe, rank, groups)) is not None:
                return found
        raise self._damaged()

    def template_set(self) -> TemplateSet:
        """As `Gallery.template_set`."""
        with self._lock, self._store.transaction():
            self.refresh()
            if self._cached is None:
                names: list[str] = []
                pages = [np.zeros((0, self._space.dim), np.float32)]
                for ids, vectors in self._templates.read():
                    named = self._named(ids)
                    if len(named) < len(ids):
                        raise self._damaged()
                    names += [named[number] for number in ids]
                    pages.append(vectors)
                vectors = np.concatenate(pages)
                self._cached = (
                    self._store.position(),
                    TemplateSet(vectors, tuple(names), self._space),
                )
            return self._cached[1]

    def _search(
        self, probe: Embeddings, rank: int, groups: Collection[str] | None
    ) -> Ranked | None:
        """None if the gallery was changed in the middle of it: the answer would be of no state."""
        seen = look(self._roster, groups)
        if not self._templates.fits(seen):
            self.refresh()
            seen = look(self._roster, groups)
        matches = self._templates.search(
            probe.vectors, rank=rank + len(seen.over), person_ids=seen.members
        )
        ids = [self._kept(match.ids.tolist(), seen.over)[:rank] for match in matches]
        names = self._named({number for each in ids for number in each})
        if any(number not in names for each in ids for number in each):
            return None
        if not self._templates.fits(seen):
            return None
        found = []
        for match, each in zip(matches, ids, strict=True):
            likeness = dict(zip(match.ids.tolist(), match.similarities.tolist(), strict=True))
            found.append(tuple(Candidate(names[one], likeness[one]) for one in each))
        return Ranked(found, seen.people_by_photos)

    def _kept(self, ids: Sequence[int], over: frozenset[int]) -> list[int]:
        """Those of some people whose time is not over."""
        gone = [number for number in ids if number in over]
        self._roster.get_many(gone)  # says so, if a time was changed to hide somebody
        return [number for number in ids if number not in over]

    def _damaged(self) -> GalleryDamagedError:
        return GalleryDamagedError(
            f"{self._store.location} is damaged: a person is missing; restore a backup"
        )

    def _named(self, ids: Collection[int]) -> dict[int, str]:
        """The names of those of some people who are there."""
        with self._lock:
            known = {number: self._names[number] for number in ids if number in self._names}
            turn = self._turn
        read = self._roster.get_many([number for number in ids if number not in known])
        names = {number: member.record.name for number, member in read.items()}
        with self._lock:
            if self._turn == turn:  # else they may have been read before what changed them
                self._names.update(names)
        return known | names

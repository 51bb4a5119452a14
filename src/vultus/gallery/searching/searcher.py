"""Searching a gallery: templates that follow the store, and the names of who was found."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import Embeddings, EmbeddingSpace, TemplateSet
from vultus.core.errors import GalleryDamagedError
from vultus.core.results import Candidate
from vultus.gallery.people.roster import Roster
from vultus.gallery.searching.templates import Templates

_TRIES = 3


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
        self._names: dict[int, str] = {}
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
            for person_id in list(self._names) if changed is None else changed:
                self._names.pop(person_id, None)
            if self._cached is not None and self._cached[0] != self._store.position():
                self._cached = None

    def warm(self) -> None:
        """As `Gallery.warm`."""
        self._templates.warm()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads from searching meanwhile; to be taken before the store is."""
        with self._lock, self._templates.held():
            yield

    def close(self) -> None:
        """Let go of the templates, and of their file."""
        self._templates.close()

    def search(
        self, probe: Embeddings, *, rank: int, groups: Collection[str] | None = None
    ) -> list[tuple[Candidate, ...]]:
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
                pages = list(self._templates.read())
                names = [self._name(number) for ids, _ in pages for number in ids]
                known = tuple(name for name in names if name is not None)
                if len(known) < len(names):
                    raise self._damaged()
                empty = np.zeros((0, self._space.dim), np.float32)
                vectors = np.concatenate([empty, *(page for _, page in pages)])
                self._cached = self._store.position(), TemplateSet(vectors, known, self._space)
            return self._cached[1]

    def _search(
        self, probe: Embeddings, rank: int, groups: Collection[str] | None
    ) -> list[tuple[Candidate, ...]] | None:
        """None if somebody was found who is erased by now."""
        self.refresh()
        members = None
        if groups is not None:
            members = {person for group in groups for person in self._store.members(group)}
        found = []
        for match in self._templates.search(probe.vectors, rank=rank, person_ids=members):
            names = [self._name(person_id) for person_id in match.ids.tolist()]
            known = [name for name in names if name is not None]
            if len(known) < len(names):
                return None
            candidates = zip(known, match.similarities.tolist(), strict=True)
            found.append(tuple(Candidate(*candidate) for candidate in candidates))
        return found

    def _damaged(self) -> GalleryDamagedError:
        return GalleryDamagedError(
            f"{self._store.location} is damaged: a person is missing; restore a backup"
        )

    def _name(self, person_id: int) -> str | None:
        # Under the lock, so that a name that was read before a change is not kept after it.
        with self._lock:
            if person_id not in self._names:
                member = self._roster.get(person_id)
                if member is None:
                    return None
                self._names[person_id] = member.record.name
            return self._names[person_id]

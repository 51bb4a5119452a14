"""Faces in bulk grouped by person: as `vultus.matching.clustering.cluster`, for a million of them.

Two groups are joined only where their mean similarity reaches the threshold, so some pair of faces
between them does: faces that no chain of such pairs connects are never joined. Each connected
component is thus grouped on its own, and the result is that of grouping all at once, but for the
last bits of float32 sums.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus import __version__
from vultus.bulk.forest import Edges, components
from vultus.bulk.neighbours import VectorFile, neighbour_forest
from vultus.bulk.workers import Outcome, Task, Workers, check_version
from vultus.core.checks import check_positive_int
from vultus.core.choices import DEFAULT_MOST_FACES
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, ProviderError
from vultus.core.progress import Progress
from vultus.core.results import Clustering
from vultus.core.thresholds import Threshold
from vultus.matching.clustering import MAX_FACES, cluster, numbered

Ints = npt.NDArray[np.int64]

_TASK_PAIRS = 25_000_000
"""Pairs of faces of one task: small components go together."""
_TASK_PIECES = 5_000
"""Components of one task: what says which they are is sent to the worker, and must be small."""


@dataclass(frozen=True, slots=True, eq=False)
class BulkClustering:
    """Very many faces, by person.

    Attributes:
        clustering: The groups.
        n_components: How many connected components of several faces there were.
        largest: Faces of the largest.
        divided: Faces in components that were too large to be grouped at once.
        settled: Whether the parts of all of those could be joined across their borders in the end;
            if not, somebody may be in several groups.
    """

    clustering: Clustering
    n_components: int
    largest: int
    divided: int
    settled: bool

    def notes(self) -> list[str]:
        """What there is to know of it, in words."""
        if not self.divided:
            return []
        text = (
            f"{self.divided:,} faces hang together by chance, more than are grouped at once: they "
            "were grouped in parts, held together by stricter thresholds"
        )
        end = "; then the groups were joined across the parts"
        return [text + (end if self.settled else "; one person may be in several groups")]


def cluster_faces(
    embeddings: Embeddings,
    threshold: Threshold,
    *,
    workers: Workers,
    scratch: Path,
    photos: Ints | None = None,
    raised: npt.NDArray[np.float32] | None = None,
    most_faces: int = DEFAULT_MOST_FACES,
    progress: Progress | None = None,
) -> BulkClustering:
    """Group very many faces by person.

    Args:
        embeddings: The faces; time grows with the square of their number.
        threshold: The rule between groups, as of `vultus.matching.clustering.cluster`.
        workers: Who does it; all must see ``scratch``.
        scratch: A folder for the vectors, and for how far it has come: killed and run again with
            the same faces and threshold, it goes on. Both are removed when it is done.
        photos: (n,) the photo of each face; None: no two share one.
        raised: (n,) as of `vultus.matching.clustering.cluster`.
        most_faces: Larger components are grouped in parts of at most so many faces, cut at their
            weakest links; memory in a worker is ``4 * most_faces ** 2`` bytes.
        progress: Told how far it is.

    Raises:
        InputError: If ``most_faces`` is not 2 to `vultus.matching.clustering.MAX_FACES`.
        ProviderError: If the cluster is gone, or processes die again and again.
    """
    check_positive_int("most_faces", most_faces)
    if not 2 <= most_faces <= MAX_FACES:
        raise InputError(f"most_faces must be 2 to {MAX_FACES:,}, got {most_faces:,}")
    state = scratch / "compared.npz"
    path = scratch / f"vectors-{secrets.token_hex(4)}.npy"
    for left in scratch.glob("vectors-*.npy"):  # of a run that was killed
        left.unlink()
    vectors = VectorFile.write(path, np.ascontiguousarray(embeddings.vectors))
    try:
        forest = neighbour_forest(
            vectors, threshold.similarity, workers=workers, state=state, progress=progress
        )
        faces = _Faces(vectors, embeddings.space, photos, raised)
        grouping = _Grouping(faces, threshold, most_faces)
        result = grouping.finish(forest, workers, progress)
    finally:
        path.unlink(missing_ok=True)
    state.unlink(missing_ok=True)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Faces that are grouped at once.

    Attributes:
        faces: (m,) their rows, ascending.
        photos: (m,) of each, or None.
        raised: (m,) of each, or None.
        tied: (m,) faces of one number are one group already, or None.
    """

    faces: Ints
    photos: Ints | None
    raised: npt.NDArray[np.float32] | None
    tied: Ints | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Faces:
    """All of them.

    Attributes:
        vectors: Of each.
        space: Of the vectors.
        photos: (n,) the photo of each, or None.
        raised: (n,) how much more similarity each needs, or None.
    """

    vectors: VectorFile
    space: EmbeddingSpace
    photos: Ints | None
    raised: npt.NDArray[np.float32] | None

    def piece(self, faces: Ints, tied: Ints | None = None) -> _Piece:
        photos = None if self.photos is None else self.photos[faces]
        raised = None if self.raised is None else self.raised[faces]
        return _Piece(faces, photos, raised, tied)


class _Grouping:
    """Each face's group so far: the smallest face of it."""

    def __init__(self, faces: _Faces, threshold: Threshold, most_faces: int) -> None:
        self.faces = faces
        self.threshold = threshold
        self.most_faces = most_faces
        self.group = np.arange(faces.vectors.n)

    def finish(self, forest: Edges, workers: Workers, progress: Progress | None) -> BulkClustering:
        n = self.faces.vectors.n
        whole = components(n, forest)
        sizes = np.bincount(whole, minlength=n)
        largest = int(sizes.max(initial=0))
        parts = components(n, bounded(forest, n, self.most_faces))
        self._run(list(self._pieces(parts)), workers, progress)
        settled = self._settle(whole, sizes, workers, progress)
        return BulkClustering(
            Clustering(numbered(self.group), self.threshold),
            int((sizes > 1).sum()),
            largest,
            int(sizes[sizes > self.most_faces].sum()),
            settled,
        )

    def _settle(
        self, whole: Ints, sizes: Ints, workers: Workers, progress: Progress | None
    ) -> bool:
        """Join groups across the parts of components that were divided, where they are few."""
        again, settled = [], True
        for root in np.flatnonzero(sizes > self.most_faces).tolist():
            faces = np.flatnonzero(whole == root)
            tied = self.group[faces]
            if len(np.unique(tied)) > self.most_faces:
                settled = False
            else:
                again.append(self.faces.piece(faces, tied))
        if again:
            self._run(again, workers, progress)
        return settled

    def _pieces(self, parts: Ints) -> Iterator[_Piece]:
        order = np.argsort(parts, kind="stable")
        starts = np.flatnonzero(np.diff(parts[order], prepend=-1))
        for faces in np.split(order, starts[1:]):
            if len(faces) > 1:
                yield self.faces.piece(faces)

    def _run(self, pieces: list[_Piece], workers: Workers, progress: Progress | None) -> None:
        n_faces = sum(len(piece.faces) for piece in pieces)
        done = 0

        def tell() -> None:
            if progress is not None:
                progress("grouping", done, n_faces)

        def after(outcome: Outcome) -> Sequence[Task]:
            nonlocal done
            if outcome.killed:
                raise ProviderError(
                    "every process that grouped some faces was killed: too little memory, "
                    "perhaps; start fewer processes, or group fewer faces at once"
                )
            for piece, group in zip(outcome.key, outcome.value, strict=True):
                self.group[piece.faces] = group
                done += len(piece.faces)
            tell()
            return ()

        tell()
        tasks = (
            (batch, (self.faces.vectors, self.faces.space, self.threshold, batch, __version__))
            for batch in _batches(pieces)
        )
        workers.run(tasks, _grouped, after=after)


def bounded(forest: Edges, n: int, most: int) -> Edges:
    """The edges of a maximum spanning forest without those that would join more than so many nodes.

    The heaviest are taken first, so a component that is too large is cut at its weakest links.

    Args:
        forest: Of `vultus.bulk.forest.spanning_forest`, the heaviest edge first.
        n: How many nodes there are.
        most: Nodes that may hang together.
    """
    whole = components(n, forest)
    too_large = np.bincount(whole, minlength=n) > most
    kept = ~too_large[whole[forest.a]]
    root, size = list(range(n)), [1] * n

    def found(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for number in np.flatnonzero(~kept).tolist():
        a, b = sorted((found(int(forest.a[number])), found(int(forest.b[number]))))
        if size[a] + size[b] <= most:
            root[b] = a
            size[a] += size[b]
            kept[number] = True
    return forest.chosen(kept)


def _batches(pieces: list[_Piece]) -> Iterator[tuple[_Piece, ...]]:
    """Pieces of one task each: small ones go together, the largest come first."""
    batch: list[_Piece] = []
    pairs = 0
    for piece in sorted(pieces, key=lambda piece: (-len(piece.faces), int(piece.faces[0]))):
        own = len(piece.faces) ** 2
        if batch and (pairs + own > _TASK_PAIRS or len(batch) == _TASK_PIECES):
            yield tuple(batch)
            batch, pairs = [], 0
        batch.append(piece)
        pairs += own
    if batch:
        yield tuple(batch)


def _grouped(
    vectors: VectorFile,
    space: EmbeddingSpace,
    threshold: Threshold,
    pieces: tuple[_Piece, ...],
    version: str,
) -> list[Ints]:
    """In a worker: each face's group, called by the smallest face of it."""
    check_version(version)
    groups = []
    for piece in pieces:
        rows = vectors.rows(piece.faces)
        faces = Embeddings(rows, np.ones(len(rows), np.float32), space)
        photos = None if piece.photos is None else piece.photos.tolist()
        labels = cluster(
            faces,
            threshold=threshold,
            photo_ids=photos,
            must_link=_ties(piece.tied),
            raised=piece.raised,
        ).labels
        _, first = np.unique(labels, return_index=True)
        groups.append(piece.faces[first[labels]])
    return groups


def _ties(tied: Ints | None) -> list[tuple[int, int]]:
    """Each face with the first of its group."""
    if tied is None:
        return []
    _, first, inverse = np.unique(tied, return_index=True, return_inverse=True)
    leaders = first[inverse]
    return [(int(leader), row) for row, leader in enumerate(leaders) if leader != row]

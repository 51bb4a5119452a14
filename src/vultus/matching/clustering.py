"""Clustering: group faces by person, with corrections by hand kept."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.results import Clustering
from vultus.core.thresholds import Threshold

MAX_FACES = 30_000
"""The similarity matrix of as many faces takes 3.6 GB."""

Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Constraints between faces, turned into constraints between starting groups.

    Attributes:
        groups: (n,) int64, the starting group of each face: faces tied by must-link share one.
        cannot: Pairs (a, b), a < b, of groups that may never be joined.
        shared: For a pair (a, b), a < b, of groups: how many pairs of faces, one of each group,
            come from the same photo. Pairs without any are left out.
    """

    groups: npt.NDArray[np.int64]
    cannot: frozenset[tuple[int, int]]
    shared: dict[tuple[int, int], int]

    @property
    def n_groups(self) -> int:
        """How many starting groups there are."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0


def cluster(
    embeddings: Embeddings,
    *,
    threshold: Threshold,
    photo_ids: Sequence[Hashable] | None = None,
    must_link: Pairs = (),
    cannot_link: Pairs = (),
    raised: npt.NDArray[np.float32] | None = None,
) -> Clustering:
    """Group faces by person; a face that is like no other is a group of its own.

    Average linkage: the two groups with the highest linkage are joined as long as it is at least
    the threshold's similarity t, where

        linkage(A, B) = mean similarity of a face of A with one of B - (1 - t) / 2 * f

    and f is the number of pairs (one face of A, one of B) from the same photo, over the number of
    faces in the smaller group, at most 1. So two faces of one photo are only taken for one person
    when they are at least half-way between the threshold and identity (a mirror, a collage), and
    two large groups that share one photo by accident are hardly held apart.

    The result is deterministic, and does not depend on the order of the faces but for ties and
    float32 rounding. Time and memory grow with n^2: 4 n^2 bytes, n being the number of faces, those
    tied by ``must_link`` counting as one.

    Args:
        embeddings: The faces; at most `MAX_FACES` that are not tied.
        threshold: The rule between groups. Its false match rate was measured on pairs of faces,
            not on groups.
        photo_ids: The photo of each face (anything hashable), or None: no two share a photo.
        must_link: Pairs of face indices that are the same person; joined before all else.
        cannot_link: Pairs of face indices that are different people; never joined.
        raised: (n,) float32, at least 0: how much more similarity each face needs with one as
            doubtful as itself (`vultus.quality.gate.QualityGate.raised_by`); of a pair, and of
            tied faces, the lower counts. It is taken off the pair's similarity. None asks the
            same of all.

    Raises:
        InputError: If constraints contradict each other or name no face, there are too many
            faces, or ``raised`` is of another length.

    Example:
        >>> from vultus.core.embeddings import EmbeddingSpace
        >>> space = EmbeddingSpace("toy", "0" * 64, "none", 2)
        >>> faces = Embeddings.from_raw(np.array([[1, 0.1], [0, 1], [1, 0]]), space)
        >>> cluster(faces, threshold=Threshold(0.5)).labels.tolist()
        [0, 1, 0]
    """
    constraints = resolve_constraints(
        len(embeddings), photo_ids=photo_ids, must_link=must_link, cannot_link=cannot_link
    )
    if constraints.n_groups > MAX_FACES:
        raise InputError(
            f"cluster takes at most {MAX_FACES:,} faces, got {constraints.n_groups:,}; split the "
            "folder, or see `vultus bulk cluster`"
        )
    agglomeration = _Agglomeration(embeddings.vectors, constraints, threshold.similarity)
    if raised is not None:
        check_array("raised", raised, dtype=np.float32, shape=(len(embeddings),))
        agglomeration.hold_apart(raised, constraints)
    final = agglomeration.run()
    return Clustering(numbered(final[constraints.groups]), threshold)


class _Agglomeration:
    """Groups, their mean similarities, and for each group its best partner so far.

    A joined group lives on in the lower of its two rows; the other row is dead (all -inf). Where
    photos are shared the linkage grows now and then when groups are joined, so that neighbour
    chains would be wrong. Here every pair of groups that may still be joined is covered: one of
    its two rows has a partner at least as good, so the best of all pairs is always found.
    """

    def __init__(
        self, vectors: npt.NDArray[np.float32], constraints: Constraints, cut: float
    ) -> None:
        self.cut = cut
        self.penalty = (1 - cut) / 2
        n = constraints.n_groups
        sizes = np.bincount(constraints.groups, minlength=n)
        self.sizes: npt.NDArray[np.float32] = sizes.astype(np.float32)
        sums = np.zeros((n, vectors.shape[1]), np.float32)
        np.add.at(sums, constraints.groups, vectors)
        means = sums / self.sizes[:, None]
        self.mean: npt.NDArray[np.float32] = means @ means.T
        np.fill_diagonal(self.mean, -np.inf)
        for a, b in constraints.cannot:
            self.mean[a, b] = self.mean[b, a] = -np.inf  # stays so in any average
        self.shared: list[dict[int, int]] = [{} for _ in range(n)]
        for (a, b), count in constraints.shared.items():
            self.shared[a][b] = self.shared[b][a] = count
        self.owner = np.arange(n)
        self.partner = np.zeros(n, np.int64)
        self.best = np.full(n, -np.inf, np.float32)
        for row in range(n):
            self._find_partner(row)

    def hold_apart(self, raised: npt.NDArray[np.float32], constraints: Constraints) -> None:
        """Take off the similarity of two groups what the less doubtful one's doubt raises."""
        least = np.full(len(self.best), np.inf, np.float32)
        np.minimum.at(least, constraints.groups, raised)
        rows = np.flatnonzero(least > 0)
        self.mean[np.ix_(rows, rows)] -= np.minimum.outer(least[rows], least[rows])
        for row in rows:
            self._find_partner(int(row))

    def run(self) -> npt.NDArray[np.int64]:
        """Join until nothing reaches the cut; gives the final row of each starting group."""
        while len(self.best):
            row = int(self.best.argmax())
            if self.best[row] < self.cut:
                break
            self._join(*sorted((row, int(self.partner[row]))))
        return self.owner

    def _linkage(self, row: int) -> npt.NDArray[np.float32]:
        shared = self.shared[row]
        linkage: npt.NDArray[np.float32] = self.mean[row]
        if not shared:
            return linkage
        linkage = linkage.copy()
        others = np.fromiter(shared, np.int64, len(shared))
        counts = np.fromiter(shared.values(), np.float32, len(shared))
        fraction = np.minimum(counts / np.minimum(self.sizes[others], self.sizes[row]), 1)
        linkage[others] -= np.float32(self.penalty) * fraction
        return linkage

    def _find_partner(self, row: int) -> None:
        linkage = self._linkage(row)
        self.partner[row] = linkage.argmax()
        self.best[row] = linkage[self.partner[row]]

    def _join(self, a: int, b: int) -> None:
        total = self.sizes[a] + self.sizes[b]
        share_a, share_b = self.sizes[a] / total, self.sizes[b] / total
        self.mean[a] = share_a * self.mean[a] + share_b * self.mean[b]
        self.mean[a, a] = self.mean[a, b] = -np.inf
        self.mean[:, a] = self.mean[a]
        self.mean[b] = -np.inf
        self.mean[:, b] = -np.inf
        self.sizes[a] = total
        self.best[b] = -np.inf
        self.owner[self.owner == b] = a
        self._move_shared(a, b)
        self._update_partners(a, b)

    def _move_shared(self, a: int, b: int) -> None:
        self.shared[a].pop(b, None)
        self.shared[b].pop(a, None)
        for other, count in self.shared[b].items():
            del self.shared[other][b]
            joint = count + self.shared[a].get(other, 0)
            self.shared[a][other] = self.shared[other][a] = joint
        self.shared[b] = {}

    def _update_partners(self, a: int, b: int) -> None:
        stale = (self.partner == a) | (self.partner == b)
        stale &= self.best >= self.cut  # what cannot be joined any more needs no right partner
        stale[a] = True
        for row in np.flatnonzero(stale):
            self._find_partner(int(row))


def numbered(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Number groups by size, largest first; equal sizes in the order of their first face.

    Args:
        rows: (n,) any number that the faces of a group share.
    """
    _, first, inverse, counts = np.unique(
        rows, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -counts))
    label = np.empty(len(order), np.int32)
    label[order] = np.arange(len(order))
    return label[inverse.reshape(len(rows))] if len(rows) else np.zeros(0, np.int32)


def resolve_constraints(
    n_faces: int,
    *,
    photo_ids: Sequence[Hashable] | None,
    must_link: Pairs,
    cannot_link: Pairs,
) -> Constraints:
    """Check the constraints, and express them between groups of must-linked faces.

    Args:
        n_faces: How many faces there are.
        photo_ids: The photo of each face, or None where every face has its own.
        must_link: Pairs of face indices that are the same person; transitive.
        cannot_link: Pairs of face indices that are different people.

    Raises:
        InputError: If an index is no face, ``photo_ids`` has another length, or the pairs
            contradict each other.
    """
    if photo_ids is not None and len(photo_ids) != n_faces:
        raise InputError(
            f"photo_ids must have one entry per face, got {len(photo_ids)} for {n_faces} faces"
        )
    groups = _joined(n_faces, _checked("must_link", must_link, n_faces))
    cannot: set[tuple[int, int]] = set()
    for i, j in _checked("cannot_link", cannot_link, n_faces):
        a, b = sorted((int(groups[i]), int(groups[j])))
        if a == b:
            raise InputError(
                f"cannot_link contains ({i}, {j}), but must_link ties these two faces together; "
                "remove one of the two"
            )
        cannot.add((a, b))
    return Constraints(groups, frozenset(cannot), _shared(groups, photo_ids))


def _checked(name: str, pairs: Pairs, n_faces: int) -> list[tuple[int, int]]:
    checked = []
    for pair in pairs:
        i, j = pair
        if not (0 <= i < n_faces and 0 <= j < n_faces):
            raise InputError(
                f"{name} must hold pairs of face indices in [0, {n_faces}), got {pair!r}"
            )
        if i == j:
            raise InputError(f"{name} must hold pairs of two different faces, got ({i}, {j})")
        checked.append((int(i), int(j)))
    return checked


def _joined(n_faces: int, pairs: Pairs) -> npt.NDArray[np.int64]:
    parent = list(range(n_faces))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in pairs:
        a, b = sorted((root(i), root(j)))
        parent[b] = a
    roots = np.array([root(i) for i in range(n_faces)], np.int64)
    return np.asarray(np.unique(roots, return_inverse=True)[1], np.int64).reshape(n_faces)


def _shared(
    groups: npt.NDArray[np.int64], photo_ids: Sequence[Hashable] | None
) -> dict[tuple[int, int], int]:
    faces_of: dict[Hashable, list[int]] = {}
    for face, photo in enumerate(photo_ids if photo_ids is not None else ()):
        faces_of.setdefault(photo, []).append(face)
    shared: dict[tuple[int, int], int] = {}
    for faces in faces_of.values():
        for i, j in combinations(faces, 2):
            a, b = sorted((int(groups[i]), int(groups[j])))
            if a != b:
                shared[a, b] = shared.get((a, b), 0) + 1
    return shared

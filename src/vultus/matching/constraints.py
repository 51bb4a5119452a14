"""What a clustering must respect: who belongs together, who does not, who shares a photo."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError

__all__ = ["Constraints", "Pairs", "resolve_constraints"]

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

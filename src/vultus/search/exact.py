"""Exact search: every probe compared with every enrolled person."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import Embeddings, Template, TemplateSet, check_same_space
from vultus.core.results import Candidate
from vultus.search.near import (
    Wanted,
    lowest_worth,
    near_pairs,
    pair_similarities,
    ranked,
)
from vultus.search.tiles import similarity_tiles

_TILE_PROBES = 128
_TILE_VECTORS = 1 << 16
_STRIDE = 64


def search(
    probe: Embeddings, templates: TemplateSet | Sequence[Template], *, rank: int = 5
) -> list[tuple[Candidate, ...]]:
    """Rank the enrolled people by similarity to each probe face; exact.

    A similarity does not depend on what else is in the probe or the gallery: the best are found
    with a fast float32 product, then computed again pair by pair in float64.

    Args:
        probe: The faces looked for.
        templates: The enrolled people; may be none.
        rank: How many candidates to give per face, at least 1.

    Returns:
        One tuple per probe row, best first, ties in the order of enrolment; fewer than ``rank``
        candidates when fewer people are enrolled.

    Raises:
        InputError: If ``rank`` is not positive, or an identity occurs twice.
        SpaceMismatchError: If probe and templates are of different spaces.
    """
    check_positive_int("rank", rank)
    if not isinstance(templates, TemplateSet):
        if not templates:
            return [() for _ in range(len(probe))]
        templates = TemplateSet.from_templates(templates)
    check_same_space(probe.space, templates.space)
    if not len(templates):
        return [() for _ in range(len(probe))]
    wanted = Wanted(min(rank, len(templates)))
    pairs = near_pairs(probe.vectors, templates.vectors, wanted)
    answered = pair_similarities(probe.vectors, templates.vectors, pairs)
    places = ranked(pairs.probes, answered, pairs.rows, n_probes=len(probe), rank=wanted.rank)
    names = templates.identities
    return [
        tuple(
            Candidate(names[row], similarity)
            for row, similarity in zip(
                pairs.rows[own].tolist(), answered[own].tolist(), strict=True
            )
        )
        for own in places
    ]


def near_rows(
    probes: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    *,
    near: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.int64]],
    left_out: npt.NDArray[np.bool_] | None = None,
) -> list[npt.NDArray[np.int64]]:
    """The rows that an answer must be looked for among, from float32 products tile by tile.

    Args:
        probes: (p, dim) float32.
        vectors: (n, dim) float32.
        near: What gives the rows of interest of one tile: who is not among the best there is not
            among the best of all.
        left_out: (n,) rows that must not be found; they come to ``near`` as -inf. None for none.

    Returns:
        Ascending row numbers per probe.
    """
    found: list[list[npt.NDArray[np.int64]]] = [[np.zeros(0, np.int64)] for _ in probes]
    tiles = similarity_tiles(probes, vectors, n_rows=_TILE_PROBES, n_columns=_TILE_VECTORS)
    for rows, columns, similarities in tiles:
        if left_out is not None:
            similarities[:, left_out[columns]] = -np.inf
        for own, rough in zip(found[rows], similarities, strict=True):
            own.append(near(rough) + columns.start)
    return [np.concatenate(own) for own in found]


def exact_similarities(
    vectors: npt.NDArray[np.float32], row: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """What every search answers: summed in float64, cut to [-1, 1], rounded to float32.

    Args:
        vectors: (n, dim) float32.
        row: (dim,) float32.

    Returns:
        (n,) float32; the value of a row does not depend on the others.
    """
    products = vectors.astype(np.float64) * row.astype(np.float64)
    return np.asarray(np.clip(products.sum(axis=1), -1, 1), np.float32)


def near_best(rough: npt.NDArray[np.float32], *, rank: int, error: float) -> npt.NDArray[np.int64]:
    """The rows among which the ``rank`` best must be, all that tie with them included.

    Args:
        rough: (n,) similarities, each off by ``error`` at most.
        rank: How many are asked for, at least 1; rows of -inf are never among them.
        error: At least 0.

    Returns:
        Row numbers in ascending order.
    """
    n_blocks = len(rough) // _STRIDE
    floor = -np.inf
    if n_blocks > rank:
        # Row i belongs to block i mod n_blocks: one pass, and neighbours that are alike (photos
        # of one person) fall into different blocks. `rank` rows reach the least of the `rank`
        # best maxima, so the cut is at least that.
        maxima = rough[: n_blocks * _STRIDE].reshape(_STRIDE, n_blocks).max(axis=0)
        floor = float(np.partition(maxima, n_blocks - rank)[n_blocks - rank])
    near = near_above(rough, floor - error, error=error)
    if len(near) <= rank:
        return near
    cut = np.partition(rough[near], len(near) - rank)[len(near) - rank]
    return near[near_above(rough[near], float(cut) - error, error=error)]


def near_above(
    rough: npt.NDArray[np.float32], threshold: float, *, error: float
) -> npt.NDArray[np.int64]:
    """The rows among which everyone answered with ``threshold`` or more must be.

    Args:
        rough: (n,) similarities, each off by ``error`` at most; -inf is never among them.
        threshold: Least similarity.
        error: At least 0.

    Returns:
        Row numbers in ascending order.
    """
    return np.flatnonzero(rough >= _below(lowest_worth(threshold) - error))


def _below(value: float) -> np.float32:
    """A float32 that is no larger than ``value``."""
    below: np.float32 = np.nextafter(np.float32(value), np.float32(-np.inf))
    return below

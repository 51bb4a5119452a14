"""The ways of searching rows: all compared, or those that codes do not rule out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.search import coded
from vultus.search.approximate import agreeing, signs
from vultus.search.near import Pairs, Wanted, near_pairs, pair_similarities, ranked
from vultus.search.rows import Ids, Rows, Vectors

Way = Literal["exact", "coded", "coded, then exact", "approximate"]
By = Literal["vectors", "codes"] | int
MOST_CODED_RANK = 500
"""Longer lists are taken from all rows: their candidates would fill the scan's buffer."""
FEW = 8
"""A filter that leaves an eighth of the rows or less has these copied, and only these compared."""
_PROBES_AT_ONCE = 64
_BYTES_PER_THREAD = 1 << 22
"""Codes below which a thread costs more than it brings."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchAnswer:
    """What was found for one probe.

    Attributes:
        ids: (n,) int64, best first; of equally similar ones the smaller number first, which without
            numbers of one's own is who was added first.
        similarities: (n,) float32 in [-1, 1].
        way: ``"exact"``: all rows compared. ``"coded"``: codes told which rows could be among the
            best. ``"coded, then exact"``: they could not tell enough. The answer is the same.
            ``"approximate"``: only rows with similar signs were compared, as was asked for.
        reranked: Rows whose similarity was computed in float64.
    """

    ids: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]
    way: Way
    reranked: int


class Kept(NamedTuple):
    """Which rows may be found.

    Attributes:
        n: How many.
        few: Their numbers where they are few, else None.
        mask: (n,) bool where they are many, else None; None and no ``few``: all that are alive.
    """

    n: int
    few: Ids | None = None
    mask: npt.NDArray[np.bool_] | None = None


class Found(NamedTuple):
    """What a search of rows found: per pair, then per probe.

    Attributes:
        owners: (m,) int64 probes.
        similarities: (m,) float32 as answered.
        ids: (m,) int64.
        reranked: (p,) int64 rows whose similarity was computed in float64.
        ways: (p,) how each probe's answer came about.
    """

    owners: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]
    ids: Ids
    reranked: npt.NDArray[np.int64]
    ways: list[Way]


def kept_rows(
    rows: Rows,
    *,
    mask: npt.NDArray[np.bool_] | None,
    groups: Collection[int] | None,
    among: Ids | None,
) -> Kept:
    """The rows that pass all filters; None filters nothing.

    Args:
        rows: The rows.
        mask: (n_alive,) bool, in the order of the living rows.
        groups: Groups that may be found.
        among: Numbers that may be found, ascending; others than those here do not matter.
    """
    if mask is None and groups is None and among is None:
        return Kept(rows.n_alive)
    if among is not None and len(among) * FEW <= len(rows):
        few = rows.places(among)
        few = np.sort(few[few >= 0])
        if mask is not None:
            few = few[_spread(mask, rows.alive)[few]]
        if groups is not None:
            few = few[np.isin(rows.groups()[few], list(groups))]
        return Kept(len(few), few=few)
    kept = rows.alive.copy() if mask is None else _spread(mask, rows.alive)
    if among is not None:
        places = rows.places(among)
        named = np.zeros(len(kept), np.bool_)
        named[places[places >= 0]] = True
        kept &= named
    if groups is not None:
        kept &= np.isin(rows.groups(), list(groups))
    count = int(np.count_nonzero(kept))
    if count * FEW <= len(kept):
        return Kept(count, few=np.flatnonzero(kept))
    return Kept(count, mask=kept)


def _spread(mask: npt.NDArray[np.bool_], alive: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A mask of the living rows -> one of all rows."""
    spread = alive.copy()
    spread[alive] = mask
    return spread


def search_rows(
    rows: Rows, probes: Vectors, wanted: Wanted, kept: Kept, *, by: By, threads: int
) -> Found:
    """All pairs among which the answers are, with their exact similarities.

    Args:
        rows: The rows.
        probes: (p, dim) float32, rows of length 1.
        wanted: What is asked for.
        kept: Which rows may be found.
        by: ``"vectors"`` compares all, ``"codes"`` must be there; a number of rows compares those
            whose signs agree best.
        threads: Of a scan of codes, at most.
    """
    wanted = Wanted(None if wanted.rank is None else min(wanted.rank, kept.n), wanted.threshold)
    while True:
        if not kept.n:
            pairs = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
            ways: list[Way] = ["exact"] * len(probes)
        elif by == "codes":
            pairs, ways = _by_codes(rows, probes, wanted, kept, threads)
        elif by != "vectors" and kept.n > by:
            pairs, ways = _by_signs(rows, probes, by, kept), ["approximate"] * len(probes)
        else:
            pairs, ways = _by_all(rows, probes, wanted, kept), ["exact"] * len(probes)
        similarities = pair_similarities(probes, rows.vectors(pairs.rows), pairs)
        ids = rows.ids(pairs.rows)[pairs.rows]
        if rows.still_alive(pairs.rows):
            break
        # Another process erased one of them meanwhile, whose vector may have been read half.
        kept = _without_dead(rows, kept)
    reranked = np.bincount(pairs.probes, minlength=len(probes))
    if wanted.threshold is not None:
        alike = similarities.astype(np.float64) >= wanted.threshold
        return Found(pairs.probes[alike], similarities[alike], ids[alike], reranked, ways)
    return Found(pairs.probes, similarities, ids, reranked, ways)


def _without_dead(rows: Rows, kept: Kept) -> Kept:
    if kept.few is not None:
        few = kept.few[rows.alive[kept.few]]
        return Kept(len(few), few=few)
    if kept.mask is not None:
        mask = kept.mask & rows.alive
        return Kept(int(np.count_nonzero(mask)), mask=mask)
    return Kept(rows.n_alive)


def _by_all(rows: Rows, probes: Vectors, wanted: Wanted, kept: Kept) -> Pairs:
    if kept.few is not None:
        vectors = rows.vectors(kept.few)[kept.few]
        pairs = near_pairs(probes, vectors, wanted)
        return Pairs(pairs.probes, kept.few[pairs.rows])
    mask = rows.alive if kept.mask is None else kept.mask
    left_out = None if kept.n == len(rows) else ~mask
    return near_pairs(probes, rows.vectors(), wanted, left_out=left_out)


def _by_codes(
    rows: Rows, probes: Vectors, wanted: Wanted, kept: Kept, threads: int
) -> tuple[Pairs, list[Way]]:
    codes = rows.codes()
    mask = kept.mask
    if kept.few is not None:
        mask = np.zeros(len(rows), np.bool_)
        mask[kept.few] = True
    elif mask is None and not rows.all_found():
        mask = rows.alive
    threads = min(threads, 1 + codes.codes.size // _BYTES_PER_THREAD)
    owners, found = [], []
    ways: list[Way] = []
    for start in range(0, len(probes), _PROBES_AT_ONCE):
        part = probes[start : start + _PROBES_AT_ONCE]
        near = coded.candidates(
            codes, part, rank=wanted.rank, threshold=wanted.threshold, keep=mask, threads=threads
        )
        for number, own in enumerate(near, start):
            if own is None:
                own = _by_all(rows, probes[number : number + 1], wanted, kept).rows
                ways.append("coded, then exact")
            else:
                ways.append("coded")
            owners.append(np.full(len(own), number))
            found.append(own)
    none = np.zeros(0, np.int64)
    return Pairs(np.concatenate([none, *owners]), np.concatenate([none, *found])), ways


def _by_signs(rows: Rows, probes: Vectors, n_wanted: int, kept: Kept) -> Pairs:
    own, mask = rows.signs(), kept.mask
    if kept.few is not None:
        mask = np.zeros(len(rows), np.bool_)
        mask[kept.few] = True
    elif mask is None and kept.n < len(rows):
        mask = rows.alive
    near = [agreeing(own, probe, n_wanted, kept=mask) for probe in signs(probes)]
    owners = np.repeat(np.arange(len(probes)), [len(part) for part in near])
    return Pairs(owners, np.concatenate([np.zeros(0, np.int64), *near]))


def kept_in(
    parts: Sequence[Rows],
    *,
    mask: npt.NDArray[np.bool_] | None,
    groups: Collection[int] | None,
    among: Ids | None,
) -> list[Kept]:
    """`kept_rows` of each part; the mask is of the living rows of all.

    Raises:
        InputError: If the mask is malformed.
    """
    if mask is not None:
        n_alive = sum(part.n_alive for part in parts)
        check_array("mask", mask, dtype=np.bool_, shape=(n_alive,))
    kept, first = [], 0
    for part in parts:
        own = None if mask is None else mask[first : first + part.n_alive]
        first += part.n_alive
        kept.append(kept_rows(part, mask=own, groups=groups, among=among))
    return kept


def merged(
    founds: list[Found], sizes: list[int], *, n_probes: int, rank: int | None
) -> list[SearchAnswer]:
    """The answers from what was found in several parts.

    Args:
        founds: At least one.
        sizes: Rows of each part; how an answer came about is told of the largest.
        n_probes: How many answers to give.
        rank: How long they are at most; None for all.
    """
    owners, similarities, ids, reranked, _ = founds[0]
    if len(founds) > 1:
        owners = np.concatenate([found.owners for found in founds])
        similarities = np.concatenate([found.similarities for found in founds])
        ids = np.concatenate([found.ids for found in founds])
        reranked = np.sum([found.reranked for found in founds], axis=0)
    ways = founds[int(np.argmax(sizes))].ways
    lists = ranked(owners, similarities, ids, n_probes=n_probes, rank=rank)
    return [
        SearchAnswer(*own, way, n)
        for own, way, n in zip(lists, ways, reranked.tolist(), strict=True)
    ]

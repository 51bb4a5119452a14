"""Every face against every other, counted by the groups of its two people.

A group is a cell of labels that are crossed, such as women of 30 to 49. Comparisons across cells
are easier than those inside one, so each pair of cells is counted for itself: (g, g) tables, from
which coarser ones are sums. Draws of people with replacement are counted along, so that an interval
can be given for whatever is made of the tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.core.progress import Progress, tracked
from vultus.core.rows import freeze_arrays
from vultus.evaluation.measures.score_stream import ImpostorScores, ImpostorStream
from vultus.search.tiles import similarity_tiles

CELL_TAIL = 20_000
"""Highest scores inside a cell that are kept one by one, at least: FMR 1e-2 of 2,000 people."""
ALL_TAILS = 2_000_000
"""Those of all cells together, where that is more for each: 80 MB while they are collected."""

_DENSE = 64
"""A tile with more errors than one score in so many is summed up by a matrix product."""
_PORTION = 4096
"""Errors whose people are looked up at once: 16 MiB for 1,000 draws."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Came = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class GroupCounts:
    """Comparisons and errors of every pair of cells; all tables are symmetric.

    Attributes:
        trials: (g, g) int64, comparisons of a face of one cell with one of the other.
        errors: (g, g) int64, how many of them were decided wrongly.
        trial_draws: (b, g, g) float64, the same in each draw of people.
        error_draws: (b, g, g) float64.
    """

    trials: Ints
    errors: Ints
    trial_draws: Floats
    error_draws: Floats

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True, eq=False)
class GroupImpostors:
    """Impostor comparisons by pairs of cells.

    Attributes:
        counts: At the threshold.
        inside: Of each cell, the scores inside of it; ``tail_pairs`` are rows of the input.
    """

    counts: GroupCounts
    inside: tuple[ImpostorScores, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CellFaces:
    """Faces: whose they are, and in which cell.

    Attributes:
        people: (n,) int64 in [0, p).
        cells: (n,) int64 in [0, g); a person may be in several.
        n_cells: g; a cell may be empty.

    Raises:
        InputError: If shapes, dtypes or ranges do not match.
    """

    people: Ints
    cells: Ints
    n_cells: int

    def __post_init__(self) -> None:
        check_array("people", self.people, dtype=np.int64, shape=("n",))
        check_array("cells", self.cells, dtype=np.int64, shape=self.people.shape)
        check_positive_int("n_cells", self.n_cells)
        if self.people.min(initial=0) < 0:
            raise InputError("people must be numbers from 0, got one below")
        if self.cells.min(initial=0) < 0 or self.cells.max(initial=0) >= self.n_cells:
            raise InputError(f"cells must be numbers from 0 to {self.n_cells - 1}, got another")
        freeze_arrays(self)


def draw_people(n_people: int, *, draws: int, generator: np.random.Generator) -> Came:
    """How often each person comes in draws of all people, with replacement.

    Args:
        n_people: How many there are.
        draws: b, how many times to draw; 0 for none.
        generator: Source of randomness.

    Returns:
        (n_people, b) uint8; 255 stands for more, which nobody will see.
    """
    check_positive_int("n_people", n_people)
    check_positive_int("draws", draws, minimum=0)
    came = np.empty((n_people, draws), np.uint8)
    for draw in range(draws):
        drawn = generator.integers(0, n_people, n_people)
        came[:, draw] = np.bincount(drawn, minlength=n_people).clip(0, 255)
    return came


def group_impostors(
    vectors: npt.NDArray[np.float32],
    faces: CellFaces,
    *,
    came: Came,
    threshold: float,
    progress: Progress | None = None,
) -> GroupImpostors:
    """Compare every face with every other of another person; two faces of one never meet.

    In a draw a comparison counts as often as the product of how often its two people came; copies
    of one person are not compared.

    Args:
        vectors: (n, dim) float32 unit rows.
        faces: Whose and where, one a row.
        came: (p, b) of `draw_people`.
        threshold: A comparison at or above it is a false match.
        progress: Told how many pairs of cells are done.

    Raises:
        InputError: If lengths do not match.
    """
    check_array("vectors", vectors, dtype=np.float32, shape=(len(faces.people), "dim"))
    check_range("threshold", threshold)
    if faces.people.max(initial=0) >= len(came):
        raise InputError(f"people must be numbers below {len(came)}, those that were drawn")
    order = np.argsort(faces.cells, kind="stable")
    counting = _Impostors(vectors[order], faces.people[order], came, threshold)
    ends = np.cumsum(np.bincount(faces.cells, minlength=faces.n_cells)).tolist()
    spans = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    g = faces.n_cells
    errors, error_draws = np.zeros((g, g), np.int64), np.zeros((came.shape[1], g, g))
    streams = [ImpostorStream(tail=max(CELL_TAIL, ALL_TAILS // g)) for _ in range(g)]
    pairs = [(one, other) for one in range(g) for other in range(one, g)]
    for one, other in tracked(pairs, "comparing groups", total=len(pairs), progress=progress):
        found, drawn = counting.compare(spans[one], spans[other], streams[one])
        errors[one, other] = errors[other, one] = found
        error_draws[:, one, other] = error_draws[:, other, one] = drawn
    inside = tuple(_in_order(stream.collect(), order) for stream in streams)
    trials, trial_draws = _impostor_trials(faces, came)
    return GroupImpostors(GroupCounts(trials, errors, trial_draws, error_draws), inside)


class _Impostors:
    """Faces sorted by cell, compared block by block."""

    def __init__(
        self, vectors: npt.NDArray[np.float32], people: Ints, came: Came, threshold: float
    ) -> None:
        self._vectors = vectors
        self._people = people
        self._came = came
        # The lowest float32 that is at least the threshold: comparing decides as float64 would.
        single = np.float32(threshold)
        self._least = single if float(single) >= threshold else np.nextafter(single, np.float32(2))

    def compare(self, one: slice, other: slice, stream: ImpostorStream) -> tuple[int, Floats]:
        """False matches between two cells, and in each draw; inside one its scores are kept."""
        same = one == other
        found, drawn = 0, np.zeros(self._came.shape[1])
        columns = None if same else self._vectors[other]
        for rows, places, scores in similarity_tiles(self._vectors[one], columns):
            top, left = one.start + rows.start, other.start + places.start
            first = self._people[top : top + len(scores)]
            second = self._people[left : left + scores.shape[1]]
            strangers = first[:, None] != second
            if same and top == left:
                strangers = np.triu(strangers, 1)
            if same:
                stream.add_tile(scores, top=top, left=left, chosen=strangers)
            errors = strangers & (scores >= self._least)
            found += int(np.count_nonzero(errors))
            drawn += self._drawn(errors, first, second)
        return found, drawn

    def _drawn(self, errors: npt.NDArray[np.bool_], first: Ints, second: Ints) -> Floats:
        """(b,) how many errors each draw holds."""
        draws = np.zeros(self._came.shape[1])
        if not len(draws):
            return draws
        rows, columns = np.nonzero(errors)
        if len(rows) * _DENSE > errors.size:
            partners = errors.astype(np.float32) @ self._came[second].astype(np.float32)
            return np.asarray(np.vecdot(self._came[first].T, partners.T, dtype=np.float64))
        for start in range(0, len(rows), _PORTION):
            part = slice(start, start + _PORTION)
            weights = self._came[first[rows[part]]].astype(np.float32)
            weights *= self._came[second[columns[part]]]
            draws += weights.sum(axis=0, dtype=np.float64)
        return draws


def _in_order(scores: ImpostorScores, order: Ints) -> ImpostorScores:
    """The same with pairs as rows of the input."""
    pairs = np.sort(order[scores.tail_pairs], axis=1)
    return ImpostorScores(scores.tail, pairs, scores.tail_floor, scores.counts)


def _impostor_trials(faces: CellFaces, came: Came) -> tuple[Ints, Floats]:
    """Comparisons of two different people, by pairs of cells: (g, g), and (b, g, g) in draws."""
    g = faces.n_cells
    # Of each person, how many faces in which cell: few cells a person, however many there are.
    filled, sizes = np.unique(faces.people * g + faces.cells, return_counts=True)
    owners, places = filled // g, filled % g
    codes, products, whose = _own_pairs(owners, places, sizes, g)
    all_once = np.ones((len(came), 1), np.uint8)
    tables = []
    for weights in (all_once, came):
        table = np.empty((weights.shape[1], g, g))
        for draw in range(weights.shape[1]):
            times = weights[:, draw].astype(np.float64)
            present = np.bincount(places, sizes * times[owners], minlength=g)
            own = np.bincount(codes, products * times[whose] ** 2, minlength=g * g)
            table[draw] = np.outer(present, present) - own.reshape(g, g)
            table[draw][np.diag_indices(g)] /= 2
        tables.append(table)
    return tables[0][0].round().astype(np.int64), tables[1]


def _own_pairs(owners: Ints, places: Ints, sizes: Ints, g: int) -> tuple[Ints, Ints, Ints]:
    """Pairs of cells that one person is in, ordered: code, product of sizes, and whose it is."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    lengths = np.diff(starts, append=len(owners))
    none = np.zeros(0, np.int64)
    codes, products, whose = [none], [none], [none]
    for shift in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(np.repeat(lengths, lengths) > shift)
        begins = np.repeat(starts, lengths)[rows]
        others = begins + (rows - begins + shift) % np.repeat(lengths, lengths)[rows]
        codes.append(places[rows] * g + places[others])
        products.append(sizes[rows] * sizes[others])
        whose.append(owners[rows])
    return np.concatenate(codes), np.concatenate(products), np.concatenate(whose)


def group_genuine(
    similarities: npt.NDArray[np.floating],
    *,
    people: Ints,
    cells: Ints,
    came: Came,
    n_cells: int,
    threshold: float,
) -> GroupCounts:
    """Count genuine comparisons by pairs of cells.

    Args:
        similarities: (n,) of each comparison; ``-inf`` for one with a face that was not found.
        people: (n,) int64 in [0, p), whose each comparison is.
        cells: (n, 2) int64 in [0, g), the cells of its two faces.
        came: (p, b) of `draw_people`; a comparison counts as often as its person came.
        n_cells: g.
        threshold: A comparison below it is a false non-match.

    Raises:
        InputError: If shapes or dtypes do not match.
    """
    n = len(similarities)
    check_array("people", people, dtype=np.int64, shape=(n,))
    check_array("cells", cells, dtype=np.int64, shape=(n, 2))
    check_range("threshold", threshold)
    g = check_positive_int("n_cells", n_cells)
    codes = cells.min(axis=1, initial=g) * g + cells.max(axis=1, initial=0)
    # Added up by person first: a person of many photos has many comparisons, and one weight.
    filled, inverse = np.unique(people * (g * g) + codes, return_inverse=True)
    tried = np.bincount(inverse, minlength=len(filled))
    missed = np.bincount(inverse[similarities < threshold], minlength=len(filled))
    whose, places = filled // (g * g), filled % (g * g)

    def table(counts: npt.NDArray[np.integer], times: Came) -> Floats:
        tables = np.empty((times.shape[1], g, g))
        for draw in range(len(tables)):
            upper = np.bincount(places, counts * times[whose, draw], minlength=g * g)
            square = upper.reshape(g, g)
            tables[draw] = square + np.triu(square, 1).T
        return tables

    once = np.ones((len(came), 1), np.uint8)
    trials, errors = (table(counts, once)[0].astype(np.int64) for counts in (tried, missed))
    return GroupCounts(trials, errors, table(tried, came), table(missed, came))


def genuine_pairs(people: Ints) -> tuple[Ints, Ints]:
    """Every pair of photos of one person: (n,) int64 first and second, positions of photos.

    Example:
        >>> first, second = genuine_pairs(np.array([5, 7, 5, 5]))
        >>> list(zip(first.tolist(), second.tolist()))
        [(0, 2), (0, 3), (2, 3)]
    """
    found = list(_pairs_of_each(people))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first, second = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second


def _pairs_of_each(people: Ints) -> Iterator[tuple[Ints, Ints]]:
    order = np.argsort(people, kind="stable")
    starts = np.flatnonzero(np.diff(people[order], prepend=-1))
    for own in np.split(order, starts[1:]):
        if len(own) > 1:
            one, other = np.triu_indices(len(own), 1)
            yield own[one], own[other]


def threshold_for_share(
    inside: ImpostorScores, share: float, *, people: Ints, came: Came, trials: Floats
) -> tuple[float, Floats]:
    """The threshold at which a cell's own false match rate is at most ``share``.

    Args:
        inside: The scores inside of the cell.
        share: The rate, in (0, 1).
        people: (n,) int64, who each face of ``tail_pairs`` is.
        came: (p, b) of `draw_people`.
        trials: (b,) float64, comparisons inside the cell in each draw.

    Returns:
        The lowest threshold with at most that share at or above it (just above the highest score
        that may not match), and (b,) the same in each draw of people; nan in draws that say
        nothing, which are all where the kept scores do not reach that far down.

    Raises:
        InputError: If the cell has no comparison.
    """
    check_range("share", share, low=0, high=1, low_open=True, high_open=True)
    if not len(inside):
        raise InputError("a threshold needs comparisons inside the cell, there is none")
    allowed = int(share * len(inside) + 1e-9)
    draws = np.full(came.shape[1], np.nan)
    if allowed >= len(inside.tail):  # below the kept scores: the edge of a bin, on the safe side
        curve = inside.curve(np.zeros(0, np.float32), n_genuine=1)
        kept = curve.thresholds[curve.n_false_matches <= allowed]
        return float(kept[-1]), draws
    value = _above(inside.tail, np.arange(1, len(inside.tail) + 1.0), allowed)
    pairs = people[inside.tail_pairs]
    for draw in range(len(draws)):
        times = came[:, draw].astype(np.float64)
        weights = np.cumsum(times[pairs[:, 0]] * times[pairs[:, 1]])
        draws[draw] = _above(inside.tail, weights, share * trials[draw])
    return value, draws


def _above(tail: npt.NDArray[np.float32], weights: Floats, allowed: float) -> float:
    """The lowest threshold at which the weight at or above is at most ``allowed``; tail falling."""
    over = np.flatnonzero(weights > allowed + 1e-9)
    if not len(over):
        return float("nan")
    # Equal scores match together or not at all.
    return float(np.nextafter(tail[over[0]], np.float32(2)))

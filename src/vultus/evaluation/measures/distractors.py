"""Probes against distractors that stream by: ranks in ever larger galleries, and error rates.

Whether a mate is among the first k of a gallery depends on the k highest scores of its probe
alone, and those are all that is kept of n x m scores: memory does not grow with the distractors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, frozen
from vultus.core.embeddings import Embeddings, check_same_space
from vultus.core.errors import InputError
from vultus.evaluation.measures.identification import NEVER
from vultus.evaluation.measures.intervals import (
    BOOTSTRAP_DRAWS,
    Floats,
    Interval,
    percentile_interval,
    resampled,
    trials_interval,
)
from vultus.evaluation.measures.score_stream import TAIL, ImpostorScores, ImpostorStream
from vultus.search.tiles import similarity_tiles

MAX_RANK = 20
"""Ranks are known up to this one."""

_TRIALS_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class DistractorScores:
    """What is kept of the scores of probes against distractors.

    Attributes:
        sizes: Rising numbers of distractors; the last is that of all.
        highest: One (n, `MAX_RANK`) float32 a size: the highest scores of each probe among the
            first so many distractors, falling, ``-inf`` where there are fewer.
        impostors: All comparisons; pairs are row of the probe, number of the distractor.
    """

    sizes: tuple[int, ...]
    highest: tuple[npt.NDArray[np.float32], ...]
    impostors: ImpostorScores

    def __post_init__(self) -> None:
        object.__setattr__(self, "highest", tuple(frozen(scores) for scores in self.highest))

    def ranks(
        self, probes: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], *, size: int
    ) -> npt.NDArray[np.int64]:
        """Rank of mates in galleries of the first ``size`` distractors and the one mate.

        A distractor with the mate's score ranks before it.

        Args:
            probes: (n,) int64, row of each search's probe.
            scores: (n,) float32, of probe and mate; ``-inf`` for one that failed.
            size: One of `sizes`.

        Returns:
            (n,) int64; the largest int64 beyond `MAX_RANK` and for a mate that failed.

        Raises:
            InputError: If the size is another.
        """
        if size not in self.sizes:
            raise InputError(f"size must be one of {self.sizes}, got {size}")
        highest = self.highest[self.sizes.index(size)]
        ranks = np.empty(len(probes), np.int64)
        for start in range(0, len(probes), _TRIALS_AT_ONCE):
            part = slice(start, start + _TRIALS_AT_ONCE)
            ranks[part] = 1 + (highest[probes[part]] >= scores[part, None]).sum(axis=1)
        ranks[(ranks > MAX_RANK) | np.isneginf(scores)] = NEVER
        return ranks


class DistractorStream:
    """Compares probes with distractors, in portions of any number.

    Args:
        probes: The faces to search for.
        sizes: Numbers of distractors at which ranks are wanted, rising.
        tail: How many of the highest scores to keep one by one, see `ImpostorStream`.

    Raises:
        InputError: If there is no probe, or the sizes do not rise.
    """

    def __init__(self, probes: Embeddings, *, sizes: Sequence[int], tail: int = TAIL) -> None:
        if not len(probes):
            raise InputError("distractors need at least one probe to be compared with, got none")
        check_sizes(sizes)
        self._probes = probes
        self._sizes = tuple(sizes)
        self._impostors = ImpostorStream(tail=tail)
        self._highest = np.full((len(probes), MAX_RANK), -np.inf, np.float32)
        self._snapshots: list[tuple[int, npt.NDArray[np.float32]]] = []
        self.n_distractors = 0

    def add(self, distractors: Embeddings) -> None:
        """Compare all probes with some more distractors.

        Raises:
            SpaceMismatchError: If the spaces differ.
        """
        check_same_space(self._probes.space, distractors.space)
        start = 0
        while start < len(distractors):
            ends = [size - self.n_distractors for size in self._sizes if size > self.n_distractors]
            step = min([len(distractors) - start, *ends])
            self._compare(distractors.vectors[start : start + step])
            start += step
            self.n_distractors += step
            if self.n_distractors in self._sizes:
                self._snapshots.append((self.n_distractors, self._highest.copy()))

    def finish(self) -> DistractorScores:
        """What has been found; the number of all distractors is the last size.

        Raises:
            InputError: If there was no distractor.
        """
        if not self.n_distractors:
            raise InputError("ranks need at least one distractor, got none")
        if not self._snapshots or self._snapshots[-1][0] != self.n_distractors:
            self._snapshots.append((self.n_distractors, self._highest.copy()))
        sizes, highest = zip(*self._snapshots, strict=True)
        return DistractorScores(tuple(sizes), tuple(highest), self._impostors.collect())

    def _compare(self, distractors: npt.NDArray[np.float32]) -> None:
        for rows, columns, scores in similarity_tiles(self._probes.vectors, distractors):
            left = self.n_distractors + columns.start
            self._impostors.add_tile(scores, top=rows.start, left=left)
            self._raise_highest(scores, rows.start)

    def _raise_highest(self, scores: npt.NDArray[np.float32], top: int) -> None:
        known = self._highest[top : top + len(scores)]
        # After the first portions few probes see a score that is among their highest.
        rows = np.flatnonzero(scores.max(axis=1) > known[:, -1])
        if len(rows):
            both = np.concatenate([known[rows], scores[rows]], axis=1)
            kept = np.partition(both, both.shape[1] - MAX_RANK, axis=1)[:, -MAX_RANK:]
            known[rows] = np.sort(kept, axis=1)[:, ::-1]


@dataclass(frozen=True, slots=True, eq=False)
class ProbeIntervals:
    """Intervals of error rates on probes and distractors; people are drawn, and distractors.

    Attributes:
        impostors: The comparisons with distractors.
        people: (n,) int64, who each probe is, 0 ...; rows as in ``impostors``.
        n_distractors: How many.
        genuine: (g,) float32, scores of genuine comparisons, ``-inf`` for one that failed.
        genuine_people: (g,) int64, whose each is.
    """

    impostors: ImpostorScores
    people: npt.NDArray[np.int64]
    n_distractors: int
    genuine: npt.NDArray[np.float32]
    genuine_people: npt.NDArray[np.int64]

    @property
    def tail_floor(self) -> float:
        """The comparisons behind an FMR are known above this threshold only."""
        return self.impostors.tail_floor

    def fmr_interval(
        self, threshold: float, *, generator: np.random.Generator, draws: int = BOOTSTRAP_DRAWS
    ) -> Interval:
        """95 % interval of the FMR; people and distractors are drawn with replacement."""
        pairs = self.impostors.tail_pairs[self.impostors.tail >= threshold]
        numbers, columns = np.unique(pairs[:, 1], return_inverse=True)
        people = self.people[pairs[:, 0]]
        sizes = np.bincount(self.people)

        def fmr(came: Floats) -> float | None:
            # Only distractors in errors are told apart; how often any of them comes is binomial.
            n = generator.binomial(self.n_distractors, len(numbers) / self.n_distractors)
            drawn = np.bincount(generator.integers(0, len(numbers), n), minlength=len(numbers))
            total = float(came @ sizes) * self.n_distractors
            return float(came[people] @ drawn[columns]) / total if total else None

        rates = resampled(fmr, len(sizes), generator=generator, draws=draws)
        return percentile_interval(rates)

    def tar_interval(
        self, threshold: float, *, generator: np.random.Generator, draws: int = BOOTSTRAP_DRAWS
    ) -> Interval:
        """95 % interval of the TAR, people drawn with replacement."""
        trials = [(self.genuine >= threshold, self.genuine_people)]
        return trials_interval(trials, generator=generator, draws=draws)


def check_sizes(sizes: Sequence[int]) -> None:
    """Check that numbers of distractors are positive and rise.

    Raises:
        InputError: If they do not.
    """
    numbers = np.array(sizes, np.int64)
    check_array("sizes", numbers, dtype=np.int64, shape=("n",))
    if not len(numbers) or numbers[0] < 1 or (np.diff(numbers) <= 0).any():
        raise InputError(f"sizes must be positive numbers that rise, got {tuple(sizes)}")

"""Every face against every other, streamed in tiles: exact tails, never all scores in memory.

n faces make n (n - 1) / 2 scores; 45,000 faces make 10^9. They are computed tile by tile and
counted into bins of width 2^-15; the highest impostor scores, on which all low error rates rest,
are kept one by one with their pair, and so are all genuine scores (`score_stream`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, InputError
from vultus.core.rows import freeze_arrays
from vultus.evaluation.measures.intervals import (
    BOOTSTRAP_DRAWS,
    Floats,
    Interval,
    percentile_interval,
    resampled,
)
from vultus.evaluation.measures.rates import RocCurve
from vultus.evaluation.measures.score_stream import TAIL, ImpostorScores, ImpostorStream
from vultus.search.tiles import similarity_tiles


@dataclass(frozen=True, slots=True, eq=False)
class AllPairs:
    """The scores of all comparisons, condensed.

    Attributes:
        genuine: (g,) float32, all genuine scores that could be computed, falling.
        genuine_identities: (g,) int64, whose each is: index into the sorted distinct identities.
        impostors: Impostor scores; pairs are rows of the input.
        genuine_trials: (people,) int64, genuine comparisons of each identity, those with a failed
            face included.
        identities: (n,) int64, of every compared face; others -1.
    """

    genuine: npt.NDArray[np.float32]
    genuine_identities: npt.NDArray[np.int64]
    impostors: ImpostorScores
    genuine_trials: npt.NDArray[np.int64]
    identities: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def n_genuine(self) -> int:
        """How many genuine comparisons, those with a failed face included."""
        return int(self.genuine_trials.sum())

    @property
    def n_impostor(self) -> int:
        """How many impostor comparisons were made."""
        return len(self.impostors)

    @property
    def tail_floor(self) -> float:
        """The pairs behind an FMR are known above this threshold only."""
        return self.impostors.tail_floor

    def curve(self) -> RocCurve:
        """The ROC, see `ImpostorScores.curve`."""
        return self.impostors.curve(self.genuine, n_genuine=self.n_genuine)

    def fmr_interval(
        self, threshold: float, *, generator: np.random.Generator, draws: int = BOOTSTRAP_DRAWS
    ) -> Interval:
        """95 % interval of the FMR at a threshold, identities drawn with replacement.

        Raises:
            CalibrationError: If the threshold is not above the tail, whose pairs alone are known.
        """
        if threshold <= self.tail_floor:
            raise CalibrationError(
                f"the pairs behind this FMR are not kept: threshold {threshold:.4f} must be above "
                f"{self.tail_floor:.4f}; keep a longer tail"
            )
        pairs = self.impostors.tail_pairs[self.impostors.tail >= threshold]
        people = self.identities[pairs]
        sizes = np.bincount(self.identities[self.identities >= 0]).astype(np.float64)

        def fmr(came: Floats) -> float | None:
            faces = came * sizes
            total = (faces.sum() ** 2 - (faces**2).sum()) / 2
            errors = (came[people[:, 0]] * came[people[:, 1]]).sum()
            return float(errors / total) if total else None

        rates = resampled(fmr, len(sizes), generator=generator, draws=draws)
        return percentile_interval(rates)

    def tar_interval(
        self, threshold: float, *, generator: np.random.Generator, draws: int = BOOTSTRAP_DRAWS
    ) -> Interval:
        """95 % interval of the TAR, identities that have genuine comparisons drawn anew."""
        trials = self.genuine_trials
        hits = np.bincount(self.genuine_identities, self.genuine >= threshold, len(trials))
        people = np.flatnonzero(trials)

        def tar(came: Floats) -> float:
            return float(came @ hits[people] / (came @ trials[people]))

        rates = resampled(tar, len(people), generator=generator, draws=draws)
        return percentile_interval(rates)


def all_pairs(
    embeddings: Embeddings,
    *,
    identities: npt.NDArray[Any],
    failed: npt.NDArray[np.bool_] | None = None,
    tail: int = TAIL,
) -> AllPairs:
    """Compare every face with every other.

    A genuine comparison with a failed photo counts as one that does not match; an impostor
    comparison with a failed photo was never made and is left out of the FMR.

    Memory: some tiles of 4 MiB, 16 bytes per genuine comparison, 24 bytes per score of the tail.
    Scores are float32 dot products; another blocking may differ in their last bit.

    Args:
        embeddings: Of the photos that did not fail, in order.
        identities: (n,) of any dtype that sorts: who is on each photo, failed ones included.
        failed: (n,) bool, no face was found; None when all succeeded.
        tail: How many of the highest impostor scores to keep one by one. FMR down to
            ``tail / n_impostor`` is then exact at every threshold.

    Raises:
        InputError: If lengths do not match, or fewer than two photos have a face.
    """
    check_positive_int("tail", tail)
    failed = np.zeros(len(identities), np.bool_) if failed is None else failed
    check_array("failed", failed, dtype=np.bool_, shape=(len(identities),))
    rows = np.flatnonzero(~failed)
    if len(rows) != len(embeddings) or len(rows) < 2:
        raise InputError(
            f"embeddings must be as many as the photos that did not fail ({len(rows)}), and at "
            f"least two, got {len(embeddings)}"
        )
    people = np.unique(identities, return_inverse=True)[1].astype(np.int64)
    order = np.argsort(people[rows], kind="stable")
    stream = _Stream(tail)
    stream.compare(embeddings.vectors[order], people[rows][order])
    return _collect(stream, rows[order], people, failed)


class _Stream:
    """The running state while tiles go by; rows are sorted by identity."""

    def __init__(self, tail: int) -> None:
        self.impostors = ImpostorStream(tail=tail)
        self.genuine: list[npt.NDArray[Any]] = []
        self.genuine_people: list[npt.NDArray[Any]] = []

    def compare(self, vectors: npt.NDArray[np.float32], people: npt.NDArray[np.int64]) -> None:
        for rows, columns, scores in similarity_tiles(vectors):
            top, left = rows.start, columns.start
            # Sorted by identity, so only tiles on or next to the diagonal hold genuine pairs.
            if left == top or people[rows.stop - 1] == people[left]:
                self._add_mixed(scores, top, left, people)
            else:
                self.impostors.add_tile(scores, top=top, left=left)

    def _add_mixed(
        self, scores: npt.NDArray[Any], top: int, left: int, people: npt.NDArray[np.int64]
    ) -> None:
        rows = np.arange(top, top + scores.shape[0])[:, None]
        columns = np.arange(left, left + scores.shape[1])
        same, upper = people[rows] == people[columns], rows < columns
        genuine = same & upper
        self.genuine.append(np.clip(scores[genuine], -1, 1))
        self.genuine_people.append(people[rows[np.nonzero(genuine)[0], 0]])
        self.impostors.add_tile(scores, top=top, left=left, chosen=~same & upper)


def _collect(
    stream: _Stream,
    rows: npt.NDArray[np.int64],
    people: npt.NDArray[np.int64],
    failed: npt.NDArray[np.bool_],
) -> AllPairs:
    genuine = np.concatenate([np.zeros(0, np.float32), *stream.genuine])
    owners = np.concatenate([np.zeros(0, np.int64), *stream.genuine_people])
    falling = np.argsort(-genuine, kind="stable")
    impostors = stream.impostors.collect()
    pairs = np.sort(rows[impostors.tail_pairs], axis=1)
    # Ties in the order of the input, so that the same data give the same table.
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -impostors.tail))
    sizes = np.bincount(people)
    return AllPairs(
        genuine[falling],
        owners[falling],
        replace(impostors, tail=impostors.tail[order], tail_pairs=pairs[order]),
        (sizes * (sizes - 1) // 2).astype(np.int64),
        np.where(failed, -1, people),
    )

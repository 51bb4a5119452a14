"""What a protocol needs: embeddings of photos, all at once, in portions or set by set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.registry import Registry
from vultus.core.rows import freeze_arrays
from vultus.evaluation.protocols.photos import Photos
from vultus.evaluation.protocols.result import ProtocolResult


class PairScorer(Protocol):
    """What says how alike two faces are, where that is not their cosine."""

    def __call__(self, first: Embeddings, second: Embeddings) -> npt.NDArray[np.float64]:
        """A score a pair, higher for one person.

        Args:
            first: (n, dim).
            second: (n, dim); row by row.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPhotos:
    """One face of each photo, where one was found.

    Attributes:
        embeddings: One row for each photo that did not fail, in the order of the photos.
        failed: (n,) bool, one entry a photo: no face found, or not readable.
        detector_scores: (found,) float32 in [0, 1], how sure the detector was of each face that
            was found; None where nothing was detected.
        scorer: Scores pairs in place of the cosine, or None.

    Raises:
        InputError: If they do not fit together.
    """

    embeddings: Embeddings
    failed: npt.NDArray[np.bool_]
    detector_scores: npt.NDArray[np.float32] | None = None
    scorer: PairScorer | None = None

    def __post_init__(self) -> None:
        check_array("failed", self.failed, dtype=np.bool_, shape=("n",))
        found = int((~self.failed).sum())
        if len(self.embeddings) != found:
            raise InputError(
                f"embeddings must have one row for each of the {found} photos that did not fail, "
                f"got {len(self.embeddings)}"
            )
        if self.detector_scores is not None:
            check_array("detector_scores", self.detector_scores, dtype=np.float32, shape=(found,))
        freeze_arrays(self)

    def rows(self) -> npt.NDArray[np.int64]:
        """(n,) row of each photo in ``embeddings``, -1 where it failed."""
        rows: npt.NDArray[np.int64] = np.where(self.failed, -1, np.cumsum(~self.failed) - 1)
        return rows


class EmbedPhotos(Protocol):
    """Makes one embedding of each photo; given by who holds a pipeline.

    A protocol of many photos calls it again and again, with some thousand photos at a time.
    """

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        """Embed the face that is meant on each photo.

        Args:
            photos: To be gone through once, in order; items are read when they are asked for. A
                callable that looks embeddings up needs only their names.
            aligned: They are aligned crops already; nothing is to be detected.
        """
        ...


class EvaluationProtocol(Protocol):
    """A data set with its rules of comparison.

    One whose photos are of the person in their middle says so: ``select = "central"``.
    """

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure.

        Raises:
            InputError: If files are missing or not of the layout; the message says what must be.
        """
        ...


PROTOCOLS: Registry[EvaluationProtocol] = Registry("protocols")
"""All protocols by name; each is made with ``root`` and may take more settings."""


PORTION = 2048
"""Photos embedded at once: 4 MiB of 512-d vectors."""


def embed_in_portions(
    embed: EmbedPhotos, photos: Photos, *, aligned: bool, portion: int = PORTION
) -> Iterator[EmbeddedPhotos]:
    """Embed photos some at a time.

    Args:
        embed: Makes the embeddings.
        photos: Any number.
        aligned: They are aligned crops already.
        portion: How many at a time.

    Yields:
        Portions in order.
    """
    for start in range(0, len(photos), portion):
        yield embed(photos[start : start + portion], aligned=aligned)


def embed_sets(
    embed: EmbedPhotos,
    photos: Photos,
    *,
    sizes: Sequence[int],
    aligned: bool,
    portion: int = PORTION,
) -> Iterator[EmbeddedPhotos]:
    """Embed sets of photos that follow each other, whole sets at a time.

    Args:
        embed: Makes the embeddings.
        photos: Of all sets, set after set.
        sizes: How many photos each set has, 0 or more.
        aligned: They are aligned crops already.
        portion: Photos to embed at a time, about: a set is never cut.

    Yields:
        One entry a set, in order.

    Raises:
        InputError: If the sizes do not add up to the number of photos.
    """
    if sum(sizes) != len(photos):
        raise InputError(f"sizes must add up to {len(photos)} photos, got {sum(sizes)}")
    start = 0
    waiting: list[int] = []
    for place, size in enumerate(sizes):
        waiting.append(size)
        if sum(waiting) >= portion or place == len(sizes) - 1:
            stop = start + sum(waiting)
            yield from _cut(embed(photos[start:stop], aligned=aligned), waiting)
            start, waiting = stop, []


def _cut(embedded: EmbeddedPhotos, sizes: Sequence[int]) -> Iterator[EmbeddedPhotos]:
    scores = embedded.detector_scores
    ends = np.cumsum(sizes)
    before = np.concatenate([[0], np.cumsum(~embedded.failed)])
    for end, size in zip(ends.tolist(), sizes, strict=True):
        rows = slice(int(before[end - size]), int(before[end]))
        yield EmbeddedPhotos(
            embedded.embeddings[rows],
            embedded.failed[end - size : end],
            None if scores is None else scores[rows],
        )

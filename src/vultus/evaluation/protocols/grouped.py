"""Sets of photos (videos, templates) embedded set by set, so that memory does not grow."""

from collections.abc import Iterator, Sequence

import numpy as np

from vultus.core.errors import InputError
from vultus.evaluation.protocols.base import EmbeddedPhotos, EmbedPhotos
from vultus.evaluation.protocols.photos import Photos

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

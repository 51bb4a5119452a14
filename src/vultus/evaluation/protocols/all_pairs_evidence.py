"""What is kept of every photo against every other, one by one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.evaluation.allpairs import AllPairs
from vultus.evaluation.identification import Searches
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.evidence import Evidence, photo_qualities
from vultus.evaluation.protocols.genuine_pairs import genuine_pairs
from vultus.evaluation.protocols.scoring import pair_scores

__all__ = ["all_pairs_evidence"]

LISTED_IMPOSTORS = 1000


def all_pairs_evidence(
    embedded: EmbeddedPhotos,
    people: npt.NDArray[Any],
    photos: Sequence[str],
    table: AllPairs,
    searches: Searches | None,
) -> Evidence:
    """All genuine pairs, and the highest impostor pairs.

    Args:
        embedded: The photos.
        people: (n,) of any dtype that sorts, who is on each.
        photos: Name of each.
        table: Every photo against every other.
        searches: 1:N searches, or None.
    """
    found = table.tail[:LISTED_IMPOSTORS]
    genuine = genuine_pairs(people)
    scores = pair_scores(embedded, genuine[:, 0], genuine[:, 1])
    pairs = np.concatenate([genuine, table.tail_pairs[: len(found)]])
    return Evidence(
        tuple(photos),
        pairs[:, 0],
        pairs[:, 1],
        np.arange(len(pairs)) < len(genuine),
        np.concatenate([scores, found]),
        photo_qualities(embedded.embeddings, embedded.failed),
        searches,
    )

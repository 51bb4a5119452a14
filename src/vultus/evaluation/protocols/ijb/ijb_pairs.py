"""1:1 comparisons of templates."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import Interval, mean_rate_interval, per_person
from vultus.evaluation.measures.score_stream import ImpostorScores, ImpostorStream
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.ijb.ijb_meta import TemplatePairs
from vultus.evaluation.protocols.ijb.ijb_templates import linked_people

PAIRS_AT_ONCE = 1 << 12


@dataclass(frozen=True, slots=True, eq=False)
class ComparedTemplates:
    """Scores of listed pairs of templates, and intervals of their rates.

    People are those that genuine pairs link.

    Attributes:
        genuine: (g,) float32, ``-inf`` for a pair that failed.
        people: (g,) int64, whose each is.
        impostors: Those that could be compared.
    """

    genuine: npt.NDArray[np.float32]
    people: npt.NDArray[np.int64]
    impostors: ImpostorScores

    @property
    def tail_floor(self) -> float:
        """Nowhere: whose the impostor pairs are is known, but not how many any two people have."""
        return np.inf

    def fmr_interval(self, threshold: float, *, generator: np.random.Generator) -> Interval:
        """Refuses: see `tail_floor`."""
        raise InputError("pairs that are listed have no interval over people")

    def tar_interval(self, threshold: float, *, generator: np.random.Generator) -> Interval:
        """95 % interval of the TAR, people drawn with replacement."""
        hits, trials = per_person(
            self.genuine >= threshold, self.people, n_people=int(self.people.max()) + 1
        )
        return mean_rate_interval(hits[None], trials[None], generator=generator)


def compare_templates(templates: EmbeddedPhotos, pairs: TemplatePairs) -> ComparedTemplates:
    """Compare listed pairs, some thousand at a time.

    A genuine pair with a template that has no face never matches; such an impostor pair is left
    out.

    Args:
        templates: All templates; failures have no face.
        pairs: Places of templates.
    """
    stream = ImpostorStream()
    rows, vectors = templates.rows(), templates.embeddings.vectors
    genuine = np.full(int(pairs.genuine.sum()), -np.inf, np.float32)
    places = np.cumsum(pairs.genuine) - 1
    # One side after the other, so that its vectors are still in the cache.
    order = np.argsort(pairs.first, kind="stable")
    for start in range(0, len(order), PAIRS_AT_ONCE):
        part = order[start : start + PAIRS_AT_ONCE]
        first, second, same = pairs.first[part], pairs.second[part], pairs.genuine[part]
        found = (rows[first] >= 0) & (rows[second] >= 0)
        part, first, second, same = part[found], first[found], second[found], same[found]
        scores = np.einsum("nd,nd->n", vectors[rows[first]], vectors[rows[second]]).clip(-1, 1)
        genuine[places[part[same]]] = scores[same]
        stream.add_listed(scores[~same], first[~same], second[~same])
    same = pairs.genuine
    people = linked_people(len(templates.failed), pairs.first[same], pairs.second[same])
    return ComparedTemplates(genuine, people[pairs.first[same]], stream.collect())

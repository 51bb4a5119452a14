"""The searches and comparisons of MegaFace, from the scores that were kept."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.evaluation.measures.distractors import DistractorScores, ProbeIntervals
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.figures import DistractorFigures
from vultus.evaluation.protocols.scoring import genuine_pairs, pair_scores
from vultus.evaluation.protocols.search_figures import GallerySearches, rank_figures


class ProbeScores:
    """Probes, whose they are, and their scores against each other and the distractors.

    Args:
        probes: The photos to search for.
        people: (n,) of any dtype that sorts, who is on each.
        scores: Of those that did not fail against the distractors.

    Attributes:
        probes: As given.
        scores: As given.
        pairs: (g, 2) int64, places of every two photos of one person.
        genuine: (g,) float32, their similarity; ``-inf`` for a pair that failed.
    """

    def __init__(
        self, probes: EmbeddedPhotos, people: npt.NDArray[Any], scores: DistractorScores
    ) -> None:
        self.probes = probes
        self._people = np.unique(people, return_inverse=True)[1].astype(np.int64)
        self.scores = scores
        self.pairs = genuine_pairs(self._people)
        self.genuine = pair_scores(probes, self.pairs[:, 0], self.pairs[:, 1])

    def searches(self, size: int) -> GallerySearches:
        """Every photo searched for among so many distractors and each other photo in turn."""
        probes = np.concatenate([self.pairs[:, 0], self.pairs[:, 1]])
        mates = np.concatenate([self.genuine, self.genuine])
        rows = self.probes.rows()[probes]
        failed = rows < 0
        found = np.isfinite(mates)
        top = np.full(len(probes), -np.inf)
        highest = self.scores.highest[self.scores.sizes.index(size)][:, 0]
        top[~failed] = np.maximum(highest[rows[~failed]], mates[~failed])
        # A failed probe has no row; its mate's score is -inf, which alone makes it a miss.
        ranks = self.scores.ranks(np.where(found, rows, 0), mates, size=size)
        searches = Searches(
            np.ones(len(probes), np.bool_), ranks, mates.astype(np.float64), top, failed
        )
        return GallerySearches(f"{size}", searches, self._people[probes], size + 1)

    def rank_figures(self, size: int, generator: np.random.Generator) -> DistractorFigures:
        """How often the mate is among the first k."""
        gallery = self.searches(size)
        return DistractorFigures(
            n_distractors=size,
            n_searches=len(gallery.searches),
            rank=rank_figures([gallery], generator=generator),
        )

    def intervals(self) -> ProbeIntervals:
        """Of the error rates."""
        return ProbeIntervals(
            self.scores.impostors,
            self._people[~self.probes.failed],
            self.scores.sizes[-1],
            self.genuine,
            self._people[self.pairs[:, 0]],
        )

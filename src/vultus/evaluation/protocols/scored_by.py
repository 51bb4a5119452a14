"""A protocol whose pairs are scored by something else than the cosine."""

from dataclasses import replace

from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import InputError
from vultus.evaluation.protocols.base import (
    EmbeddedPhotos,
    EmbedPhotos,
    EvaluationProtocol,
    PairScorer,
)
from vultus.evaluation.protocols.photos import Photos
from vultus.evaluation.protocols.result import ProtocolResult


class ScoredBy:
    """Another protocol, of listed pairs, with another score.

    Args:
        protocol: The other: lfw, cfp-fp, agedb-30, calfw, cplfw or pairs. LFW's table of all pairs
            is left out.
        scorer: Scores the pairs.
        words: What it is, for the record.

    Attributes:
        select: Of the other.
        scored_by: ``words``.

    Raises:
        InputError: If the protocol does more than to score listed pairs.
    """

    def __init__(self, protocol: EvaluationProtocol, scorer: PairScorer, *, words: str) -> None:
        if not getattr(protocol, "scores_listed_pairs", False):
            raise InputError(
                f"{words} scores listed pairs, {type(protocol).__name__} does more than that; "
                "take lfw, cfp-fp, agedb-30, calfw, cplfw or pairs"
            )
        self.select: Selection = getattr(protocol, "select", DEFAULT_SELECT)
        self.scored_by = words
        self._protocol = protocol
        self._scorer = scorer

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure."""

        def scored(photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
            return replace(embed(photos, aligned=aligned), scorer=self._scorer)

        return self._protocol.run(scored)

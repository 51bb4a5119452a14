"""Verification (1:1): are these two faces the same person?"""

from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.results import Verification
from vultus.core.similarity import paired_similarity
from vultus.core.thresholds import Threshold
from vultus.matching.match_probability import MatchProbability


def verify(
    a: Embeddings,
    b: Embeddings,
    *,
    threshold: Threshold,
    match_probability: MatchProbability | None = None,
    prior: float = 0.5,
) -> Verification:
    """Compare one face with one other.

    Args:
        a: Embeddings of length 1.
        b: Embeddings of length 1, of the same space.
        threshold: The rule; "same person" when the similarity is at least its similarity.
        match_probability: What a similarity says, of this space's calibration; None leaves
            probability and likelihood ratio unknown.
        prior: Probability of a match before looking, in (0, 1); with ``match_probability``.

    Raises:
        InputError: If ``a`` or ``b`` does not hold exactly one face, or ``prior`` is out of range.
        SpaceMismatchError: If the spaces differ.
    """
    for name, embeddings in (("a", a), ("b", b)):
        if len(embeddings) != 1:
            raise InputError(
                f"{name} must hold exactly one face, got {len(embeddings)}; "
                "select one, e.g. embeddings[0]"
            )
    similarity = float(paired_similarity(a, b)[0])
    if match_probability is None:
        return Verification(similarity, threshold)
    return Verification(
        similarity,
        threshold,
        float(match_probability.probability(similarity, prior=prior)),
        float(match_probability.llr(similarity)),
        prior,
    )

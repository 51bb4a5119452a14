"""Exact search: every probe compared with every enrolled person."""

from collections.abc import Sequence

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import Embeddings, Template, TemplateSet, check_same_space
from vultus.core.results import Candidate
from vultus.search.near import Wanted, near_pairs, pair_similarities, ranked


def search(
    probe: Embeddings, templates: TemplateSet | Sequence[Template], *, rank: int = 5
) -> list[tuple[Candidate, ...]]:
    """Rank the enrolled people by similarity to each probe face; exact.

    A similarity does not depend on what else is in the probe or the gallery: the best are found
    with a fast float32 product, then computed again pair by pair in float64.

    Args:
        probe: The faces looked for.
        templates: The enrolled people; may be none.
        rank: How many candidates to give per face, at least 1.

    Returns:
        One tuple per probe row, best first, ties in the order of enrolment; fewer than ``rank``
        candidates when fewer people are enrolled.

    Raises:
        InputError: If ``rank`` is not positive, or an identity occurs twice.
        SpaceMismatchError: If probe and templates are of different spaces.
    """
    check_positive_int("rank", rank)
    if not isinstance(templates, TemplateSet):
        if not templates:
            return [() for _ in range(len(probe))]
        templates = TemplateSet.from_templates(templates)
    check_same_space(probe.space, templates.space)
    if not len(templates):
        return [() for _ in range(len(probe))]
    wanted = Wanted(min(rank, len(templates)))
    pairs = near_pairs(probe.vectors, templates.vectors, wanted)
    answered = pair_similarities(probe.vectors, templates.vectors, pairs)
    names = templates.identities
    return [
        tuple(Candidate(names[row], s) for row, s in zip(rows.tolist(), own.tolist(), strict=True))
        for rows, own in ranked(pairs.probes, answered, pairs.rows, n_probes=len(probe), rank=rank)
    ]

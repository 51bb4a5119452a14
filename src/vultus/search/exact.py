"""Exact search: every probe compared with every enrolled person."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import Embeddings, Template, TemplateSet, check_same_space
from vultus.core.results import Candidate
from vultus.search.tiles import similarity_rows


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
    found: list[tuple[Candidate, ...]] = []
    for rows, _, rough in similarity_rows(probe.vectors, templates.vectors):
        lines = zip(probe.vectors[rows], rough, strict=True)
        found += [_best(row, line, templates, rank) for row, line in lines]
    return found


def _best(
    row: npt.NDArray[np.float32],
    rough: npt.NDArray[np.float32],
    templates: TemplateSet,
    rank: int,
) -> tuple[Candidate, ...]:
    """The ``rank`` best of one probe row, given similarities that may be off by rounding."""
    rank = min(rank, len(rough))
    cut = np.partition(rough, len(rough) - rank)[len(rough) - rank]
    # A float32 dot product of unit vectors is off by less than dim * 2^-24, on either side.
    slack = len(row) * float(np.finfo(np.float32).eps)
    near = np.flatnonzero(rough >= cut - slack)
    products = templates.vectors[near].astype(np.float64) * row.astype(np.float64)
    exact = np.clip(products.sum(axis=1), -1, 1).astype(np.float32)
    order = np.argsort(-exact, kind="stable")[:rank]
    return tuple(Candidate(templates.identities[near[i]], float(exact[i])) for i in order)

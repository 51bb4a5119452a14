"""Search and identification (1:N): who of the enrolled people is this, if anybody?"""

from collections.abc import Sequence

from vultus.core.checks import check_range
from vultus.core.embeddings import Embeddings, Template, TemplateSet
from vultus.core.results import Identification
from vultus.core.thresholds import Threshold
from vultus.search.exact import search


def identify(
    probe: Embeddings,
    templates: TemplateSet | Sequence[Template],
    *,
    threshold: Threshold,
    fpir: float | None = None,
    rank: int = 5,
) -> list[Identification]:
    """Name each probe face or call it unknown (open set).

    Args:
        probe: The faces looked for.
        templates: The enrolled people; with none, everybody is unknown.
        threshold: The rule applied to the best candidate; `threshold_for_fpir` makes one for
            this gallery's size.
        fpir: The false positive identification rate that ``threshold`` was chosen for, in (0, 1);
            only noted in the answer. None where nobody knows it.
        rank: How many candidates to give per face.

    Returns:
        One answer per probe row.

    Raises:
        InputError: If ``rank`` or ``fpir`` is out of range, or an identity occurs twice.
        SpaceMismatchError: If probe and templates are of different spaces.
    """
    if fpir is not None:
        check_range("fpir", fpir, low=0, high=1, low_open=True, high_open=True)
    return [
        Identification(candidates, threshold, fpir, len(templates))
        for candidates in search(probe, templates, rank=rank)
    ]

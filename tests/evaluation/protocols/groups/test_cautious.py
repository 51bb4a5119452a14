import dataclasses

import pytest
from tests.evaluation.report.group_figures import figures

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.protocols.groups.cautious import cautious_thresholds, worst_groups


def test_the_worst_group_of_each_rate_is_found() -> None:
    made = figures()
    found = list(worst_groups([made]))
    assert [one.target_fmr for one in found] == [1e-2]  # 1,740 pairs carry no more
    known = {
        cell.name: needed.threshold
        for cell in made.cells
        for needed in cell.needed
        if needed.target_fmr == 1e-2 and needed.threshold is not None
    }
    worst = found[0]
    assert worst.threshold == max(known.values())
    assert known[worst.name] == worst.threshold
    assert (worst.n_groups, worst.n_too_small) == (2, 1)
    assert worst.n_impostor == 60 * 59 // 2 - 30


def test_several_groupings_count_together() -> None:
    made = figures()
    cell = dataclasses.replace(
        made.cells[2],
        name="worse",
        needed=tuple(
            dataclasses.replace(needed, threshold=0.99 if needed.threshold else None)
            for needed in made.cells[2].needed
        ),
    )
    other = dataclasses.replace(made, cells=(cell,))
    (worst,) = worst_groups([made, other])
    assert (worst.name, worst.n_groups, worst.n_too_small) == ("worse", 3, 1)


def test_the_table_of_a_card_is_never_laxer_than_what_was_measured() -> None:
    made = figures()
    (point,) = cautious_thresholds([made], fmrs=(1e-2,), origin="drawn people").points
    (worst,) = worst_groups([made])
    assert worst.threshold <= point.similarity <= worst.threshold + 1e-4
    assert (point.fmr, point.n_impostor) == (1e-2, worst.n_impostor)
    assert point.origin == f"inside the worst of 2 groups ({worst.name}), drawn people"


def test_what_is_not_known_is_refused() -> None:
    made = figures()
    with pytest.raises(InputError, match=r"no group carries FMR 0\.001; known are 0\.01"):
        cautious_thresholds([made], fmrs=(1e-3,), origin="")
    other = dataclasses.replace(made, model=EmbeddingSpace("other", "0" * 64, "none", 6))
    with pytest.raises(InputError, match="evaluations of one model"):
        list(worst_groups([made, other]))
    with pytest.raises(InputError, match="evaluations of one model"):
        list(worst_groups([]))

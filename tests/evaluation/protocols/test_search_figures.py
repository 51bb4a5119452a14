import math

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures.identification import Searches, open_set_curve, rank_searches
from vultus.evaluation.protocols.search_figures import (
    GallerySearches,
    gallery_figures,
    identification_figures,
)


def _gallery(name: str, people: np.ndarray, enrolled: np.ndarray, seed: int) -> GallerySearches:
    generator = np.random.default_rng(seed)
    scores = generator.normal(0, 0.2, (len(people), len(enrolled))).round(2)
    scores[people[:, None] == enrolled] += 0.7
    searches = rank_searches(scores, probe_identities=people, gallery_identities=enrolled)
    return GallerySearches(name, searches, people, len(enrolled))


def _loops(gallery: GallerySearches, fpir: float, rank: float) -> tuple[float, float, float]:
    """Threshold, FPIR and FNIR by trying every score as the threshold."""
    rows = range(len(gallery.searches))
    mated, top = gallery.searches.mated, gallery.searches.top_scores
    mates, ranks = gallery.searches.mate_scores, gallery.searches.mate_ranks
    strangers = [top[row] for row in rows if not mated[row]]
    best = (math.inf, 0.0, 1.0)
    for threshold in sorted({*strangers, *mates[mated]}, reverse=True):
        rate = sum(score >= threshold for score in strangers) / len(strangers)
        if rate > fpir:
            break
        found = [mates[row] >= threshold and ranks[row] <= rank for row in rows if mated[row]]
        best = (threshold, rate, 1 - sum(found) / len(found))
    return best


@pytest.mark.parametrize("rank", [1, 2, None])
def test_the_mean_of_two_galleries_agrees_with_loops(rank: int | None) -> None:
    people = np.arange(400) % 40
    galleries = [
        _gallery("G1", people, np.arange(20), 0), _gallery("G2", people, np.arange(20, 40), 1)
    ]  # fmt: skip
    figures = identification_figures(galleries, generator=np.random.default_rng(0), rank=rank)
    assert (figures.n_enrolled, figures.n_mated, figures.n_strangers) == (40, 400, 400)
    assert [row.target_fpir for row in figures.open_set] == [0.1]
    row = figures.open_set[0]
    loops = [_loops(gallery, 0.1, math.inf if rank is None else rank) for gallery in galleries]
    assert row.thresholds == {"G1": loops[0][0], "G2": loops[1][0]}
    assert row.fpir == pytest.approx((loops[0][1] + loops[1][1]) / 2)
    assert row.fnir == pytest.approx((loops[0][2] + loops[1][2]) / 2)
    assert row.tpir == pytest.approx(1 - row.fnir)
    for rate, interval in ((row.fpir, row.fpir_interval), (row.fnir, row.fnir_interval)):
        assert interval is not None
        assert interval.low <= rate <= interval.high
    found = [
        np.mean(gallery.searches.mate_ranks[gallery.searches.mated] <= 5) for gallery in galleries
    ]
    assert figures.rank["5"].rate == pytest.approx(np.mean(found))
    alone = gallery_figures(galleries, generator=np.random.default_rng(0), rank=rank)
    assert alone["G2"].open_set[0].fnir == pytest.approx(loops[1][2])
    assert alone["G2"].open_set[0].threshold == loops[1][0]


def test_at_any_rank_the_mate_need_only_reach_the_threshold() -> None:
    """Hand-computed: the second mate comes second with 0.7, behind a stranger with 0.8."""
    searches = Searches(
        np.array([True, True, False, False, False, False]),
        np.array([1, 2, 2**62, 2**62, 2**62, 2**62]),
        np.array([0.9, 0.7, -np.inf, -np.inf, -np.inf, -np.inf]),
        np.array([0.9, 0.8, 0.6, 0.5, 0.4, 0.3]),
        np.zeros(6, np.bool_),
    )
    first, anywhere = open_set_curve(searches), open_set_curve(searches, rank=None)
    assert first.tar[-1] == 0.5
    assert anywhere.tar[anywhere.thresholds == 0.7] == 1.0


def test_failures_are_misses_and_no_strangers() -> None:
    scores = np.array([[0.9, 0.1], [-np.inf, -np.inf], [0.2, 0.3], [-np.inf, -np.inf]])
    who = np.array([0, 1, 5, 5])
    searches = rank_searches(scores, probe_identities=who, gallery_identities=np.array([0, 1]))
    figures = identification_figures(
        [GallerySearches("all", searches, who, 2)], generator=np.random.default_rng(0)
    )
    assert figures.rank["10"].rate == 0.5
    assert (figures.n_mated, figures.n_strangers, figures.open_set) == (2, 1, ())


def test_no_gallery_is_refused() -> None:
    with pytest.raises(InputError, match="at least one gallery"):
        identification_figures([], generator=np.random.default_rng(0))

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.evaluation.measures.allpairs import all_pairs
from vultus.evaluation.measures.rates import roc_curve
from vultus.evaluation.measures.summary import claimable, default_fmr, summarise


@pytest.mark.parametrize(
    ("n", "rates", "default"),
    [
        (2, (), None),
        (6, (), 0.5),
        (30, (1e-1,), 1e-1),
        (2999, (1e-1, 1e-2), 1e-2),
        (3000, (1e-1, 1e-2, 1e-3), 1e-3),
        (3_000_000, (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6), 1e-3),
    ],
)
def test_rates_that_the_data_can_carry(
    n: int, rates: tuple[float, ...], default: float | None
) -> None:
    assert claimable(n) == rates
    assert default_fmr(n) == default


def test_summary_holds_counts_and_intervals() -> None:
    generator = np.random.default_rng(0)
    summary = summarise(roc_curve(generator.normal(0.5, 0.1, 500), generator.normal(0, 0.1, 4000)))
    assert [measured.point.target_fmr for measured in summary.points] == [1e-1, 1e-2, 1e-3]
    for measured in summary.points:
        point, interval = measured.point, measured.fmr_interval
        assert (point.n_genuine, point.n_impostor) == (500, 4000)
        assert point.target_fmr is not None
        assert point.fmr <= point.target_fmr
        assert interval.low < point.fmr < interval.high
        assert interval.method == "Wilson"
    assert summary.at(0.5).tar == 1.0


def test_the_bootstrap_is_taken_only_where_there_are_errors() -> None:
    generator = np.random.default_rng(0)
    who = np.arange(120) % 30
    raw = generator.normal(size=(30, 16))[who] + generator.normal(0, 0.3, (120, 16))
    space = EmbeddingSpace("test", "0" * 64, "none", 16)
    pairs = all_pairs(Embeddings.from_raw(raw, space), identities=who)
    lenient = summarise(pairs.curve(), pairs=pairs).points[0]
    assert lenient.point.tar == 1.0
    assert lenient.tar_interval.method == "rule of three"
    assert lenient.tar_interval.low < 1.0
    assert lenient.fmr_interval.method == "bootstrap over identities"

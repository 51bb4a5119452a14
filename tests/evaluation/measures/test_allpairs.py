import math
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.measures.allpairs import all_pairs
from vultus.evaluation.measures.rates import (
    area_under_curve,
    equal_error_rate,
    operating_point,
    point_at,
    roc_curve,
)
from vultus.search.tiles import similarity_tiles

SPACE = EmbeddingSpace("test", "0" * 64, "none", 16)


def _people(n: int, *, people: int, seed: int = 0) -> tuple[Embeddings, npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    who = generator.integers(0, people, n)
    centres = generator.normal(size=(people, 16))
    raw = centres[who] + generator.normal(0, 0.7, (n, 16))
    return Embeddings.from_raw(raw, SPACE), who


def _split(
    embeddings: Embeddings, who: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    scores = np.clip(embeddings.vectors @ embeddings.vectors.T, -1, 1)
    first, second = np.triu_indices(len(who), 1)
    same = who[first] == who[second]
    return scores[first, second][same], scores[first, second][~same]


@pytest.fixture
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(similarity_tiles, n_rows=32, n_columns=32)
    monkeypatch.setattr("vultus.evaluation.measures.allpairs.similarity_tiles", small)


@pytest.mark.usefixtures("_small_tiles")
@pytest.mark.parametrize("tail", [1, 50, 100_000])
def test_curve_agrees_with_all_scores_in_memory(tail: int) -> None:
    embeddings, who = _people(150, people=12)
    genuine, impostor = _split(embeddings, who)
    pairs = all_pairs(embeddings, identities=who, tail=tail)
    curve, reference = pairs.curve(), roc_curve(genuine, impostor)
    assert (curve.n_genuine, curve.n_impostor) == (len(genuine), len(impostor))
    np.testing.assert_allclose(pairs.genuine, np.sort(genuine)[::-1], atol=1e-6)
    # Blocking moves a score by some 1e-7, so that counts are compared between scores.
    for row in range(1, len(curve), 7):
        threshold = float(curve.thresholds[row])
        for ours, score in ((curve.n_true_matches, genuine), (curve.n_false_matches, impostor)):
            surely, perhaps = score >= threshold + 1e-6, score >= threshold - 1e-6
            assert surely.sum() <= ours[row] <= perhaps.sum()
    assert area_under_curve(curve) == pytest.approx(area_under_curve(reference), abs=1e-4)
    assert equal_error_rate(curve) == pytest.approx(equal_error_rate(reference), abs=1e-3)


@pytest.mark.usefixtures("_small_tiles")
def test_tail_is_complete_and_knows_its_pairs() -> None:
    embeddings, who = _people(150, people=12)
    _, impostor = _split(embeddings, who)
    pairs = all_pairs(embeddings, identities=who, tail=50)
    assert len(pairs.impostors.tail) == 50
    np.testing.assert_allclose(pairs.impostors.tail, np.sort(impostor)[::-1][:50], atol=1e-6)
    first, second = pairs.impostors.tail_pairs.T
    assert (who[first] != who[second]).all()
    assert (first < second).all()
    again = np.einsum("nd,nd->n", embeddings.vectors[first], embeddings.vectors[second])
    np.testing.assert_allclose(again, pairs.impostors.tail, atol=1e-6)
    assert len({tuple(pair) for pair in pairs.impostors.tail_pairs.tolist()}) == 50


@pytest.mark.usefixtures("_small_tiles")
def test_tail_points_equal_those_of_the_whole_list() -> None:
    embeddings, who = _people(200, people=15, seed=1)
    genuine, impostor = _split(embeddings, who)
    curve = all_pairs(embeddings, identities=who, tail=2000).curve()
    for target in (2e-4, 1e-3, 1e-2, 5e-2):
        ours = operating_point(curve, fmr=target)
        reference = operating_point(roc_curve(genuine, impostor), fmr=target)
        assert ours.n_false_matches == reference.n_false_matches
        assert ours.n_true_matches == reference.n_true_matches
        assert ours.threshold == pytest.approx(reference.threshold, abs=1e-6)


@pytest.mark.usefixtures("_small_tiles")
def test_input_order_does_not_matter() -> None:
    embeddings, who = _people(100, people=9)
    shuffled = np.random.default_rng(4).permutation(100)
    one = all_pairs(embeddings, identities=who, tail=30)
    two = all_pairs(embeddings[shuffled], identities=who[shuffled], tail=30)
    np.testing.assert_allclose(one.impostors.tail, two.impostors.tail, atol=1e-6)
    np.testing.assert_allclose(one.genuine, two.genuine, atol=1e-6)
    assert one.n_impostor == two.n_impostor


def test_constant_embeddings_stay_within_memory_and_say_so() -> None:
    raw = np.ones((300, 16), np.float32)
    pairs = all_pairs(Embeddings.from_raw(raw, SPACE), identities=np.arange(300) // 2, tail=10)
    # All scores are equal: none is above the first one dropped.
    assert len(pairs.impostors.tail) == 0
    curve = pairs.curve()
    assert curve.n_false_matches.tolist() == [0, 300 * 299 // 2 - 150]
    assert operating_point(curve, fmr=1e-3).threshold == math.inf
    assert operating_point(curve, fmr=1.0).tar == 1.0


def test_edges_of_bins_are_counted_exactly() -> None:
    # 45 degrees apart and opposite: scores 1, 0 and -1 lie on edges.
    raw = np.zeros((4, 16), np.float32)
    raw[0, 0] = raw[1, 0] = raw[2, 1] = 1
    raw[3, 0] = -1
    pairs = all_pairs(Embeddings.from_raw(raw, SPACE), identities=np.array([0, 1, 2, 0]), tail=1)
    assert pairs.impostors.tail.tolist() == [1.0]
    curve = pairs.curve()
    for threshold, expected in ((1.0, 1), (0.0, 4), (-1.0, 5)):
        assert point_at(curve, threshold=threshold).n_false_matches == expected


def test_failed_photos_cost_genuine_comparisons_and_gain_nothing() -> None:
    embeddings, who = _people(60, people=6)
    failed = np.zeros(63, np.bool_)
    failed[[0, 30, 62]] = True
    everybody = np.empty(63, np.int64)
    everybody[~failed] = who
    everybody[failed] = [0, 1, 99]
    whole = all_pairs(embeddings, identities=who)
    pairs = all_pairs(embeddings, identities=everybody, failed=failed)
    extra = (who == 0).sum() + (who == 1).sum()
    assert pairs.n_genuine == whole.n_genuine + extra
    assert pairs.n_impostor == whole.n_impostor
    assert pairs.curve().tar[-1] == pytest.approx(whole.n_genuine / pairs.n_genuine)
    assert not np.isin(pairs.impostors.tail_pairs, [0, 30, 62]).any()
    lowest = float(pairs.genuine[-1])
    interval = pairs.tar_interval(lowest, generator=np.random.default_rng(0), draws=200)
    assert interval.low < point_at(pairs.curve(), threshold=lowest).tar <= interval.high


def test_intervals_hold_the_rate_and_need_the_tail() -> None:
    embeddings, who = _people(300, people=40)
    pairs = all_pairs(embeddings, identities=who, tail=4000)
    point = operating_point(pairs.curve(), fmr=0.01)
    generator = np.random.default_rng(0)
    fmr = pairs.fmr_interval(point.threshold, generator=generator, draws=300)
    assert fmr.low < point.fmr < fmr.high
    # The same people make many pairs: wider than if comparisons were independent.
    assert fmr.high - fmr.low > point.fmr_interval.high - point.fmr_interval.low
    tar = pairs.tar_interval(point.threshold, generator=generator, draws=300)
    assert tar.low < point.tar < tar.high
    with pytest.raises(CalibrationError, match="longer tail"):
        pairs.fmr_interval(-0.5, generator=generator)


def test_lengths_are_checked() -> None:
    embeddings, who = _people(10, people=2)
    with pytest.raises(InputError, match="as many as"):
        all_pairs(embeddings, identities=who[:9])
    with pytest.raises(InputError, match="at least two"):
        all_pairs(embeddings[:1], identities=who[:1])

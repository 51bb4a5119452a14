import numpy as np
import numpy.typing as npt
import pytest

from vultus.evaluation.measures.rates import point_at, roc_curve
from vultus.evaluation.measures.score_stream import ImpostorScores, ImpostorStream


def _scores(shape: tuple[int, int], seed: int = 0) -> npt.NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(0, 0.3, shape)
    return np.clip(drawn, -1, 1).astype(np.float32)


def _streamed(scores: npt.NDArray[np.float32], *, tail: int, tile: int = 7) -> ImpostorScores:
    stream = ImpostorStream(tail=tail)
    for top in range(0, scores.shape[0], tile):
        for left in range(0, scores.shape[1], tile):
            part = np.ascontiguousarray(scores[top : top + tile, left : left + tile])
            stream.add_tile(part, top=top, left=left)
    return stream.collect()


@pytest.mark.parametrize("tail", [1, 20, 10_000])
def test_tiles_give_the_highest_scores_with_their_places(tail: int) -> None:
    scores = _scores((30, 50))
    found = _streamed(scores, tail=tail)
    assert len(found) == scores.size
    assert found.counts.sum() == scores.size
    expected = np.sort(scores.ravel())[::-1][: min(tail, scores.size)]
    np.testing.assert_array_equal(found.tail, expected)
    first, second = found.tail_pairs.T
    np.testing.assert_array_equal(scores[first, second], found.tail)


def test_counts_are_exact_at_every_threshold_of_the_curve() -> None:
    scores = _scores((40, 60), seed=1)
    genuine = np.clip(_scores((1, 200), seed=2)[0] + 0.4, -1, 1).astype(np.float32)
    curve = _streamed(scores, tail=100).curve(genuine, n_genuine=205)
    assert (curve.n_genuine, curve.n_impostor) == (205, scores.size)
    for row in range(len(curve)):
        threshold = curve.thresholds[row]
        assert curve.n_false_matches[row] == (scores.astype(np.float64) >= threshold).sum()
        assert curve.n_true_matches[row] == (genuine.astype(np.float64) >= threshold).sum()


def test_chosen_and_listed_scores_count_like_tiles() -> None:
    scores = _scores((20, 20), seed=3)
    chosen = np.random.default_rng(0).random((20, 20)) < 0.5
    masked, listed = ImpostorStream(tail=30), ImpostorStream(tail=30)
    masked.add_tile(scores, top=100, left=200, chosen=chosen)
    rows, columns = np.nonzero(chosen)
    for part in np.array_split(np.arange(len(rows)), 3):
        listed.add_listed(scores[chosen][part], rows[part] + 100, columns[part] + 200)
    one, two = masked.collect(), listed.collect()
    np.testing.assert_array_equal(one.counts, two.counts)
    np.testing.assert_array_equal(one.tail, two.tail)
    np.testing.assert_array_equal(one.tail_pairs, two.tail_pairs)


def test_more_scores_than_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vultus.evaluation.measures.score_stream.MAX_COUNTED", 11)
    scores = _scores((10, 13), seed=4)
    found = _streamed(scores, tail=5, tile=13)
    expected = np.histogram(np.floor((scores.astype(np.float64) + 1) * 32768), np.arange(65537))[0]
    np.testing.assert_array_equal(found.counts[:-1], expected[:-1])


def test_between_its_thresholds_the_tail_agrees_with_a_list_of_all() -> None:
    scores, genuine = _scores((25, 25), seed=5), _scores((1, 50), seed=6)[0]
    found = _streamed(scores, tail=200)
    ours, whole = found.curve(genuine, n_genuine=50), roc_curve(genuine, scores.ravel())
    for threshold in np.linspace(found.tail_floor + 1e-6, 1, 40):
        a, b = point_at(ours, threshold=threshold), point_at(whole, threshold=threshold)
        assert (a.n_false_matches, a.n_true_matches) == (b.n_false_matches, b.n_true_matches)

from functools import partial

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.evaluation.measures.distractors import MAX_RANK, DistractorStream, ProbeIntervals
from vultus.evaluation.measures.identification import NEVER
from vultus.evaluation.measures.score_stream import ImpostorStream
from vultus.search.tiles import similarity_tiles

SPACE = EmbeddingSpace("test", "0" * 64, "none", 6)


def _faces(n: int, seed: int) -> Embeddings:
    raw = np.random.default_rng(seed).normal(size=(n, 6))
    return Embeddings.from_raw(raw, SPACE)


@pytest.mark.parametrize(("tile", "portion"), [(7, 5), (64, 300), (1024, 1)])
def test_ranks_agree_with_a_gallery_of_all(
    monkeypatch: pytest.MonkeyPatch, tile: int, portion: int
) -> None:
    small = partial(similarity_tiles, n_rows=tile, n_columns=tile)
    monkeypatch.setattr("vultus.evaluation.measures.distractors.similarity_tiles", small)
    probes, distractors = _faces(23, 0), _faces(210, 1)
    stream = DistractorStream(probes, sizes=(10, 100, 500))
    for start in range(0, 210, portion):
        stream.add(distractors[start : start + portion])
    found = stream.finish()
    assert found.sizes == (10, 100, 210)
    rows = np.arange(23).repeat(4)
    mates = np.random.default_rng(2).uniform(0.2, 1.0, len(rows)).astype(np.float32)
    mates[5] = -np.inf
    scores = probes.vectors.astype(np.float64) @ distractors.vectors.T.astype(np.float64)
    for size in found.sizes:
        ranks = found.ranks(rows, mates, size=size)
        for row, mate, rank in zip(rows.tolist(), mates.tolist(), ranks.tolist(), strict=True):
            expected = 1 + sum(score >= mate for score in scores[row, :size])
            if mate == -np.inf or expected > MAX_RANK:
                expected = NEVER
            assert rank == expected
    assert len(found.impostors) == 23 * 210
    first, second = found.impostors.tail_pairs.T
    np.testing.assert_allclose(scores[first, second], found.impostors.tail, atol=1e-6)


def test_a_distractor_with_the_mates_score_ranks_before_it() -> None:
    one = Embeddings.from_raw(np.eye(6)[:1], SPACE)
    stream = DistractorStream(one, sizes=(5,))
    stream.add(Embeddings.from_raw(np.eye(6)[[1, 0, 2]], SPACE))
    found = stream.finish()
    rows = np.zeros(3, np.int64)
    mates = np.array([1.0, 0.5, 0.0], np.float32)
    assert found.ranks(rows, mates, size=3).tolist() == [2, 2, 4]
    with pytest.raises(InputError, match=r"one of \(3,\), got 5"):
        found.ranks(rows, mates, size=5)


def test_what_cannot_be_compared_is_refused() -> None:
    probes = _faces(2, 0)
    for sizes in ((), (0, 1), (5, 5), (9, 3)):
        with pytest.raises(InputError, match="rise"):
            DistractorStream(probes, sizes=sizes)
    with pytest.raises(InputError, match="at least one probe"):
        DistractorStream(probes[:0], sizes=(1,))
    stream = DistractorStream(probes, sizes=(1,))
    with pytest.raises(InputError, match="at least one distractor"):
        stream.finish()
    other = Embeddings.from_raw(np.eye(6), EmbeddingSpace("other", "0" * 64, "none", 6))
    with pytest.raises(SpaceMismatchError):
        stream.add(other)


def _intervals(people: npt.NDArray[np.int64], n: int, seed: int) -> ProbeIntervals:
    generator = np.random.default_rng(seed)
    scores = generator.normal(0, 0.2, (len(people), n)).astype(np.float32)
    # One person and one distractor are alike more often than others.
    scores[people == 3] += 0.2
    scores[:, 5] += 0.5
    stream = ImpostorStream()
    stream.add_tile(scores, top=0, left=0)
    genuine = generator.normal(0.5, 0.2, 200).astype(np.float32)
    return ProbeIntervals(stream.collect(), people, n, genuine, np.arange(200) % 20)


def test_fmr_intervals_draw_people_and_distractors() -> None:
    people = np.arange(60) % 20
    found = _intervals(people, 80, 0)
    threshold = 0.35
    interval = found.fmr_interval(threshold, generator=np.random.default_rng(0), draws=3000)
    # The same with the whole matrix and two plain draws with replacement.
    scores = np.full((60, 80), -1.0)
    first, second = found.impostors.tail_pairs.T
    scores[first, second] = found.impostors.tail
    errors = (scores >= threshold).astype(np.float64)
    generator = np.random.default_rng(1)
    rates = []
    for _ in range(3000):
        chosen = np.concatenate(
            [np.flatnonzero(people == person) for person in generator.integers(0, 20, 20)]
        )
        rates.append(errors[np.ix_(chosen, generator.integers(0, 80, 80))].mean())
    low, high = np.quantile(rates, [0.025, 0.975])
    assert interval.low == pytest.approx(low, rel=0.15)
    assert interval.high == pytest.approx(high, rel=0.1)
    assert interval.low < errors.mean() < interval.high


def test_tar_intervals_draw_people() -> None:
    found = _intervals(np.arange(60) % 20, 80, 0)
    interval = found.tar_interval(0.5, generator=np.random.default_rng(0))
    assert interval.method == "bootstrap over identities"
    assert interval.low < (found.genuine >= 0.5).mean() < interval.high

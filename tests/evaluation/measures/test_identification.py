import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.measures.identification import (
    NEVER,
    cmc,
    open_set_curve,
    rank_searches,
    search_gallery,
)
from vultus.evaluation.measures.rates import operating_point

SPACE = EmbeddingSpace("test", "0" * 64, "none", 8)


def _naive(
    scores: list[list[float]], probes: list[int], gallery: list[int]
) -> list[tuple[bool, float, float]]:
    out = []
    for row, who in zip(scores, probes, strict=True):
        best: dict[int, float] = {}
        for score, person in zip(row, gallery, strict=True):
            best[person] = max(score, best.get(person, -math.inf))
        mate = best.get(who, -math.inf)
        rank = sum(score >= mate for score in best.values()) if mate > -math.inf else math.inf
        out.append((who in best, rank, max(best.values())))
    return out


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_ranks_agree_with_loops(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 6))
    g = data.draw(st.integers(1, 6))
    values = st.sampled_from([-math.inf, 0.0, 0.25, 0.5])
    scores = data.draw(st.lists(st.lists(values, min_size=g, max_size=g), min_size=n, max_size=n))
    probes = data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    gallery = data.draw(st.lists(st.integers(0, 4), min_size=g, max_size=g))
    found = rank_searches(
        np.array(scores),
        probe_identities=np.array(probes),
        gallery_identities=np.array(gallery),
    )
    for row, (mated, rank, top) in enumerate(_naive(scores, probes, gallery)):
        assert found.mated[row] == mated
        assert found.mate_ranks[row] == (NEVER if rank == math.inf else rank)
        assert found.top_scores[row] == top


def test_a_tie_with_a_stranger_counts_against_the_system() -> None:
    found = rank_searches(
        np.array([[0.5, 0.5, 0.1]]),
        probe_identities=np.array(["ann"]),
        gallery_identities=np.array(["ann", "bob", "cid"]),
    )
    assert found.mate_ranks.tolist() == [2]
    curve = cmc(found, max_rank=3)
    assert [curve.rate(rank) for rank in (1, 2, 3)] == [0.0, 1.0, 1.0]
    with pytest.raises(InputError, match="rank must be"):
        curve.rate(4)


def test_a_failed_probe_is_a_miss_in_the_cmc_and_in_the_fnir() -> None:
    identities = np.array([0, 1, 9, 9])
    scores = np.array([[0.9, 0.1], [-np.inf, -np.inf], [0.2, 0.3], [-np.inf, -np.inf]])
    found = rank_searches(scores, probe_identities=identities, gallery_identities=np.array([0, 1]))
    assert cmc(found, max_rank=2).rate(2) == 0.5
    assert cmc(found).n_searches == 2
    curve = open_set_curve(found)
    # The stranger whose face was not found must not lower the FPIR.
    assert (curve.n_genuine, curve.n_impostor) == (2, 1)
    assert curve.tar[-1] == 0.5


def test_fnir_at_fpir_agrees_with_loops() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(0, 0.2, (120, 20)).round(2)
    probes = np.arange(120) % 40
    for row, who in enumerate(probes):
        if who < 20:
            scores[row, who] += 0.6
    found = rank_searches(scores, probe_identities=probes, gallery_identities=np.arange(20))
    point = operating_point(open_set_curve(found), fmr=0.1)
    strangers, mated = probes >= 20, probes < 20
    fpir = np.mean(scores[strangers].max(axis=1) >= point.threshold)
    missed = [
        scores[row, who] < point.threshold or scores[row, who] <= np.delete(scores[row], who).max()
        for row, who in enumerate(probes)
        if who < 20
    ]
    assert mated.sum() == point.n_genuine
    assert fpir == point.fmr <= 0.1
    assert np.mean(missed) == pytest.approx(point.fnmr)
    with pytest.raises(CalibrationError):
        operating_point(open_set_curve(found), fmr=0.01)


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    raw = generator.normal(size=(30, 8)).astype(np.float32)
    faces = Embeddings.from_raw(raw, SPACE)
    who = np.arange(30) % 10
    whole = search_gallery(
        faces[:20], faces[20:], probe_identities=who[:20], gallery_identities=who[20:]
    )
    monkeypatch.setattr("vultus.evaluation.measures.identification._N_PROBES", 7)
    blocks = search_gallery(
        faces[:20], faces[20:], probe_identities=who[:20], gallery_identities=who[20:]
    )
    assert blocks.mate_ranks.tolist() == whole.mate_ranks.tolist()
    np.testing.assert_allclose(blocks.top_scores, whole.top_scores, atol=1e-6)


def test_failures_on_either_side_keep_their_places() -> None:
    generator = np.random.default_rng(1)
    faces = Embeddings.from_raw(generator.normal(size=(6, 8)), SPACE)
    failed = np.array([False, True, False, False, False, False])
    found = search_gallery(
        faces[np.array([0, 1, 2, 4, 5])],
        faces[np.array([0, 2, 3, 4, 5])],
        probe_identities=np.arange(6),
        gallery_identities=np.arange(6),
        failed_probes=np.arange(6) == 3,
        failed_gallery=failed,
    )
    assert found.failed.tolist() == [False, False, False, True, False, False]
    assert found.mated.all()
    assert found.mate_ranks.tolist() == [1, NEVER, 1, NEVER, 1, 1]
    with pytest.raises(InputError, match="gallery must be as many"):
        search_gallery(faces, faces, probe_identities=np.arange(6), gallery_identities=np.arange(7))


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(InputError, match="not empty"):
        rank_searches(
            np.zeros((2, 0)), probe_identities=np.zeros(2), gallery_identities=np.zeros(0)
        )
    strangers = rank_searches(
        np.zeros((1, 1)), probe_identities=np.array([1]), gallery_identities=np.array([0])
    )
    with pytest.raises(InputError, match="mated"):
        cmc(strangers)
    with pytest.raises(InputError, match="strangers"):
        open_set_curve(strangers)

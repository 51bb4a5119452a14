"""Candidates from float32 products: nobody is missed, few are added."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.search import near as module
from vultus.search.near import (
    Pairs,
    Wanted,
    lowest_worth,
    lowest_worths,
    near_in,
    near_pairs,
    pair_similarities,
    ranked,
    rounding_bound,
)


@pytest.mark.parametrize("kind", ["random", "sorted", "all alike", "near ties"])
@pytest.mark.parametrize("rank", [1, 7, 50])
def test_block_maxima_miss_nobody(kind: str, rank: int) -> None:
    rng = np.random.default_rng(rank)
    true = rng.uniform(-1, 1, 5000)
    if kind == "sorted":
        true.sort()
    elif kind == "all alike":
        true[:] = 0.25
    elif kind == "near ties":
        true[:] = 0.5 + rng.integers(-3, 4, 5000) * 2.0**-24
    error = 2.0**-20
    rough = (true + rng.uniform(-error, error, 5000) * 0.9).astype(np.float32)
    answered = true.astype(np.float32)
    best = np.argsort(-answered, kind="stable")[:rank]
    columns = np.stack([rough, np.roll(rough, 1), -rough], axis=1)  # several probes at once
    near, floors = near_in(columns, rank, error=error, floors=np.full(3, -np.inf))
    for number, expected in enumerate([best, (best + 1) % 5000]):
        assert set(expected) <= set(near.rows[near.probes == number].tolist())
        assert floors[number] <= np.sort(true)[-rank]
    if kind == "random":
        assert np.count_nonzero(near.probes == 0) <= 3 * rank


def test_strips_add_few_and_rule_out_each_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    best = np.argsort(-(vectors[:9].astype(np.float64) @ vectors.T), axis=1)[:, :5]
    monkeypatch.setattr(module, "_STRIP", 200)
    monkeypatch.setattr(module, "PROBES_AT_ONCE", 4)
    found = set(zip(*near_pairs(vectors[:9], vectors, Wanted(5)), strict=True))
    assert found >= {(probe, row) for probe, own in enumerate(best) for row in own}
    assert len(found) <= 90


def test_a_pair_is_worth_the_same_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((50, 16)).astype(np.float32)
    pairs = Pairs(rng.integers(7, size=300), rng.integers(50, size=300))
    whole = pair_similarities(vectors[:7], vectors, pairs)
    monkeypatch.setattr(module, "_MULTIPLIED_AT_ONCE", 16 * 9)
    np.testing.assert_array_equal(pair_similarities(vectors[:7], vectors, pairs), whole)


def test_equals_are_ranked_by_number() -> None:
    owners = np.array([1, 0, 1, 1, 0, 1])
    similarities = np.array([0.5, 0.1, 0.5, 0.7, 0.2, 0.5], np.float32)
    ids = np.array([8, 3, -2, 9, 4, 2**62])
    lists = ranked(owners, similarities, ids, n_probes=3, rank=3)
    assert [own.tolist() for own, _ in lists] == [[4, 3], [9, -2, 8], []]
    np.testing.assert_array_equal(lists[1][1], np.array([0.7, 0.5, 0.5], np.float32))


def test_both_forms_of_the_least_worth_agree() -> None:
    values = np.array([-2.0, -1.0, -1 + 2.0**-24, 0.3, 1.0, 1.5, -np.inf])
    assert lowest_worths(values).tolist() == [lowest_worth(value) for value in values.tolist()]


def test_float32_products_stay_within_the_bound() -> None:
    rng = np.random.default_rng(0)
    for dim in (2, 128, 512):
        a, b = np.abs(rng.standard_normal((2, 2000, dim))).astype(np.float32)
        a /= np.linalg.norm(a, axis=1, keepdims=True)
        b /= np.linalg.norm(b, axis=1, keepdims=True)
        true = (a.astype(np.float64) * b).sum(axis=1)
        in_order = np.cumsum(a * b, axis=1, dtype=np.float32)[:, -1]  # the worst way to sum
        assert np.abs(in_order - true).max() <= rounding_bound(dim)
        assert np.abs(np.vecdot(a, b) - true).max() <= rounding_bound(dim)


@settings(deadline=None)
@given(st.floats(-1.002, 1.002), st.floats(0, 2.0**-22))
def test_whoever_is_answered_alike_is_worth_a_look(similarity: float, less: float) -> None:
    answers = np.clip([similarity - less, similarity], -1, 1).astype(np.float32)
    assert similarity - less >= lowest_worth(similarity) or answers[0] < answers[1]

"""Pairs, triplets and distances against loops."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.mining.triplets import (
    all_pairs,
    all_triplets,
    negative_mask,
    positive_mask,
    positive_pairs,
    squared_distances,
)

labels_of_a_batch = st.lists(st.integers(-1, 3), max_size=9)


@given(labels_of_a_batch)
def test_all_pairs(labels: list[int]) -> None:
    pairs = all_pairs(torch.tensor(labels, dtype=torch.int64))
    known = [i for i, label in enumerate(labels) if label >= 0]
    expected = [(i, j, labels[i] == labels[j]) for i in known for j in known if i < j]
    assert list(zip(*(part.tolist() for part in pairs), strict=True)) == expected


@given(labels_of_a_batch)
def test_all_triplets_and_positive_pairs(labels: list[int]) -> None:
    tensor = torch.tensor(labels, dtype=torch.int64)
    triplets = all_triplets(tensor)
    known = [i for i, label in enumerate(labels) if label >= 0]
    expected = {
        (a, p, n)
        for a, p, n in permutations(known, 3)
        if labels[a] == labels[p] and labels[a] != labels[n]
    }
    got = list(zip(*(part.tolist() for part in triplets), strict=True))
    assert set(got) == expected
    assert len(got) == len(expected)
    pairs = set(zip(*(part.tolist() for part in positive_pairs(tensor)), strict=True))
    assert pairs == {(a, p) for a, p in permutations(known, 2) if labels[a] == labels[p]}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_squared_distances(dtype: torch.dtype) -> None:
    rows = torch.randn(9, 5).to(dtype).requires_grad_()
    got = squared_distances(rows)
    expected = torch.cdist(rows.detach().double(), rows.detach().double()).square()
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got, got.T)
    assert (got.diagonal() == 0).all()
    (gradient,) = torch.autograd.grad(got.sum(), rows)
    assert gradient.any()


def test_masks_leave_out_self_pairs_and_who_is_nobody() -> None:
    labels = torch.tensor([3, 1, 3, -1, -1])
    genuine, impostor = positive_mask(labels), negative_mask(labels)
    assert genuine.nonzero().tolist() == [[0, 2], [2, 0]]
    assert impostor.nonzero().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]


def test_bad_labels_are_refused() -> None:
    with pytest.raises(InputError, match="labels must be integers"):
        all_pairs(torch.zeros(3))

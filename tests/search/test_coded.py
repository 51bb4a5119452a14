"""The bound of a coded row, and the candidates that follow from it."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.search.coded import (
    can_scan,
    candidates,
    encode,
    encode_probes,
    probe_levels,
)


def unit(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("dim", [1, 2, 128, 512, 516, 1024, 4096, 100_000])
def test_no_sum_of_products_overflows_int32(dim: int) -> None:
    levels = probe_levels(dim)
    assert 1 <= levels <= np.iinfo(np.int16).max
    assert dim * 127 * levels <= np.iinfo(np.int32).max
    probe = encode_probes(np.full((1, dim), dim**-0.5, np.float32))
    assert np.abs(probe.codes.astype(np.int64)).max() == levels
    row = encode(np.full((1, dim), dim**-0.5, np.float32))
    assert int(row.codes[0].astype(np.int64) @ probe.codes[0]) == dim * 127 * levels


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 3, 16, 128]), st.integers(0, 10**6), st.sampled_from([1, 3, 9]))
def test_bounds_hold_in_exact_arithmetic(dim: int, seed: int, power: int) -> None:
    rng = np.random.default_rng(seed)
    # Odd powers of normal numbers: some entries far larger than others, which is hard on codes.
    q, x = unit(rng.standard_normal((2, 4, dim)).reshape(8, dim) ** power).reshape(2, 4, dim)
    x *= rng.uniform(0.9991, 1.0009, (4, 1)).astype(np.float32)
    rows, probes = encode(x), encode_probes(q)
    for i in range(4):
        scale, radius = Fraction(float(rows.scales[i])), Fraction(float(rows.radii[i]))
        exact_row = [Fraction(float(value)) for value in x[i]]
        left = [v - scale * int(c) for v, c in zip(exact_row, rows.codes[i], strict=True)]
        assert sum(value * value for value in left) <= radius**2
        for p in range(4):
            true = sum(Fraction(float(a)) * b for a, b in zip(q[p], exact_row, strict=True))
            total = int(rows.codes[i].astype(np.int64) @ probes.codes[p].astype(np.int64))
            estimate = float(probes.steps[p] * rows.scales[i].astype(np.float64) * total)
            margin = float(probes.per_radius[p]) * float(rows.radii[i]) + float(probes.fixed[p])
            assert abs(float(true - Fraction(estimate))) <= margin


def test_margins_are_small_at_real_dimensions() -> None:
    rng = np.random.default_rng(0)
    for dim in (128, 512):
        rows = encode(unit(rng.standard_normal((1000, dim))))
        assert 0.003 < rows.radii.mean() < 0.01
        assert encode_probes(unit(rng.standard_normal((50, dim)))).fixed.max() < 1e-4


@pytest.mark.skipif(not can_scan(), reason="numba is not installed")
@pytest.mark.parametrize("dim", [128, 1024])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_scan_computes_the_largest_sums_right(dim: int, sign: int) -> None:
    """Entries all alike make the sum as large as int32 allows; one bit more would wrap around."""
    rng = np.random.default_rng(0)
    alike = np.full((1, dim), dim**-0.5, np.float32)
    vectors = np.concatenate([unit(rng.standard_normal((500, dim))), alike * np.float32(sign)])
    coded = encode(vectors)
    [near] = candidates(coded, alike * np.float32(sign), rank=1)
    assert near is not None
    assert near.tolist() == [500]
    [above] = candidates(coded, alike, threshold=0.99)
    assert above is not None
    assert above.tolist() == ([500] if sign == 1 else [])


@pytest.mark.skipif(not can_scan(), reason="numba is not installed")
def test_a_row_without_radius_is_never_a_candidate() -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((100, 32)))
    coded = encode(vectors)
    coded.radii[5] = np.nan
    for rank, threshold in ((100, None), (None, -1.0)):
        [near] = candidates(coded, vectors[5:6], rank=rank, threshold=threshold)
        assert near is not None
        assert near.tolist() == [i for i in range(100) if i != 5]

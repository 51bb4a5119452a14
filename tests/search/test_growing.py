import sys

import numpy as np
import pytest

from vultus.search import growing
from vultus.search.growing import GrowingArray


def test_rows_come_back_as_they_were_added() -> None:
    array = GrowingArray(3, dtype=np.float32)
    rows = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    for start in range(0, 50, 7):
        array.append(rows[start : start + 7])
    np.testing.assert_array_equal(array.rows, rows)
    array.keep(np.arange(0, 50, 2))
    np.testing.assert_array_equal(array.rows, rows[::2])
    assert len(array) == 25
    assert array.nbytes == 25 * 12


@pytest.mark.parametrize("one", [False, True])
def test_few_of_many_calls_copy(one: bool) -> None:
    array = GrowingArray(dtype=np.int64)
    places = set()
    for i in range(1000):
        if one:
            array.append_one(i)
        else:
            array.append(np.array([i]))
        assert array.rows[-1] == i
        places.add(array.rows.__array_interface__["data"][0])
    assert len(places) < 40


def test_memory_that_is_left_behind_is_overwritten() -> None:
    array = GrowingArray(dtype=np.int64)
    array.append(np.array([7]))
    old = array.rows
    array.append(np.array([8, 9]))
    assert old.tolist() == [0]
    old = array.rows
    array.keep(np.array([0, 2]))
    assert old.tolist() == [0, 0, 0]
    assert array.rows.tolist() == [7, 9]


@pytest.mark.skipif(sys.platform != "linux", reason="done on Linux only")
def test_a_large_array_is_moved_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "_MOVED_FROM", 1)
    array = GrowingArray(2, dtype=np.int64)
    rows = np.arange(400).reshape(200, 2)
    for row in rows:
        array.append(row[None])
    np.testing.assert_array_equal(array.rows, rows)
    assert array.nbytes == rows.nbytes
    view = array.rows  # with a view of it around, memory must stay where it is
    for row in rows:
        array.append(row[None])
    assert not view.any()
    np.testing.assert_array_equal(array.rows, np.concatenate([rows, rows]))

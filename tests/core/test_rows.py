from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import InputError
from vultus.core.rows import Rows, freeze_arrays


@dataclass(frozen=True, slots=True, eq=False)
class Sightings(Rows):
    places: npt.NDArray[np.float32]
    day: str
    sizes: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        freeze_arrays(self)


def sightings(n: int = 4, *, sizes: bool = True) -> Sightings:
    places = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return Sightings(places, "today", np.arange(n) if sizes else None)


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (2, [2]),
        (-1, [3]),
        (np.int64(0), [0]),
        (slice(1, None, 2), [1, 3]),
        (np.array([True, False, False, True]), [0, 3]),
        ([3, 1, 1], [3, 1, 1]),
        (np.array([], int), []),
    ],
)
def test_a_selection_is_of_all_arrays_and_keeps_the_rest(index: Any, rows: list[int]) -> None:
    every = sightings()
    some = every[index]
    assert isinstance(some, Sightings)
    assert some.sizes is not None
    assert some.sizes.tolist() == rows
    assert np.array_equal(some.places, every.places[rows])
    assert some.day == "today"
    assert len(some) == len(rows)
    assert sightings(sizes=False)[1:].sizes is None


@pytest.mark.parametrize("index", [4, -5])
def test_a_row_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError, match=f"row {index} of 4 in Sightings"):
        sightings()[index]


def test_going_through_gives_one_row_at_a_time() -> None:
    assert [row.places.tolist() for row in sightings(2)] == [[[0, 1]], [[2, 3]]]


def test_joining_drops_what_not_all_have() -> None:
    one, two = sightings(2), sightings(3)
    joined = Sightings.concatenate([one, two])
    assert joined.places.tolist() == [*one.places.tolist(), *two.places.tolist()]
    assert joined.sizes is not None
    assert joined.sizes.tolist() == [0, 1, 0, 1, 2]
    for parts in ([one, sightings(sizes=False)], [sightings(sizes=False), one]):
        assert Sightings.concatenate(parts).sizes is None
    with pytest.raises(InputError, match="at least one Sightings, got an empty list"):
        Sightings.concatenate([])


def test_arrays_are_frozen_but_the_callers_own_are_not() -> None:
    places = np.zeros((2, 2), np.float32)
    held = Sightings(places, "today")
    with pytest.raises(ValueError, match="read-only"):
        held.places[0] = 1
    places[0] = 1
    assert held.sizes is None

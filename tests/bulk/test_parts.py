from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vultus.bulk.parts import PartWork, run_parts
from vultus.bulk.workers import Outcome, Task, Workers

ITEMS = 23


class Deadly(Workers):
    """Dies of some places; looks at a task's places and at those that are left out."""

    def __init__(self, killers: set[int]) -> None:
        self.killers = killers

    def run(
        self,
        tasks: Iterator[Task],
        function: Callable[..., Any],
        *,
        after: Callable[[Outcome], Sequence[Task]],
    ) -> None:
        first: list[Task] = []
        while (task := first.pop(0) if first else next(tasks, None)) is not None:
            key, (places, left_out) = task
            dies = bool((self.killers & set(places)) - left_out)
            value = None if dies else function(places, left_out)
            first += after(Outcome(key, value, killed=dies))


def survivors(places: range, left_out: frozenset[int]) -> list[int]:
    return [place for place in places if place not in left_out]


@given(killers=st.sets(st.integers(0, ITEMS - 1)), size=st.integers(1, ITEMS))
def test_each_part_is_done_once_with_all_but_the_killers(killers: set[int], size: int) -> None:
    done: list[tuple[int, list[int]]] = []

    def places(part: int) -> range:
        return range(part * size, min(ITEMS, (part + 1) * size))

    work = PartWork(
        places,
        survivors,
        lambda wanted, left_out: (wanted, left_out),
        lambda part, found: done.append((part, found)),
    )
    parts = range(-(-ITEMS // size))
    assert run_parts(work, parts, Deadly(killers)) == sorted(killers)
    assert sorted(part for part, _ in done) == list(parts)
    assert sorted(place for _, found in done for place in found) == sorted(
        set(range(ITEMS)) - killers
    )

from collections.abc import Iterator

import pytest

from vultus.liveness.session.movements import MOVEMENTS, Movement
from vultus.liveness.session.rests import RestFinder


def _parts(turn: float = 0.0, nod: float = 0.0) -> dict[Movement, float]:
    none = dict.fromkeys(MOVEMENTS, 0.0)
    return {**none, "turn_left": turn, "turn_right": -turn, "nod": nod, "look_up": -nod}


def _taken(rest: RestFinder, turns: list[float]) -> Iterator[Movement | None]:
    for k, turn in enumerate(turns):
        yield rest.take(k / 10, _parts(turn))


def test_a_head_that_rests() -> None:
    rest = RestFinder(1.0)
    told = list(_taken(rest, [0.0, 0.1, -0.1, 0.0] * 3))
    assert set(told) == {None}
    assert not rest.is_over  # it had to settle first
    assert not any(rest.take(1.2 + k / 10, _parts()) for k in range(3))
    assert rest.is_over


def test_it_must_come_back_first() -> None:
    rest = RestFinder(0.5)
    assert set(_taken(rest, [2.0] * 20)) == {None}
    assert not rest.has_begun
    back = [2.0, 1.5, 1.0, 0.5, *[0.0] * 12]
    told = [rest.take(2 + k / 10, _parts(turn)) for k, turn in enumerate(back)]
    assert set(told) == {None}
    assert rest.is_over


def test_who_overshoots_the_middle_made_no_movement() -> None:
    rest = RestFinder(0.5)
    assert set(_taken(rest, [2.0, 0.8, -0.8, -1.2, -0.6, *[0.0] * 12])) == {None}
    assert rest.is_over


@pytest.mark.parametrize(("turn", "moved"), [(1.3, "turn_left"), (-1.3, "turn_right")])
def test_what_nobody_asked_for(turn: float, moved: Movement) -> None:
    told = list(_taken(RestFinder(5.0), [*[0.0] * 6, turn / 2, turn]))
    assert told[-1] == moved
    assert set(told[:-1]) == {None}


def test_who_stirs_rests_anew() -> None:
    rest = RestFinder(0.5)
    list(_taken(rest, [*[0.0] * 6, 0.8, *[0.0] * 5]))
    assert not rest.is_over
    assert not any(rest.take(1.2 + k / 10, _parts()) for k in range(6))
    assert rest.is_over

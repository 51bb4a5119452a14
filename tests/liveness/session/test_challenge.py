from collections import Counter

import pytest

from vultus.core.errors import InputError
from vultus.liveness.session.challenge import (
    Challenge,
    draw_challenge,
    draw_rests,
    parse_challenge,
)
from vultus.liveness.session.movements import OUT_OF_PLANE


def test_what_is_drawn_differs_and_shows_a_solid_head() -> None:
    drawn = [draw_challenge() for _ in range(200)]
    assert len({one.nonce for one in drawn}) == 200
    assert len({one.movements for one in drawn}) > 100
    for one in drawn:
        assert len(one.movements) == 4
        assert sum(name in OUT_OF_PLANE for name in one.movements) >= 2
        assert all(a != b for a, b in zip(one.movements, one.movements[1:], strict=False))
    first = Counter(one.movements[0] for one in drawn)
    assert len(first) == 6


@pytest.mark.parametrize("n", [0, 1, 9, True, 2.5])
def test_numbers_that_cannot_be_drawn(n: int) -> None:
    with pytest.raises(InputError, match="movements"):
        draw_challenge(n)


def test_movements_as_a_text() -> None:
    assert parse_challenge("tilt_right, nod").movements == ("tilt_right", "nod")


@pytest.mark.parametrize("text", ["", "wink", "nod,nod", ",".join(["nod", "closer"] * 5)])
def test_what_cannot_be_asked(text: str) -> None:
    with pytest.raises(InputError, match="movement"):
        parse_challenge(text)


def test_a_time_that_nobody_can_keep() -> None:
    with pytest.raises(InputError, match="movement_s"):
        Challenge(movements=("nod",), nonce="0" * 32, movement_s=0.1)


def test_when_each_is_asked_is_drawn_too() -> None:
    drawn = [rest for _ in range(200) for rest in draw_challenge().rests_s]
    assert len(drawn) == 800
    assert 0.5 <= min(drawn) < 0.7
    assert 4.3 < max(drawn) <= 4.5
    assert len(set(draw_rests(8))) > 1
    assert parse_challenge("nod,closer").rests_s == ()
    assert len(parse_challenge("nod,closer", rests=True).rests_s) == 2


@pytest.mark.parametrize(("rests_s", "said"), [((1.0,), "one for each of 2"), ((1, -1), "rests_s")])
def test_rests_that_nobody_can_keep(rests_s: tuple[float, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Challenge(movements=("nod", "closer"), nonce="0" * 32, rests_s=rests_s)

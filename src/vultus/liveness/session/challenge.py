"""What is asked of who wants to be taken for alive."""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.liveness.session.lights import LIGHTS, Light
from vultus.liveness.session.movements import MOVEMENTS, OUT_OF_PLANE, Movement

_MOST = 8
_SHORTEST_REST_S, _LONGEST_REST_S = 0.5, 4.5
_SHORTEST_LIGHT_S, _LONGEST_LIGHT_S = 1.1, 1.7
"""Not once a second does the screen change: three flashes a second may harm (WCAG 2.3.1)."""
_LEAST_LIGHTS = 3
_DRAWN = tuple(name for name in MOVEMENTS if name != "look_up")
"""Chin up is not asked unless somebody wants it: it is small, and landmarks tell it badly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Movements in their order, and how long is waited for them.

    Attributes:
        movements: What is asked, one after the other; each is told when that before it was made.
        nonce: 32 hex digits that nobody can guess; who sends frames must know it.
        movement_s: Seconds for each movement, and for the look straight ahead before them.
        rests_s: So many seconds must the head rest, straight ahead, before each movement is asked,
            one number for each; nobody who films beforehand knows when they end. Empty asks each
            movement as soon as that before it was made.
        lights: Colours that the screen throws onto the face after the movements, one after the
            other; empty for none.
        lights_s: So many seconds each is shown, 1 at least; one number for each.

    Raises:
        InputError: If there is no movement, one that is not known, or one twice in a row, if there
            are not as many rests as movements, or a number is out of range.
    """

    movements: tuple[Movement, ...]
    nonce: str
    movement_s: float = 8.0
    rests_s: tuple[float, ...] = ()
    lights: tuple[Light, ...] = ()
    lights_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_range("movement_s", self.movement_s, low=1, high=60)
        check_movements(self.movements)
        if len(self.rests_s) not in (0, len(self.movements)):
            raise InputError(
                f"rests_s must be one for each of {len(self.movements)} movements, or none, got "
                f"{len(self.rests_s)}"
            )
        for rest_s in self.rests_s:
            check_range("rests_s", rest_s, low=0, high=60)
        self._check_lights()

    def _check_lights(self) -> None:
        lights = self.lights
        if lights and not _LEAST_LIGHTS <= len(lights) <= _MOST:
            raise InputError(
                f"lights must be {_LEAST_LIGHTS} to {_MOST}, or none, got {len(lights)}"
            )
        if set(lights) - set(LIGHTS) or any(a == b for a, b in itertools.pairwise(lights)):
            raise InputError(
                f"lights must be of {', '.join(LIGHTS)}, none twice in a row, got "
                f"{', '.join(lights)}"
            )
        if len(self.lights_s) != len(lights):
            raise InputError(
                f"lights_s must be one for each of {len(lights)} lights, got {len(self.lights_s)}"
            )
        for light_s in self.lights_s:
            check_range("lights_s", light_s, low=1, high=10)


def check_movements(movements: Sequence[str]) -> None:
    """Raise unless these can be asked in this order.

    Raises:
        InputError: If not.
    """
    if not 1 <= len(movements) <= _MOST:
        raise InputError(f"movements must be 1 to {_MOST}, got {len(movements)}")
    unknown = [name for name in movements if name not in MOVEMENTS]
    if unknown:
        raise InputError(f"movements must be of {', '.join(MOVEMENTS)}, got {unknown[0]!a}")
    if any(a == b for a, b in itertools.pairwise(movements)):
        raise InputError(f"no movement may be asked twice in a row, got {', '.join(movements)}")


def parse_challenge(text: str, *, movement_s: float = 8.0, rests: bool = False) -> Challenge:
    """Movements as a text names them, with a nonce of their own.

    Args:
        text: ``turn_left,nod``.
        movement_s: Seconds for each of them.
        rests: Draw a rest before each, as `draw_challenge` does.

    Raises:
        InputError: As `Challenge`.
    """
    names = tuple(name.strip() for name in text.split(","))
    check_movements(names)
    return Challenge(
        movements=cast(tuple[Movement, ...], names),
        nonce=secrets.token_hex(16),
        movement_s=movement_s,
        rests_s=draw_rests(len(names)) if rests else (),
    )


def draw_rests(n: int) -> tuple[float, ...]:
    """Seconds of rest before each movement, from the system's source of randomness.

    Even over 4 s: where a movement must begin within 2.5 s of being asked (`SessionSettings`), a
    film whose order happens to be right has each in time in 5 of 8 cases at best.
    """
    span_ms = round(1000 * (_LONGEST_REST_S - _SHORTEST_REST_S))
    return tuple(_SHORTEST_REST_S + secrets.randbelow(span_ms + 1) / 1000 for _ in range(n))


def draw_lights(n: int) -> tuple[tuple[Light, ...], tuple[float, ...]]:
    """Colours in an order that nobody can foresee, and how long each is shown.

    Of 5 there are 48 orders. The time of each is drawn, too, even over 1.1 to 1.7 s.

    Args:
        n: How many, in [3, 8]; 0 for none.

    Returns:
        Both as `Challenge` has them.
    """
    lights: list[Light] = []
    for _ in range(n):
        lights.append(secrets.choice([one for one in LIGHTS if one not in lights[-1:]]))
    span_ms = round(1000 * (_LONGEST_LIGHT_S - _SHORTEST_LIGHT_S))
    times = (_SHORTEST_LIGHT_S + secrets.randbelow(span_ms + 1) / 1000 for _ in range(n))
    return tuple(lights), tuple(times)


def draw_challenge(n: int = 4, *, movement_s: float = 8.0, lights: int = 0) -> Challenge:
    """Draw movements that nobody can foresee, from the system's source of randomness.

    Two at least are turns or nods, by which a solid head shows itself. Of 4 movements there are 546
    orders: who plays a film that he has meets the order once in so many tries. When each is asked
    is drawn, too (`draw_rests`).

    Args:
        n: How many, in [2, 8].
        movement_s: Seconds for each of them.
        lights: How many colours the screen throws onto the face afterwards, in [3, 8]; 0 for none.

    Raises:
        InputError: If a number is out of range.
    """
    check_positive_int("movements", n, minimum=2)
    if n > _MOST:
        raise InputError(f"movements must be 2 to {_MOST}, got {n}")
    while True:
        drawn = tuple(secrets.choice(_DRAWN) for _ in range(n))
        solid = sum(name in OUT_OF_PLANE for name in drawn)
        if solid >= 2 and all(a != b for a, b in itertools.pairwise(drawn)):
            colours, times = draw_lights(lights)
            return Challenge(
                movements=drawn,
                nonce=secrets.token_hex(16),
                movement_s=movement_s,
                rests_s=draw_rests(n),
                lights=colours,
                lights_s=times,
            )

"""Why a session is rejected."""

from dataclasses import dataclass
from typing import Literal

from vultus.liveness.session.movements import Movement

ReasonCode = Literal[
    "several-faces", "no-face", "jumped", "other-person", "wrong-movement", "unasked", "too-slow",
    "repeated-frames", "at-once", "faded", "flat", "lights", "ended",
]  # fmt: skip
"""Why a session is rejected, for programs."""

SPOKEN: dict[Movement, str] = {
    "turn_left": "a turn to the left",
    "turn_right": "a turn to the right",
    "nod": "a nod",
    "look_up": "a look up",
    "tilt_left": "a tilt to the left",
    "tilt_right": "a tilt to the right",
    "closer": "a move closer",
}
"""Movements in the words of a reason; left and right are the person's own."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a session is rejected.

    Attributes:
        code: For programs.
        text: For people, in English.
        asked: The movement that was asked for then; None where none was.
        made: The movement that was made instead; None where it is not about one.
    """

    code: ReasonCode
    text: str
    asked: Movement | None = None
    made: Movement | None = None

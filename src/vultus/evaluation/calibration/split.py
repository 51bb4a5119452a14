"""Which people set the thresholds and which check them; what a number of people can carry."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.errors import CalibrationError

SHARE_HELD_OUT = 0.5


def held_out(
    identities: npt.NDArray[Any],
    *,
    generator: np.random.Generator,
    share: float = SHARE_HELD_OUT,
) -> npt.NDArray[np.bool_]:
    """Draw people, with all their photos, to be kept for the check.

    Args:
        identities: (n,) of any dtype that sorts: who is on each photo.
        generator: Source of randomness.
        share: Of the people, in (0, 1).

    Returns:
        (n,) bool, True for photos of people who are kept.
    """
    check_range("share", share, low=0, high=1, low_open=True, high_open=True)
    people, who = np.unique(identities, return_inverse=True)
    kept = np.zeros(len(people), np.bool_)
    kept[generator.permutation(len(people))[: round(share * len(people))]] = True
    return kept[who]


def smallest_fmr(n_people: int) -> float:
    """The lowest FMR that so many people carry: 3 / pairs of people.

    Photos of the same two people say the same thing again and again, so pairs of people are
    counted, not pairs of photos.
    """
    pairs = n_people * (n_people - 1) / 2
    return 3 / pairs if pairs else math.inf


def people_for_fmr(fmr: float) -> int:
    """How many people a calibration needs to carry an FMR (rule of three on pairs of people).

    Raises:
        InputError: If ``fmr`` is outside (0, 1].

    Example:
        >>> people_for_fmr(1e-3), people_for_fmr(1e-6)
        (78, 2450)
    """
    check_range("fmr", fmr, low=0, high=1, low_open=True)
    n = math.ceil((1 + math.sqrt(1 + 24 / fmr)) / 2)
    return n if smallest_fmr(n) <= fmr else n + 1


def check_people_for_fmr(fmr: float, *, n_people: int, share: float = 1.0) -> None:
    """Refuse a false match rate that the people cannot carry.

    Args:
        fmr: The rate asked for, in (0, 1].
        n_people: How many people there are to set the threshold on.
        share: Which share of all people they are; the message counts in all people.

    Raises:
        CalibrationError: If it is below 3 / pairs of people; the message says how many more
            people it takes.
    """
    if fmr >= smallest_fmr(n_people):
        return
    needed = math.ceil(people_for_fmr(fmr) / share)
    have = round(n_people / share)
    carried = smallest_fmr(n_people)
    less = f"They carry FMR {carried:.2g}: ask for that" if carried <= 1 else "Bring more"
    raise CalibrationError(
        f"FMR {fmr:.3g} takes {needed:,} people with a face on a photo, there are {have:,}: "
        f"{needed - have:,} more. {less}, or set threshold=... by hand"
    )

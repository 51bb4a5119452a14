"""Which people set the thresholds and which check them; what a number of people can carry."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.errors import CalibrationError
from vultus.core.text import argument, rounded_up

SHARE_HELD_OUT = 0.5


def held_out(
    identities: npt.NDArray[Any],
    *,
    generator: np.random.Generator,
    share: float = SHARE_HELD_OUT,
    photo_counts: Collection[int] = (),
) -> npt.NDArray[np.bool_]:
    """Draw people, with all their photos, to be kept for the check.

    Args:
        identities: (n,) of any dtype that sorts: who is on each photo.
        generator: Source of randomness.
        share: Of the people, in (0, 1).
        photo_counts: Of the people with at least so many photos the same share is kept, too, so
            that it does not hang on the draw how many of them set a threshold.

    Returns:
        (n,) bool, True for photos of people who are kept.
    """
    check_range("share", share, low=0, high=1, low_open=True, high_open=True)
    people, who, photos = np.unique(identities, return_inverse=True, return_counts=True)
    kept = np.zeros(len(people), np.bool_)
    order = generator.permutation(len(people))
    enough, quota = 0, 0
    more = np.inf
    for least in sorted({0, *photo_counts}, reverse=True):
        group = order[(photos[order] >= least) & (photos[order] < more)]
        enough, before, more = enough + len(group), quota, least
        quota = split_sizes(enough, share=share)[1]
        kept[group[: quota - before]] = True
    return kept[who]


def split_sizes(n_people: int, *, share: float = SHARE_HELD_OUT) -> tuple[int, int]:
    """How many people set the thresholds and how many are kept, as `held_out` draws them."""
    kept = round(share * n_people)
    return n_people - kept, kept


def people_in_all(setting: int, kept: int, *, share: float = SHARE_HELD_OUT) -> int:
    """The fewest people of whom so many set the thresholds and so many are kept.

    Args:
        setting: How many must set them, at least.
        kept: How many must check them, at least.
        share: Of the people, in (0, 1), who check.
    """
    n = max(0, math.floor(max((setting - 0.5) / (1 - share), (kept - 0.5) / share)) - 1)
    while True:
        of_n = split_sizes(n, share=share)
        if of_n[0] >= setting and of_n[1] >= kept:
            return n
        n += 1


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
    n = max(2, math.floor((1 + math.sqrt(1 + 24 / fmr)) / 2) - 1)
    while smallest_fmr(n) > fmr:
        n += 1
    return n


def check_people_for_fmr(fmr: float, *, n_people: int, share: float = SHARE_HELD_OUT) -> None:
    """Refuse a false match rate that a side of the split cannot carry.

    Args:
        fmr: The rate asked for, in (0, 1].
        n_people: How many people there are in all.
        share: Which share of them is held out, in (0, 1).

    Raises:
        CalibrationError: If it is below 3 / pairs of people on either side; the message says how
            many people in all it takes.
    """
    carried = smallest_fmr(min(split_sizes(n_people, share=share)))
    if fmr >= carried:
        return
    side = people_for_fmr(fmr)
    needed = people_in_all(side, side, share=share)
    less = f"They carry FMR {rounded_up(carried)}: ask for that" if carried <= 1 else "Bring more"
    raise CalibrationError(
        f"FMR {fmr:.3g} takes {needed:,} people with a face on a photo, there are {n_people:,}: "
        f"{needed - n_people:,} more. {less}, or decide by {argument('threshold')}, set by hand"
    )

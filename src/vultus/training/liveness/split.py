"""Who trains, whose photos set the threshold, and who checks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.training.liveness.photos import LIVE, ListedPhoto
from vultus.training.liveness.recipe import PhotoConfig

Part = Literal["train", "setting", "held out"]
PARTS: tuple[Part, ...] = ("train", "setting", "held out")

_TRIES = 300


def split_photos(photos: Sequence[ListedPhoto], config: PhotoConfig, *, seed: int) -> list[Part]:
    """A part for each photo; all photos of a group, living or not, are in one.

    Of many random splits the one is taken whose parts are nearest to the shares asked for, in every
    kind.

    Args:
        photos: Those that can be judged.
        config: The shares, and how many photos there must be.
        seed: Of the splits.

    Raises:
        InputError: If a kind has too few photos or people, if living faces and attacks are too
            unequal in number, or if no split has every kind in every part.
    """
    kinds = list(dict.fromkeys(photo.kind for photo in photos))
    _check_counts(photos, config)
    groups = sorted({photo.group for photo in photos})
    row, column = ({name: place for place, name in enumerate(x)} for x in (groups, kinds))
    table = np.zeros((len(groups), len(kinds)), np.int64)
    for photo in photos:
        table[row[photo.group], column[photo.kind]] += 1
    wanted = np.array([1 - config.setting - config.held_out, config.setting, config.held_out])
    best, chosen, lacking = np.inf, None, kinds[0]
    rng = np.random.default_rng([seed, 1])
    for _ in range(_TRIES):
        drawn = _dealt(table, wanted, rng)
        found = np.stack([table[drawn == part].sum(axis=0) for part in range(len(PARTS))])
        if (found == 0).any():
            lacking = kinds[int(np.argwhere(found == 0)[0, 1])]
            continue
        off = float(np.abs(found / table.sum(axis=0) - wanted[:, None]).max())
        if off < best:
            best, chosen = off, drawn
    if chosen is None:
        raise InputError(
            f"no split has photos of {_words(lacking)} among those who train, who set the "
            "threshold and who check: add people to it"
        )
    return [PARTS[chosen[row[photo.group]]] for photo in photos]


def _dealt(
    table: npt.NDArray[np.int64], wanted: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """(groups,) a part for each, dealt one by one to the part that lacks most."""
    counts = np.zeros(len(PARTS))
    parts = np.zeros(len(table), np.int64)
    sizes = table.sum(axis=1)
    for group in rng.permutation(len(table)):
        parts[group] = int((counts / wanted).argmin())
        counts[parts[group]] += sizes[group]
    return parts


def _check_counts(photos: Sequence[ListedPhoto], config: PhotoConfig) -> None:
    counts = Counter(photo.kind for photo in photos)
    groups: Mapping[str, set[str]] = {
        kind: {photo.group for photo in photos if photo.kind == kind} for kind in counts
    }
    for kind, n in counts.items():
        if n < config.min_photos:
            raise InputError(
                f"{_words(kind)} must have {config.min_photos} photos that can be judged, has {n}: "
                "add some (data.min_photos says how many)"
            )
        if len(groups[kind]) < len(PARTS):
            raise InputError(
                f"{_words(kind)} must have photos of {len(PARTS)} people or sessions at least, for "
                f"training, for the threshold and for the check, has {len(groups[kind])} "
                f"({', '.join(sorted(groups[kind]))}): add people"
            )
    n_live = counts[LIVE]
    n_attacks = sum(counts.values()) - n_live
    if max(n_live, n_attacks) > config.max_ratio * min(n_live, n_attacks):
        raise InputError(
            f"{n_live} living faces and {n_attacks} attacks are too unequal in number (more than "
            f"{config.max_ratio:g} to 1): add to the fewer (data.max_ratio says how unequal they "
            "may be)"
        )


def _words(kind: str) -> str:
    return "live/" if kind == LIVE else f"attack/{kind}/"

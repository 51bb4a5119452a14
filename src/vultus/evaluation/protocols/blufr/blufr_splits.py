"""The splits of BLUFR: the benchmark's own lists, or splits drawn by its rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.evaluation.protocols.protocol_files import read_lines

LIST_FILES = ("image_list.txt", "labels.txt", "test_set.txt", "gallery_set.txt", "probe_set.txt")
_TRAINING_SHARE = 1500 / 5749
"""Of the people of LFW, set aside for training in each trial."""

_GALLERY_SHARE = 0.8
_MAX_GALLERY = 1000
"""Of some 1,240 people who have two photos or more in a test set of LFW, 1,000 are enrolled."""


@dataclass(frozen=True, slots=True, eq=False)
class BlufrTrial:
    """One random split; all are places of photos.

    Attributes:
        test: (n,) int64, gallery and probes.
        gallery: (g,) int64, one photo of each enrolled person.
        probes: (p,) int64, the other photos: of enrolled people and of strangers.
    """

    test: npt.NDArray[np.int64]
    gallery: npt.NDArray[np.int64]
    probes: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True, eq=False)
class BlufrLists:
    """What the benchmark's lists say.

    Attributes:
        names: File names of the photos, without folders.
        people: (n,) int64, who is on each.
        trials: The splits.
    """

    names: tuple[str, ...]
    people: npt.NDArray[np.int64]
    trials: tuple[BlufrTrial, ...]


def read_blufr_lists(folder: Path) -> BlufrLists:
    """Read the benchmark's ``list/lfw``: `LIST_FILES`.

    The sets begin with the number of trials; each trial is the number of its photos and so many
    lines ``number, name``, numbered from 1 as in ``image_list.txt``.

    Raises:
        InputError: If a file is missing or not of the layout; the message names the line.
    """
    names = read_lines(folder / "image_list.txt")
    labels = read_lines(folder / "labels.txt")
    if len(labels) != len(names) or not all(label.isdigit() for label in labels):
        raise InputError(
            f"{folder / 'labels.txt'} must have a number for each of the {len(names):,} photos of "
            f"image_list.txt, it has {len(labels):,} lines"
        )
    test, gallery, probes = (
        _read_set(folder / f"{kind}_set.txt", names) for kind in ("test", "gallery", "probe")
    )
    if not len(test) == len(gallery) == len(probes):
        raise InputError(f"the sets of {folder} must have equally many trials")
    trials = []
    for number, parts in enumerate(zip(test, gallery, probes, strict=True), start=1):
        trial = BlufrTrial(*parts)
        if not np.array_equal(
            np.sort(trial.test), np.sort(np.concatenate([trial.gallery, trial.probes]))
        ):
            raise InputError(
                f"the test set of trial {number} in {folder} must be its gallery and probes"
            )
        trials.append(trial)
    return BlufrLists(tuple(names), np.array(labels, np.int64), tuple(trials))


def draw_trials(
    people: npt.NDArray[Any], *, trials: int, generator: np.random.Generator
) -> Iterator[BlufrTrial]:
    """Split at random as the benchmark does.

    In each trial 1500 / 5749 of the people are set aside (for training, in the benchmark). Of the
    others who have two photos or more, 80 % but 1,000 at most are enrolled with one photo; their
    other photos, and all of everybody else, are probes.

    Args:
        people: (n,) of any dtype that sorts, who is on each photo.
        trials: How many.
        generator: Source of randomness.

    Raises:
        InputError: If a test set has nobody to enrol or no stranger.
    """
    who = np.unique(people, return_inverse=True)[1]
    n_people = int(who.max()) + 1
    for _ in range(trials):
        order = generator.permutation(n_people)
        tested = np.zeros(n_people, np.bool_)
        tested[order[round(_TRAINING_SHARE * n_people) :]] = True
        test = np.flatnonzero(tested[who])
        counts = np.bincount(who[test], minlength=n_people)
        several = np.flatnonzero(counts >= 2)
        n_enrolled = min(_MAX_GALLERY, round(_GALLERY_SHARE * len(several)))
        if n_enrolled < 1 or n_enrolled == int((counts > 0).sum()):
            raise InputError(
                "splits need people with two photos and strangers, a test set has "
                f"{len(several)} people with two photos of {int((counts > 0).sum())}"
            )
        enrolled = generator.permutation(several)[:n_enrolled]
        gallery = np.array(
            [generator.choice(test[who[test] == person]) for person in enrolled], np.int64
        )
        yield BlufrTrial(test, gallery, np.setdiff1d(test, gallery))


def _read_set(path: Path, names: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    lines = read_lines(path)
    place = 0

    def count() -> int:
        nonlocal place
        if place >= len(lines) or not lines[place].isdigit():
            told = repr(lines[place]) if place < len(lines) else "the end"
            raise InputError(f"{path}:{place + 1} must be a count, got {told}")
        place += 1
        return int(lines[place - 1])

    trials = []
    for _ in range(count()):
        n = count()
        if place + n > len(lines):
            raise InputError(f"{path} must have {n:,} photos from line {place + 1} on, it ends")
        rows = [_row(path, place + k, lines[place + k], names) for k in range(n)]
        trials.append(np.array(rows, np.int64))
        place += n
    return trials


def _row(path: Path, line: int, text: str, names: Sequence[str]) -> int:
    number, comma, name = (word.strip() for word in text.partition(","))
    if not comma or not number.isdigit() or not 1 <= int(number) <= len(names):
        raise InputError(f"{path}:{line + 1} must be 'number, name', got {text!r}")
    if names[int(number) - 1] != name:
        raise InputError(
            f"{path}:{line + 1}: photo {number} of image_list.txt is "
            f"{names[int(number) - 1]}, got {name}"
        )
    return int(number) - 1

"""Which threshold a passive look is measured at, and on which photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.evaluation.measures.presentation_attacks import (
    threshold_for_apcer,
    threshold_for_bpcer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessSettings:
    """How the threshold comes about: one of three ways, or none, which takes the one in use.

    With folders of people, those whose photos set a threshold are others than those who check it;
    without them it is every second photo.

    Attributes:
        threshold: Score below which a face is suspected, in [0, 1].
        bpcer: Share in [0, 1) of living faces that may be suspected: the highest threshold that
            keeps to it on one half of the living faces; the rates are those of the other half.
        apcer: Share in [0, 1) of attacks that may pass, of the species that passes most often: the
            lowest threshold that keeps to it on one half of the attacks; the rates are those of
            the other half.
        upper_bound: Not the share itself but the upper end of its 95 % interval keeps to
            ``apcer``, which takes more attacks.

    Raises:
        InputError: If more than one way is given, or a share is out of range.
    """

    threshold: float | None = None
    bpcer: float | None = None
    apcer: float | None = None
    upper_bound: bool = False

    def __post_init__(self) -> None:
        if sum(way is not None for way in (self.threshold, self.bpcer, self.apcer)) > 1:
            raise InputError("give a threshold, or a BPCER or an APCER to look for one, not both")
        if self.upper_bound and self.apcer is None:
            raise InputError("upper_bound holds an APCER to its upper bound: give the APCER, too")
        if self.threshold is not None:
            check_range("threshold", self.threshold, low=0, high=1)
        for name in ("bpcer", "apcer"):
            rate = getattr(self, name)
            if rate is not None:
                check_range(name, rate, low=0, high=1, high_open=True)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One photo: whose, its score (NaN without an answer), its embedding if it has a face."""

    person: str | None
    score: float
    embedding: Embeddings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenThreshold:
    """A threshold, and the photos that are left to check it.

    Attributes:
        score: The threshold.
        live: Living faces that did not set it.
        attacks: Attacks by species, likewise.
        n_set_on: How many photos set it; 0 where it was given.
        words: The same, behind a comma; empty where it was given.
    """

    score: float
    live: Sequence[Seen]
    attacks: Mapping[str, Sequence[Seen]]
    n_set_on: int = 0
    words: str = ""


def choose_threshold(
    live: Sequence[Seen],
    attacks: Mapping[str, Sequence[Seen]],
    settings: LivenessSettings,
    *,
    in_use: float,
) -> ChosenThreshold:
    """Set a threshold as the settings say.

    Args:
        live: Living faces.
        attacks: Attacks by species.
        settings: How.
        in_use: What judges where the settings say nothing.

    Raises:
        InputError: If there are too few photos to set it on some and check it on others, or too
            few attacks for an upper bound as low.
    """
    if settings.bpcer is not None:
        return _by_bpcer(live, attacks, settings.bpcer)
    if settings.apcer is not None:
        return _by_apcer(live, attacks, settings)
    score = in_use if settings.threshold is None else settings.threshold
    return ChosenThreshold(score=score, live=live, attacks=attacks)


def scores_of(found: Sequence[Seen]) -> npt.NDArray[np.float64]:
    """(n,) float64 scores; NaN without an answer."""
    return np.array([seen.score for seen in found], np.float64)


def _by_bpcer(
    live: Sequence[Seen], attacks: Mapping[str, Sequence[Seen]], bpcer: float
) -> ChosenThreshold:
    first, rest = _halves({"": live})[""]
    if not rest or not _answered(first):
        raise InputError(
            f"a threshold takes living faces to set it on and others to check it, got {len(live)} "
            "photos; add some, or give --threshold"
        )
    n = _answered(first)
    return ChosenThreshold(
        score=threshold_for_bpcer(scores_of(first), bpcer=bpcer),
        live=rest,
        attacks=attacks,
        n_set_on=n,
        words=f", set on {n} other living faces",
    )


def _by_apcer(
    live: Sequence[Seen], attacks: Mapping[str, Sequence[Seen]], settings: LivenessSettings
) -> ChosenThreshold:
    halves = _halves(attacks)
    for name, (first, rest) in halves.items():
        if not _answered(rest) or not _answered(first):
            raise InputError(
                f"a threshold takes attacks of species {name!r} to set it on and others, of other "
                f"people, to check it, got {len(attacks[name])} photos; add some, or give "
                "--threshold"
            )
    apcer = 0.0 if settings.apcer is None else settings.apcer
    score = threshold_for_apcer(
        {name: scores_of(first) for name, (first, _) in halves.items()},
        apcer=apcer,
        bound="upper" if settings.upper_bound else "rate",
    )
    if score > 1:
        raise InputError(
            f"no threshold keeps the APCER to {apcer:g}: attacks reach the highest score there is, "
            "1; these networks cannot tell them from living faces"
        )
    n = sum(_answered(first) for first, _ in halves.values())
    return ChosenThreshold(
        score=score,
        live=live,
        attacks={name: rest for name, (_, rest) in halves.items()},
        n_set_on=n,
        words=f", set on {n} other attacks",
    )


def _halves(groups: Mapping[str, Sequence[Seen]]) -> dict[str, tuple[list[Seen], list[Seen]]]:
    """Who sets a threshold and who checks it, each person on one side whatever the group."""
    people = {name: sorted({one.person or "" for one in found}) for name, found in groups.items()}
    sides: tuple[set[str], set[str]] = (set(), set())
    # The groups of the fewest people first: they have the least choice.
    for own in sorted(people.values(), key=len):
        for person in own:
            if person not in sides[0] | sides[1]:
                first, second = (len(side.intersection(own)) for side in sides)
                sides[first > second].add(person)
    halves = {}
    for name, found in groups.items():
        if any(one.person is None for one in found):
            halves[name] = (list(found[::2]), list(found[1::2]))
        else:
            halves[name] = (
                [one for one in found if one.person in sides[0]],
                [one for one in found if one.person in sides[1]],
            )
    return halves


def _answered(found: Sequence[Seen]) -> int:
    return sum(not np.isnan(one.score) for one in found)

"""Error rates of presentation attack detection, by ISO/IEC 30107-3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_range
from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import Interval, rate_interval

Scores = npt.NDArray[np.float64]

Bound = Literal["rate", "upper"]


@dataclass(frozen=True, slots=True)
class CountedRate:
    """A share of trials.

    Attributes:
        n_errors: How many went wrong.
        n: How many there were, at least 1.
    """

    n_errors: int
    n: int

    @property
    def rate(self) -> float:
        """The share, in [0, 1]."""
        return self.n_errors / self.n

    @property
    def interval(self) -> Interval:
        """Its 95 % interval, trials taken as independent."""
        return rate_interval(self.n_errors, self.n)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "rate": self.rate,
            "n_errors": self.n_errors,
            "n": self.n,
            "interval": self.interval.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackSpecies:
    """Attacks of one kind, e.g. prints on paper.

    Attributes:
        name: In the words of whom collected them.
        apcer: Attack presentation classification error rate: the share of attacks that are taken
            for a living face, those among them that got a score.
        apnrr: Attack presentation non-response rate: the share of all that got no score.
    """

    name: str
    apcer: CountedRate | None
    apnrr: CountedRate

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "name": self.name,
            "apcer": None if self.apcer is None else self.apcer.to_dict(),
            "apnrr": self.apnrr.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackRates:
    """What a detector of attacks does at one threshold.

    Attributes:
        threshold: Scores below it are taken for attacks.
        species: Each kind of attack, the one that passes most often first.
        bpcer: Bona fide presentation classification error rate: the share of living faces taken
            for attacks, among those that got a score; None if none did.
        bpnrr: Bona fide presentation non-response rate.
    """

    threshold: float
    species: tuple[AttackSpecies, ...]
    bpcer: CountedRate | None
    bpnrr: CountedRate

    @property
    def worst(self) -> AttackSpecies | None:
        """The species whose APCER is what ISO/IEC 30107-3 reports; None if none was scored."""
        return self.species[0] if self.species and self.species[0].apcer is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "threshold": self.threshold,
            "species": [kind.to_dict() for kind in self.species],
            "bpcer": None if self.bpcer is None else self.bpcer.to_dict(),
            "bpnrr": self.bpnrr.to_dict(),
        }


def attack_rates(
    bona_fide: Scores, attacks: Mapping[str, Scores], *, threshold: float
) -> AttackRates:
    """Count errors at a threshold; a score below it means an attack.

    Args:
        bona_fide: (n,) float64 scores of living faces, higher for more alive; NaN where there is
            no answer (no face found, or one that cannot be judged).
        attacks: The same for the attacks of each species.
        threshold: Finite.

    Raises:
        InputError: If a group is empty, or a score is infinite.

    Source:
        ISO/IEC 30107-3:2023, 13.2: APCER is reported per species and as the highest of them, never
        as their mean; presentations without response are counted apart.
    """
    check_range("threshold", threshold)
    _check_scores("bona_fide", bona_fide)
    if not attacks:
        raise InputError("attacks must have a species at least, got none")
    found = []
    for name, scores in attacks.items():
        _check_scores(f"attacks of species {name!r}", scores)
        answered = scores[~np.isnan(scores)]
        found.append(
            AttackSpecies(
                name=name,
                apcer=_counted(answered >= threshold),
                apnrr=CountedRate(len(scores) - len(answered), len(scores)),
            )
        )
    found.sort(key=lambda kind: -1.0 if kind.apcer is None else kind.apcer.rate, reverse=True)
    answered = bona_fide[~np.isnan(bona_fide)]
    return AttackRates(
        threshold=float(threshold),
        species=tuple(found),
        bpcer=_counted(answered < threshold),
        bpnrr=CountedRate(len(bona_fide) - len(answered), len(bona_fide)),
    )


def threshold_for_bpcer(bona_fide: Scores, *, bpcer: float) -> float:
    """The highest threshold at which a share of the living faces at most is suspected.

    Args:
        bona_fide: (n,) float64 scores of living faces; NaN where there is no answer.
        bpcer: That share, in [0, 1).

    Raises:
        InputError: If nothing was scored, or the share is out of range.
    """
    check_range("bpcer", bpcer, low=0, high=1, high_open=True)
    _check_scores("bona_fide", bona_fide)
    ordered = np.sort(bona_fide[~np.isnan(bona_fide)])
    if not len(ordered):
        raise InputError("bona_fide must hold a score at least, all are NaN")
    return float(ordered[int(np.floor(bpcer * len(ordered) + 1e-9))])


def threshold_for_apcer(
    attacks: Mapping[str, Scores], *, apcer: float, bound: Bound = "rate"
) -> float:
    """The lowest threshold at which no species passes more often than a share of its attacks.

    Args:
        attacks: (n,) float64 scores by species; NaN where there is no answer.
        apcer: That share, in [0, 1).
        bound: What keeps to it: the share itself, or the upper end of its 95 % interval.

    Raises:
        InputError: If a species has no score, or so few that even none passing does not keep the
            upper end to ``apcer``; or if the share is out of range.
    """
    check_range("apcer", apcer, low=0, high=1, high_open=True)
    lowest = []
    for name, scores in attacks.items():
        _check_scores(f"attacks of species {name!r}", scores)
        ordered = np.sort(scores[~np.isnan(scores)])[::-1]
        if not len(ordered):
            raise InputError(f"attacks of species {name!r} must hold a score at least")
        most = int(np.floor(apcer * len(ordered) + 1e-9))
        if bound == "upper":
            most = _most_passing(len(ordered), apcer, name)
        # One more than may pass must lie below.
        lowest.append(np.nextafter(ordered[most], np.inf))
    if not lowest:
        raise InputError("attacks must have a species at least, got none")
    return float(max(lowest))


def riapar(iapar: float, fnmr: float) -> float:
    """Relative impostor attack presentation accept rate, in [0, 2]: IAPAR + FNMR of the system.

    Args:
        iapar: The share of attacks that the whole system (detector of attacks and matcher) accepts
            as the person who is imitated, in [0, 1].
        fnmr: The share of genuine comparisons that it refuses, in [0, 1].

    Raises:
        InputError: If a share is out of range.

    Source:
        ISO/IEC 30107-3:2023, 13.4: RIAPAR = 1 + (IAPAR - (1 - FNMR)).
    """
    check_range("iapar", iapar, low=0, high=1)
    check_range("fnmr", fnmr, low=0, high=1)
    return 1 + (iapar - (1 - fnmr))


def _most_passing(n: int, apcer: float, name: str) -> int:
    """How many of n attacks may pass while the upper end of the interval keeps to a share."""
    fitting = [k for k in range(n) if rate_interval(k, n).high <= apcer]
    if fitting:
        return fitting[-1]
    needed = "no number would do" if apcer == 0 else f"{int(np.ceil(np.log(20) / apcer))} would do"
    raise InputError(
        f"attacks of species {name!r} are too few to keep the upper bound of APCER to {apcer:g}: "
        f"of {n} of which none passes up to {rate_interval(0, n).high:.1%} may; {needed}"
    )


def _counted(wrong: Sequence[bool] | npt.NDArray[np.bool_]) -> CountedRate | None:
    return CountedRate(int(np.sum(wrong)), len(wrong)) if len(wrong) else None


def _check_scores(name: str, scores: Scores) -> None:
    check_array(name, scores, dtype=np.float64, shape=("n",), finite=False)
    if not len(scores):
        raise InputError(f"{name} must hold a score at least, is empty")
    if np.isinf(scores).any():
        raise InputError(f"{name} must be finite or NaN (no answer), has infinite scores")

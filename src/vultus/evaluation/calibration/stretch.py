"""By how much thresholds rise with photos fused on either side: everybody against everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings
from vultus.evaluation.calibration.fpir import MIN_PEOPLE
from vultus.evaluation.measures.intervals import resampled
from vultus.matching.fusion import fuse_rows
from vultus.matching.stretch import Stretch

FUSED_PHOTOS = (1, 2, 3, 5)
"""Beyond, what more photos change is within what is not known."""

_REPEATS = 4
"""So often photos are drawn of everybody: which ones are fused is the larger part of the noise."""

_RATES = (1e-2, 3e-3, 1e-3, 3e-4)
_ERRORS = 50
_DRAWS = 200
_MOST_PEOPLE = 2000
"""Of whom all pairs are held at once; more would tell the factor no better than it needs."""

_TOP = 3
"""So many times as many scores are kept as the highest rate reaches: draws of people differ."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tops:
    """The highest scores of strangers, falling, and whose they are; of all repeats together."""

    scores: npt.NDArray[np.float64]
    people: npt.NDArray[np.int64]

    def quantiles(
        self, rates: Sequence[float], came: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Thresholds at rates, with people counted as often as they came."""
        compared = _REPEATS * (came.sum() ** 2 - (came**2).sum())
        weights = came[self.people[:, 0]] * came[self.people[:, 1]]
        found = np.interp(np.array(rates), np.cumsum(weights) / compared, self.scores)
        return np.asarray(found, np.float64)


def fit_stretches(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
) -> tuple[Stretch, ...]:
    """Measure fused probes against fused templates of other people, against single photos.

    For each pair of numbers of photos (1, 2, 3, 5), the people who have as many photos as the
    larger are compared with each other, and the thresholds at false match rates (1e-2, 3e-3 ...)
    that 50 or more pairs of them stand for with those of single photos of the same people. The
    largest factor counts, and no factor is below one of fewer photos. Intervals: people drawn
    anew.

    Args:
        embeddings: One face a row.
        identities: (n,) int64, whose each is.
        generator: Source of randomness: which photos are fused, and the bootstrap.

    Returns:
        One a pair of numbers for which there are 30 people; empty where none but the first is.
    """
    counts = np.unique(identities, return_counts=True)[1]
    levels = [k for k in FUSED_PHOTOS if (counts >= k).sum() >= MIN_PEOPLE]
    if len(levels) < 2:
        return ()
    found: dict[tuple[int, int], Stretch] = {}
    for most in levels:
        people = _People(embeddings, identities, most, generator)
        single = people.tops(1, 1)
        for k, m in product(levels, levels):
            if max(k, m) == most and (k, m) != (1, 1):
                found[k, m] = people.stretch(k, m, single)
    found[1, 1] = Stretch(1, 1, 1.0, 1.0, 1.0, int((counts >= 1).sum()))
    return tuple(_not_below(found, pair) for pair in sorted(found))


def _not_below(found: dict[tuple[int, int], Stretch], pair: tuple[int, int]) -> Stretch:
    """What was measured, or the ends of fewer photos where these are higher."""
    fewer = [x for (k, m), x in found.items() if k <= pair[0] and m <= pair[1]]
    own = found[pair]
    ends = (max(getattr(x, end) for x in fewer) for end in ("factor", "low", "high"))
    factor, low, high = ends
    return Stretch(*pair, factor, min(low, factor), high, own.n_people)


class _People:
    """Those who have so many photos, compared with each other."""

    def __init__(
        self,
        embeddings: Embeddings,
        identities: npt.NDArray[np.int64],
        photos: int,
        generator: np.random.Generator,
    ) -> None:
        _, who, counts = np.unique(identities, return_inverse=True, return_counts=True)
        places = np.split(np.argsort(who, kind="stable"), np.cumsum(counts)[:-1])
        able = [part for part in places if len(part) >= photos]
        drawn = generator.permutation(len(able))[:_MOST_PEOPLE]
        self._places = [able[person] for person in np.sort(drawn)]
        self._embeddings, self._generator = embeddings, generator
        self.n = len(self._places)
        pairs = self.n * (self.n - 1) / 2
        self.rates = [rate for rate in _RATES if rate * pairs >= _ERRORS] or [_RATES[0]]

    def tops(self, per_probe: int, per_person: int) -> _Tops:
        """The scores of probes against templates, each of photos drawn anew."""
        scores, people = [], []
        for _ in range(_REPEATS):
            all_scores = self._fused(per_probe) @ self._fused(per_person).T
            np.fill_diagonal(all_scores, -2)
            kept = min(all_scores.size - 1, int(_TOP * self.rates[0] * all_scores.size) + 1)
            flat = np.argpartition(-all_scores, kept, axis=None)[:kept]
            scores.append(all_scores.ravel()[flat])
            people.append(np.stack(np.unravel_index(flat, all_scores.shape), axis=1))
        joined = np.concatenate(scores)
        order = np.argsort(-joined, kind="stable")
        return _Tops(joined[order], np.concatenate(people)[order])

    def stretch(self, per_probe: int, per_person: int, single: _Tops) -> Stretch:
        """How much higher thresholds are than those of single photos of the same people."""
        fused = self.tops(per_probe, per_person)

        def factor(came: npt.NDArray[np.float64]) -> float:
            ratios = fused.quantiles(self.rates, came) / single.quantiles(self.rates, came)
            return float(ratios.max())

        drawn = resampled(factor, self.n, generator=self._generator, draws=_DRAWS)
        found = max(1.0, factor(np.ones(self.n)))
        low, high = np.quantile(drawn, [0.025, 0.975])
        return Stretch(
            per_probe, per_person, found, min(float(low), found), max(float(high), found), self.n
        )

    def _fused(self, photos: int) -> npt.NDArray[np.float64]:
        chosen = [self._generator.choice(places, photos, replace=False) for places in self._places]
        return fuse_rows(self._embeddings, np.array(chosen)).astype(np.float64)

"""Everybody as a stranger to everybody else's gallery: exact FPIR by order statistics.

A photo of somebody who is not enrolled is compared with m templates, of which r reach the
threshold. In a gallery of N drawn from those m, none of the r is found with probability
C(m - r, N) / C(m, N). The mean of 1 - that over all photos is the FPIR among N people, averaged
over every gallery that could be drawn, with no drawing done.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.evaluation.measures.intervals import Z_95, Interval, rate_interval
from vultus.matching.fusion import fuse_rows
from vultus.search.tiles import similarity_rows

BINS_PER_UNIT = 512
_N_BINS = 2 * BINS_PER_UNIT
_N_PROBES = 256


def found_by_chance(m: int, *, gallery_size: int) -> npt.NDArray[np.float64]:
    """1 - C(m - r, N) / C(m, N) for r = 0 .. m.

    Args:
        m: How many templates there are.
        gallery_size: N, how many of them are drawn, at most m.

    Returns:
        (m + 1,) float64, rising from 0 to 1: the chance that one of r is among the N drawn.
    """
    check_positive_int("gallery_size", gallery_size)
    if gallery_size > m:
        raise InputError(f"gallery_size must be at most {m:,}, got {gallery_size:,}")
    left = m - np.arange(m, dtype=np.float64)
    with np.errstate(divide="ignore"):
        logs = np.log1p(-np.minimum(gallery_size / left, 1))
    return np.concatenate([[0.0], -np.expm1(np.cumsum(logs))])


@dataclass(frozen=True, slots=True, eq=False)
class StrangerSearches:
    """Photos to search with, and one template of each person who has enough photos.

    Every person weighs the same among the searches, however many photos they brought.

    Attributes:
        probes: (n, dim) float32, unit rows: the photos.
        probe_people: (n,) int64, whose each is.
        templates: (g, dim) float32, unit rows.
        template_people: (g,) int64, whose each is, each once.
        photos_per_person: How many photos went into each template.
    """

    probes: npt.NDArray[np.float32]
    probe_people: npt.NDArray[np.int64]
    templates: npt.NDArray[np.float32]
    template_people: npt.NDArray[np.int64]
    photos_per_person: int

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def n_strangers(self) -> int:
        """How many people are searched for."""
        return len(np.unique(self.probe_people))

    @property
    def largest(self) -> int:
        """The largest gallery: everybody but the stranger, and one less for the interval."""
        return len(self.templates) - 2

    def weights(self) -> npt.NDArray[np.float64]:
        """(n,) share of each search, adding up to 1; each person's searches alike."""
        _, who, counts = np.unique(self.probe_people, return_inverse=True, return_counts=True)
        return np.asarray(1 / (counts[who] * len(counts)), np.float64)

    def fpirs(self, sizes: list[int]) -> npt.NDArray[np.float64]:
        """FPIR at every threshold k / 512 - 1, for galleries of several sizes.

        Args:
            sizes: Gallery sizes, each at most `largest`.

        Returns:
            (len(sizes), 1024) float64, falling along each row; column k: threshold k / 512 - 1.
        """
        m = len(self.templates)
        enrolled = np.isin(self.probe_people, self.template_people)
        chances = {
            others: np.array([found_by_chance(others, gallery_size=n) for n in sizes])
            for others in (m - 1, m)
        }
        weights = self.weights()
        rates = np.zeros((len(sizes), _N_BINS))
        for rows, scores in self._blocks():
            reached = _reached(scores)
            for others in (m - 1, m):
                inside = enrolled[rows] == (others == m - 1)
                share = weights[rows][inside]
                for row, table in enumerate(chances[others]):
                    rates[row] += share @ table[np.minimum(reached[inside], others)]
        return rates

    def matches(self, threshold: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Which photo reaches the threshold with which stranger's template: rows and columns."""
        found = []
        for rows, scores in self._blocks():
            first, second = np.nonzero(scores >= threshold)
            found.append((first + rows.start, second))
        return (
            np.concatenate([pair[0] for pair in found]).astype(np.int64),
            np.concatenate([pair[1] for pair in found]).astype(np.int64),
        )

    def measure(self, threshold: float, *, gallery_size: int) -> tuple[float, Interval]:
        """FPIR at one threshold, with its 95 % interval from leaving out one person at a time.

        A person who is left out is neither searched for nor enrolled. Without any error the rule
        of three over people stands in.

        Args:
            threshold: Cosine similarity.
            gallery_size: N, at most `largest`.

        Source:
            B. Efron, C. Stein, The jackknife estimate of variance, Ann. Statist. 9, 1981; the
            interval is symmetric for the logarithm of the rate.
        """
        probes, columns = self.matches(threshold)
        reached = np.bincount(probes, minlength=len(self.probes))
        rate = float(self.weights() @ self._found(reached, gallery_size, fewer=0))
        if rate == 0:
            return 0.0, rate_interval(0, self.n_strangers)
        left_out = self._left_out(probes, columns, gallery_size)
        n = len(left_out)
        variance = (n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum())
        factor = float(np.exp(min(Z_95 * np.sqrt(variance) / rate, 50.0)))
        return rate, Interval(rate / factor, min(1.0, rate * factor), 0.95, "jackknife over people")

    def _found(
        self, reached: npt.NDArray[np.int64], gallery_size: int, *, fewer: int
    ) -> npt.NDArray[np.float64]:
        """(n,) chance of each search to find somebody, with so many templates taken away."""
        m = len(self.templates) - fewer
        enrolled = np.isin(self.probe_people, self.template_people)
        own = found_by_chance(m - 1, gallery_size=gallery_size)
        free = found_by_chance(m, gallery_size=gallery_size)
        # Who reaches everybody cannot be left with more than there are.
        return np.where(enrolled, own[np.clip(reached, 0, m - 1)], free[np.clip(reached, 0, m)])

    def _left_out(
        self, probes: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], gallery_size: int
    ) -> npt.NDArray[np.float64]:
        """(people,) the rate without each person in turn."""
        people = np.union1d(self.probe_people, self.template_people)
        who = np.searchsorted(people, self.probe_people)
        n, weights = len(people), self.weights()
        reached = np.bincount(probes, minlength=len(self.probes))
        full = weights * self._found(reached, gallery_size, fewer=0)
        fewer = weights * self._found(reached, gallery_size, fewer=1)
        # Without one enrolled person, the others' searches have one template less that they miss.
        sums = np.where(
            np.isin(people, self.template_people),
            fewer.sum() - np.bincount(who, fewer, n),
            full.sum() - np.bincount(who, full, n),
        )
        # Searches that reached that person lose one that they found.
        less = weights * self._found(reached - 1, gallery_size, fewer=1)
        place = np.searchsorted(people, self.template_people)
        sums += np.bincount(place[columns], (less - fewer)[probes], n)
        # Who is enrolled and not searched for (too few photos for a fused probe) is no stranger.
        strangers = self.n_strangers
        left = np.where(np.isin(people, self.probe_people), strangers / (strangers - 1), 1.0)
        return np.asarray(sums * left, np.float64)

    def _blocks(self) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Slices of probes with their scores; nobody meets their own template (-2)."""
        for rows, _, scores in similarity_rows(self.probes, self.templates, n_rows=_N_PROBES):
            scores[self.probe_people[rows][:, None] == self.template_people] = -2
            yield rows, scores


def stranger_searches(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    photos_per_person: int,
    generator: np.random.Generator,
    photos_per_probe: int = 1,
) -> StrangerSearches:
    """Fuse a template of everybody who has enough photos, and search with every photo.

    Args:
        embeddings: One face a row.
        identities: (n,) int64, whose each is.
        photos_per_person: How many photos, drawn at random, go into a template.
        generator: Source of randomness.
        photos_per_probe: How many photos are fused before they are searched; each person's are
            dealt out at random, and what is left over is not searched.

    Raises:
        InputError: If lengths do not match, or fewer than three people have so many photos.
    """
    check_positive_int("photos_per_person", photos_per_person)
    if len(identities) != len(embeddings):
        raise InputError(
            f"identities must be one per embedding, got {len(identities)} for {len(embeddings)}"
        )
    _, who, counts = np.unique(identities, return_inverse=True, return_counts=True)
    places = np.split(np.argsort(who, kind="stable"), np.cumsum(counts)[:-1])
    enrolled = np.flatnonzero(counts >= photos_per_person)
    if len(enrolled) < 3:
        raise InputError(
            f"three people must have {photos_per_person} photos or more, got {len(enrolled)}"
        )
    chosen = [
        generator.choice(places[person], photos_per_person, replace=False) for person in enrolled
    ]
    vectors = fuse_rows(embeddings, np.array(chosen))
    probes, owners = embeddings.vectors, who.astype(np.int64)
    if photos_per_probe > 1:
        probes, owners = _fused_probes(embeddings, places, photos_per_probe, generator)
    return StrangerSearches(probes, owners, vectors, enrolled, photos_per_person)


def _fused_probes(
    embeddings: Embeddings,
    places: list[npt.NDArray[np.int64]],
    photos: int,
    generator: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    chosen, owners = [], []
    for person, own in enumerate(places):
        dealt = generator.permutation(own)
        for start in range(0, len(own) - photos + 1, photos):
            chosen.append(dealt[start : start + photos])
            owners.append(person)
    if not chosen:
        raise InputError(f"nobody has {photos} photos to search with")
    return fuse_rows(embeddings, np.array(chosen)), np.array(owners, np.int64)


def _reached(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(rows, 1024) how many scores of each row are at or above k / 512 - 1."""
    rows, columns = scores.shape
    bins = np.floor((scores + 1) * BINS_PER_UNIT).astype(np.int64)
    np.clip(bins, 0, _N_BINS - 1, out=bins)
    bins += np.arange(rows)[:, None] * _N_BINS
    counts = np.bincount(bins.ravel(), minlength=rows * _N_BINS).reshape(rows, _N_BINS)
    # A person's own template fell into the first bin; it is never found.
    return np.minimum(np.cumsum(counts[:, ::-1], axis=1)[:, ::-1], columns)

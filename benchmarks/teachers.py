"""Who could teach: embedders and committees of two, plain and centred, by every pair of faces.

What a student learns from a relational term is the teacher's cosines, so a teacher is judged by
them. `centred` takes the mean of the joined unit vectors away, as `distillation.centre` does.
Intervals are of the difference to the first model: people drawn anew, thresholds held. Crops of
nobody are left out.

    python -m benchmarks.teachers dev_faces.zip mobilefacenet-y1 dlib-resnet --cache vectors/
"""

import argparse
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.crops import AlignedCrops
from vultus.data import FaceDataset, open_dataset
from vultus.embedding.embedder import open_embedder
from vultus.evaluation.measures.group_pairs import genuine_pairs

RATES = (1e-2, 1e-3, 1e-4)
SHARES = (0.2, 0.3, 0.4, 0.5)
_DRAWS = 1000
_TOGETHER = 64

Vectors = npt.NDArray[np.float32]
Matches = list[npt.NDArray[np.bool_]]
"""Whether each genuine pair matches, at the threshold of each rate."""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path, help="aligned crops, a folder per person")
    parser.add_argument("models", nargs="+", help="embedders; of two, committees too")
    parser.add_argument("--cache", type=Path, help="folder to keep vectors in")
    options = parser.parse_args()
    dataset = open_dataset(options.crops)
    people = np.asarray(dataset.labels)
    named = np.flatnonzero(people >= 0)
    found = {name: embedded(name, dataset, cache=options.cache)[named] for name in options.models}
    print(
        f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; "
        f"vultus {version('vultus')}, numpy {version('numpy')}; {len(named)} crops of "
        f"{len(set(people[named].tolist()))} people\n"
    )
    print("| teacher | " + " | ".join(f"TAR at FMR {rate:g}" for rate in RATES) + " |")
    print("|---|---:|---:|---:|")
    judge = Judge(people[named])
    for name, vectors in candidates(found):
        print(f"| {name} | {judge.cells(vectors)} |", flush=True)


def candidates(found: dict[str, Vectors]) -> Iterator[tuple[str, Vectors]]:
    """Each model, plain and centred, then every mixture of the first two."""
    for name, vectors in found.items():
        yield name, vectors
        yield f"{name}, centred", centred(vectors)
    if len(found) < 2:
        return
    (first, one), (second, other) = list(found.items())[:2]
    for share in SHARES:
        joined = np.concatenate([one * share**0.5, other * (1 - share) ** 0.5], axis=1)
        name = f"{first} {share:.0%}, {second} {1 - share:.0%}"
        yield name, joined
        yield f"{name}, centred", centred(joined)


def centred(vectors: Vectors) -> Vectors:
    """Unit vectors without their mean, of unit length again."""
    rows = vectors - vectors.mean(axis=0)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


class Judge:
    """Compares every two faces.

    Args:
        people: (n,) who is on each photo.
    """

    def __init__(self, people: npt.NDArray[np.int64]) -> None:
        order = np.unique(people, return_inverse=True)[1]
        self._one, self._other = genuine_pairs(order)
        self._owner = order[self._one]
        upper = np.triu(np.ones((len(order), len(order)), np.bool_), 1)
        self._strangers = upper & (order[:, None] != order)
        self._first: Matches | None = None

    def cells(self, vectors: Vectors) -> str:
        """A row's cells: the rate of true matches, and its difference to the first row's."""
        matches = self.matches(vectors)
        if self._first is None:
            self._first = matches
            return " | ".join(f"{one.mean():.1%}" for one in matches)
        pairs = zip(matches, self._first, strict=True)
        return " | ".join(self._cell(now, before) for now, before in pairs)

    def matches(self, vectors: Vectors) -> Matches:
        """At thresholds that the given share of impostor pairs lies above."""
        scores = vectors @ vectors.T
        impostors = np.sort(scores[self._strangers])[::-1]
        genuine = scores[self._one, self._other]
        return [genuine > impostors[int(rate * len(impostors))] for rate in RATES]

    def _cell(self, now: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_]) -> str:
        gained = now.astype(np.float64) - before
        count = int(self._owner.max()) + 1
        gains = np.bincount(self._owner, gained, count)
        sizes = np.bincount(self._owner, minlength=count)
        came = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _DRAWS)
        low, high = np.percentile(100 * (came @ gains) / (came @ sizes), (2.5, 97.5))
        return f"{now.mean():.1%} ({100 * gained.mean():+.1f}: {low:+.1f} to {high:+.1f})"


def embedded(name: str, dataset: FaceDataset, *, cache: Path | None) -> Vectors:
    """(n, dim) unit vectors of all crops, looked up where they were kept."""
    kept = None if cache is None else cache / f"{name}.npy"
    if kept is not None and kept.is_file():
        return np.asarray(np.load(kept), np.float32)
    embedder = open_embedder(name)
    rows = []
    for start in range(0, len(dataset), _TOGETHER):
        end = min(start + _TOGETHER, len(dataset))
        pixels = np.stack([dataset.image(index) for index in range(start, end)])
        nowhere = np.zeros((len(pixels), 2, 3), np.float32)
        crops = AlignedCrops(pixels, nowhere, embedder.card.template)
        rows.append(embedder.embed(crops).vectors)
    vectors = np.concatenate(rows)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, vectors)
    return vectors


if __name__ == "__main__":
    main()

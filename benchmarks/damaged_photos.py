"""Damaged photos: which faces are accepted, and how often two accepted strangers pass for one.

Whole photos are damaged, then faces are found, aligned, judged and compared at the threshold of
the model's card for the stated false match rate. Three gates judge the same faces: the measures
with the least norm that was on the card before trust heads came, today's gate, and that with
righting. With today's, two doubtful faces need more similarity (`QualityGate.raised_by`), as
`Recognizer.verify` asks for; the rate at the threshold as it is stands beside. A genuine match is
a damaged photo beside an undamaged other photo of the same person.

    python -m benchmarks.damaged_photos --photos lfw.zip --model vultus-s2 --kept FOLDER

Righting takes the longest, and is measured with the first ``--righted`` people. See
`benchmarks.damaged_found` for what is kept.
"""

import argparse
import platform
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.damaged_found import (
    FINDING,
    MATES,
    RIGHTING,
    Photos,
    Remembering,
    Righted,
    Stored,
    Way,
    digest_of,
    find_righted,
    find_stored,
    keep,
    kept,
)

from vultus import Recognizer
from vultus.core.choices import RIGHTING_WAYS
from vultus.data.base import FaceDataset, open_dataset
from vultus.data.damage import CLEAN, find_damage
from vultus.detection.base import open_detector
from vultus.evaluation.measures.intervals import mean_rate_interval
from vultus.quality.gate import QualityGate
from vultus.quality.trust import Trust, TrustHead

Floats = npt.NDArray[np.float32]

DAMAGE: tuple[Way, ...] = (
    (CLEAN, 0),
    ("turn-90", 1), ("turn-180", 1), ("turn-270", 1),
    ("stretch-wide", 1.33), ("stretch-wide", 1.78), ("stretch-tall", 1.33), ("stretch-tall", 1.6),
    ("shear", 0.4), ("perspective", 0.4), ("profile", 45), ("lens", -0.4), ("waves", 0.15),
    ("swirl", 0.8),
    ("cut", 0.4), ("noise", 40), ("grey-noise", 30), ("salt-pepper", 0.1), ("speckle", 0.4),
    ("dither", 1), ("posterise", 3), ("threshold", 1), ("jpeg", 6), ("blur", 3),
    ("motion-blur", 14), ("coarse", 9), ("small", 12), ("dark", 0.05), ("dark-lifted", 0.04),
    ("over-exposed", 4), ("washed-out", 0.08), ("half-lit", 0.06), ("negative", 1), ("cast", 0.15),
    ("eye-bar", 0.3), ("glasses", 1), ("mask", 0.5), ("half-cover", 0.1), ("blocks", 0.45),
)  # fmt: skip

NORMS_BEFORE = {"vultus-s2": 8.0}
LEAST_PAIRS = 600
"""So many pairs must have been compared for a rate of 0.5 % to be measurable: three of them."""


@dataclass
class Model:
    """One embedder behind the chain."""

    name: str
    recognizer: Recognizer
    threshold: float

    @property
    def limits(self) -> QualityGate:
        """Today's gate."""
        return self.recognizer.limits or QualityGate()

    @property
    def head(self) -> TrustHead:
        """Which must be one model's own."""
        head = self.recognizer.trust_head
        if not isinstance(head, TrustHead):
            raise SystemExit(f"{self.name} has no trust head of its own")
        return head

    def judged(self, stored: Stored, *, before: bool = False) -> "Judged":
        """The accepted faces of those as stored, by today's gate or that of before."""
        trust = self._trust(stored)
        least = NORMS_BEFORE.get(self.name, 0.0) if before else self.limits.min_norm or 0.0
        accepted = ~stored.refused & (stored.norms >= least)
        if not before:
            accepted &= trust.score >= (self.limits.min_trust or 0.0)
        rows = np.flatnonzero(accepted)
        return Judged(
            stored.person[rows], stored.vectors[rows], trust.score[rows],
            None if before else self.limits,
        )  # fmt: skip

    def _trust(self, stored: Stored) -> Trust:
        pools = stored.pools if len(stored.person) else np.zeros((0, self.head.n_pools), np.float32)
        return self.head.judge_norms(pools, stored.norms)

    def reasons(self, stored: Stored) -> Counter[str]:
        """What the refusals by trust call the damage."""
        trust = self._trust(stored)
        return Counter(trust.damage[trust.score < (self.limits.min_trust or 0.0)].tolist())


@dataclass
class Judged:
    """The accepted faces of one gate; it asks the same of all where ``limits`` is None."""

    people: npt.NDArray[np.int64]
    vectors: Floats
    trust: Floats
    limits: QualityGate | None = None

    def raised(self, other: Floats) -> Floats:
        """(n, m) float32: how much more similarity each face needs with each of others."""
        if self.limits is None:
            return np.zeros((len(self.trust), len(other)), np.float32)
        rows = [[self.limits.raised_by(a, b) for b in other.tolist()] for a in self.trust.tolist()]
        return np.array(rows, np.float32).reshape(len(self.trust), len(other))

    def genuine(self, mates: "Judged", threshold: float) -> int:
        """How many match their own undamaged photo."""
        if not len(self.people):
            return 0
        own = self.people[:, None] == mates.people
        alike = self.vectors @ mates.vectors.T >= threshold + self.raised(mates.trust)
        return int((own & alike).sum())


def main() -> None:
    options = _options()
    dataset = open_dataset(options.photos)
    photos = Photos(dataset, *_chosen(dataset, options.people), _detector(options))
    models = {name: _opened(name, photos.detector, options.fmr) for name in options.model}
    _print_head(options, models, photos)
    study = Study(photos, models, options.kept, options.righted)
    mates = {name: models[name].judged(own) for name, own in study.stored(MATES).items()}
    told: Counter[tuple[str, str]] = Counter()
    for way in DAMAGE:
        if options.damage and way[0] not in options.damage:
            continue
        stored = study.stored(way)
        righted = study.righted(way) if options.righted else {}
        label = way[0] if way[0] == CLEAN else f"{way[0]} {way[1]:g}"
        for name, model in models.items():
            told.update({(way[0], kind): n for kind, n in model.reasons(stored[name]).items()})
            gates = [model.judged(stored[name], before=True), model.judged(stored[name])]
            cells = [_cell(own, mates[name], model.threshold) for own in gates]
            cells.append(_righted_cell(righted.get(name), mates[name], model))
            print(f"| {label} | {name} | {' | '.join(cells)} |", flush=True)
    _print_confusion(told)


@dataclass
class Study:
    """Finds what was not found before."""

    photos: Photos
    models: dict[str, Model]
    folder: Path | None
    n_righted: int

    def stored(self, way: Way) -> dict[str, Stored]:
        """Of all people."""
        told = [self._names(), [m.recognizer.embedder.card.sha256 for m in self.models.values()]]
        file = self._file("stored", way, digest_of(told, FINDING))
        found = kept(file, Stored, self.models)
        if found is None:
            self.photos.detector.forget()
            found = find_stored(self.photos, way, self._recognizers())
            keep(file, found)
        return found

    def righted(self, way: Way) -> dict[str, Righted]:
        """Of the first people."""
        told = [(m.head.digest, m.limits) for m in self.models.values()]
        digest = digest_of([self._names(), told, self.n_righted], (*FINDING, *RIGHTING))
        file = self._file("righted", way, digest)
        found = kept(file, Righted, self.models)
        if found is None:
            self.photos.detector.forget()
            found = find_righted(self.photos, way, self._recognizers(), people=self.n_righted)
            keep(file, found)
        return found

    def _recognizers(self) -> dict[str, Recognizer]:
        return {name: model.recognizer for name, model in self.models.items()}

    def _names(self) -> list[str]:
        names = list(self.photos.dataset.names)
        places = (*self.photos.places.values(), *self.photos.mates.values())
        return [self.photos.detector.name, *(names[place] for place in places)]

    def _file(self, part: str, way: Way, digest: str) -> Path | None:
        return self.folder and self.folder / f"{part}-{digest}" / f"{way[0]}_{way[1]:g}.npz"


def _detector(options: argparse.Namespace) -> Remembering:
    return Remembering(open_detector(options.detector, threads=options.threads))


def _opened(name: str, detector: Remembering, fmr: float) -> Model:
    recognizer = Recognizer(detector=detector, embedder=name, righting=RIGHTING_WAYS)
    return Model(name, recognizer, recognizer.embedder.thresholds.at_fmr(fmr).similarity)


def _righted_cell(righted: Righted | None, mates: Judged, model: Model) -> str:
    if righted is None:
        return " |  |  | "
    rows = np.flatnonzero(~righted.refused)
    own = Judged(righted.person[rows], righted.vectors[rows], righted.trust[rows], model.limits)
    return _cell(own, mates, model.threshold)


def _cell(judged: Judged, mates: Judged, threshold: float) -> str:
    n, genuine = len(judged.people), judged.genuine(mates, threshold)
    stated = "" if judged.limits is None else "- | "
    strangers = judged.people[:, None] != judged.people
    pairs = int(strangers.sum()) // 2
    if not pairs:
        return f"{n} | - | {stated}{genuine}"
    similarity = judged.vectors @ judged.vectors.T
    alike = ((similarity >= threshold + judged.raised(judged.trust)) & strangers).sum(axis=1)
    bounds = mean_rate_interval(
        alike[None].astype(np.int64), strangers.sum(axis=1)[None].astype(np.int64),
        generator=np.random.default_rng(0),
    )  # fmt: skip
    if pairs < LEAST_PAIRS:
        few = f"{int(alike.sum()) // 2} of {pairs} pairs (up to {bounds.high:.1%})"
        return f"{n} | {few} | {stated}{genuine}"
    if judged.limits is not None:
        stated = f"{((similarity >= threshold) & strangers).sum() / strangers.sum():.2%} | "
    rate = alike.sum() / strangers.sum()
    return f"{n} | {rate:.2%} ({bounds.low:.2%} to {bounds.high:.2%}) | {stated}{genuine}"


def _chosen(dataset: FaceDataset, people: int) -> tuple[dict[int, int], dict[int, int]]:
    """A photo each of so many people, those with a second one first; the second ones."""
    order = np.random.default_rng(3).permutation(len(dataset.identities))
    photos = {int(label): np.flatnonzero(dataset.labels == label) for label in order}
    chosen = sorted(photos, key=lambda label: len(photos[label]) < 2)[:people]
    probes = {label: int(photos[label][0]) for label in chosen}
    mates = {label: int(photos[label][1]) for label in chosen if len(photos[label]) > 1}
    return probes, mates


def _print_head(options: argparse.Namespace, models: dict[str, Model], photos: Photos) -> None:
    first = next(iter(models.values())).recognizer.embedder
    print(
        f"{len(photos.places)} people of {options.photos.name}, {len(photos.mates)} with a second "
        f"photo, the first {options.righted} righted; {options.detector}; FMR stated "
        f"{options.fmr:g}; {first.description}; Python {platform.python_version()}"
    )
    others = [f"{gate}: accepted | FMR | not raised | genuine" for gate in ("gate", "righted")]
    print(f"\n| damage | model | {' | '.join(['before: accepted | FMR | genuine', *others])} |")
    print(f"|---|---|{'---:|' * 11}")


def _print_confusion(told: Counter[tuple[str, str]]) -> None:
    print("\n| damage | refused by trust | named rightly | most often named |\n|---|---:|---:|---|")
    right = total = 0
    for name in dict.fromkeys(name for name, _ in DAMAGE):
        own = Counter({kind: n for (damage, kind), n in told.items() if damage == name})
        if not own:
            continue
        wanted = "" if name == CLEAN else find_damage(name).kind
        hits, count = own[wanted], sum(own.values())
        if name != CLEAN:
            right, total = right + hits, total + count
        kind, most = own.most_common(1)[0]
        print(f"| {name} | {count} | {hits / count:.0%} | {kind} ({most}) |")
    print(
        f"\n{right} of {total} refusals by trust name the true kind ({right / max(total, 1):.0%})"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder or zip of people")
    parser.add_argument("--model", action="append", required=True, help="repeat to compare")
    parser.add_argument("--damage", action="append", help="repeat for some; else all")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--righted", type=int, default=100, help="people; 0 leaves righting out")
    parser.add_argument("--kept", type=Path, help="folder in which what is found is kept")
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--fmr", type=float, default=1e-3)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s")

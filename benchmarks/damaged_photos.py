"""Damaged photos: which faces are accepted, and how often two accepted strangers pass for one.

Whole photos are damaged, then faces are found, aligned, judged and compared at the threshold of
the model's card for the stated false match rate. Three gates judge the same faces: the measures
with the least norm that was on the card before trust heads came, today's gate, and that with
righting. A genuine match is a damaged photo beside an undamaged other photo of the same person.

    python -m benchmarks.damaged_photos --photos lfw.zip --model vultus-s2
"""

import argparse
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus import Recognizer
from vultus.core.choices import RIGHTING_WAYS
from vultus.core.faces import Faces, Image
from vultus.data.base import FaceDataset, open_dataset
from vultus.data.damage import CLEAN, find_damage
from vultus.detection.base import Detector, open_detector
from vultus.evaluation.measures.intervals import mean_rate_interval
from vultus.pipeline.photos import AnalysedPhoto, DetectedPhoto
from vultus.quality.gate import QualityGate

Vectors = npt.NDArray[np.float32]

DAMAGE: tuple[tuple[str, float], ...] = (
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
GATES = ("before", "gate", "gate and righting")


class Remembering:
    """A detector that looks at each photo once, for all models and gates."""

    def __init__(self, detector: Detector) -> None:
        self.name = detector.name
        self._detector = detector
        self._known: dict[bytes, Faces] = {}

    def detect(self, image: Image) -> Faces:
        key = image.tobytes()[:: max(1, image.size // 4096)] + repr(image.shape).encode()
        if key not in self._known:
            self._known[key] = self._detector.detect(image)
        return self._known[key]

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        return [self.detect(image) for image in images]

    def forget(self) -> None:
        self._known.clear()


@dataclass
class Judged:
    """The accepted faces of one gate."""

    vectors: list[Vectors] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    genuine: int = 0


@dataclass
class Model:
    """One embedder behind the chain, and the people enrolled with an undamaged photo."""

    recognizer: Recognizer
    before: QualityGate
    threshold: float
    enrolled: dict[int, Vectors] = field(default_factory=dict)

    @classmethod
    def open(cls, name: str, detector: Detector, fmr: float, *, righting: bool) -> "Model":
        ways = RIGHTING_WAYS if righting else ()
        recognizer = Recognizer(detector=detector, embedder=name, righting=ways)
        before = QualityGate(min_norm=NORMS_BEFORE.get(name, 0.0), min_trust=0)
        return cls(recognizer, before, recognizer.embedder.thresholds.at_fmr(fmr).similarity)

    def read(self, image: Image) -> AnalysedPhoto:
        """The photo as stored."""
        faces = self.recognizer.detector.detect(image)
        return self.recognizer.read([DetectedPhoto("photo", image, faces, 0)])[0]

    def righted(self, photo: AnalysedPhoto) -> AnalysedPhoto:
        reader = self.recognizer.reader()
        return photo if reader is None else reader.righted(photo)

    def enroll(self, person: int, image: Image) -> None:
        photo = self.read(image)
        if len(photo.faces) and not photo.refusals[face := photo.faces.largest()]:
            self.enrolled[person] = photo.embeddings.vectors[face]


def main() -> None:
    options = _options()
    dataset = open_dataset(options.photos)
    probes, mates = _chosen(dataset, options.people)
    detector = Remembering(open_detector(options.detector, threads=options.threads))
    models = {
        name: Model.open(name, detector, options.fmr, righting=not options.no_righting)
        for name in options.model
    }
    _print_head(options, models, len(probes), len(mates))
    for person, index in mates.items():
        for model in models.values():
            model.enroll(person, dataset.image(index))
    told: Counter[tuple[str, str]] = Counter()
    wanted = [way for way in DAMAGE if not options.damage or way[0] in options.damage]
    for name, strength in wanted:
        detector.forget()
        _measure_damage(dataset, probes, (name, strength), models, told)
    _print_confusion(told)


def _measure_damage(
    dataset: FaceDataset,
    probes: dict[int, int],
    way: tuple[str, float],
    models: dict[str, Model],
    told: Counter[tuple[str, str]],
) -> None:
    judged = {(model, gate): Judged() for model in models for gate in GATES}
    for person, index in probes.items():
        image = _damaged(dataset, index, way, models)
        for name, model in models.items():
            stored = model.read(image)
            righted = model.righted(stored)
            refusals = model.before.judge(stored.quality)
            _enter(judged[name, GATES[0]], model, person, stored, refusals)
            _enter(judged[name, GATES[1]], model, person, stored, stored.refusals)
            _enter(judged[name, GATES[2]], model, person, righted, righted.refusals)
            _note_reason(told, way[0], stored)
    for name, model in models.items():
        cells = [_cell(judged[name, gate], model.threshold) for gate in GATES]
        label = way[0] if way[0] == CLEAN else f"{way[0]} {way[1]:g}"
        print(f"| {label} | {name} | {' | '.join(cells)} |", flush=True)


def _damaged(
    dataset: FaceDataset, index: int, way: tuple[str, float], models: dict[str, Model]
) -> Image:
    image = dataset.image(index)
    if way[0] == CLEAN:
        return image
    faces = next(iter(models.values())).recognizer.detector.detect(image)
    if not len(faces):
        return image
    generator = np.random.default_rng([11, index])
    landmarks = faces.landmarks[faces.largest()]
    return find_damage(way[0])(image, landmarks, strength=way[1], generator=generator)


def _enter(
    judged: Judged,
    model: Model,
    person: int,
    photo: AnalysedPhoto,
    refusals: Sequence[tuple[str, ...]],
) -> None:
    if not len(photo.faces) or refusals[face := photo.faces.largest()]:
        return
    vector = photo.embeddings.vectors[face]
    judged.vectors.append(vector)
    judged.people.append(person)
    mate = model.enrolled.get(person)
    judged.genuine += mate is not None and float(vector @ mate) >= model.threshold


def _note_reason(told: Counter[tuple[str, str]], name: str, photo: AnalysedPhoto) -> None:
    if not len(photo.faces) or photo.quality.damage is None:
        return
    reasons = photo.refusals[face := photo.faces.largest()]
    if reasons and reasons[0].startswith("probably "):
        told[name, str(photo.quality.damage[face])] += 1


def _cell(judged: Judged, threshold: float) -> str:
    n = len(judged.vectors)
    if n < 2:
        return f"{n} | - | {judged.genuine}"
    vectors, people = np.stack(judged.vectors), np.array(judged.people)
    strangers = people[:, None] != people
    alike = ((vectors @ vectors.T >= threshold) & strangers).sum(axis=1)
    trials = strangers.sum(axis=1)
    bounds = mean_rate_interval(
        alike[None].astype(np.int64), trials[None].astype(np.int64),
        generator=np.random.default_rng(0),
    )  # fmt: skip
    rate = alike.sum() / trials.sum()
    return f"{n} | {rate:.2%} ({bounds.low:.2%} to {bounds.high:.2%}) | {judged.genuine}"


def _chosen(dataset: FaceDataset, people: int) -> tuple[dict[int, int], dict[int, int]]:
    """A photo each of so many people, those with a second one first; the second ones."""
    order = np.random.default_rng(3).permutation(len(dataset.identities))
    photos = {int(label): np.flatnonzero(dataset.labels == label) for label in order}
    chosen = sorted(photos, key=lambda label: len(photos[label]) < 2)[:people]
    probes = {label: int(photos[label][0]) for label in chosen}
    mates = {label: int(photos[label][1]) for label in chosen if len(photos[label]) > 1}
    return probes, mates


def _print_head(
    options: argparse.Namespace, models: dict[str, Model], n: int, n_mates: int
) -> None:
    first = next(iter(models.values())).recognizer.embedder
    print(
        f"{n} people of {options.photos.name}, {n_mates} with an enrolled second photo; "
        f"{options.detector}; FMR stated {options.fmr:g}; {first.description}; "
        f"Python {platform.python_version()}"
    )
    columns = " | ".join(f"{gate}: accepted | FMR | genuine" for gate in GATES)
    print(f"\n| damage | model | {columns} |\n|---|---|{'---:|' * 9}")


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
    parser.add_argument(
        "--no-righting",
        action="store_true",
        help="judge as stored alone: two to three times faster",
    )
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--fmr", type=float, default=1e-3)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s")

"""What is found in damaged photos: faces as stored, judged by nothing yet, and righted ones.

Faces as stored depend on the photos, the detector, the embedder and the damage, not on the trust
head or its limits, so a new head judges what was found before. All is kept in a folder, under a
digest of what it depends on, as soon as it is found: a run that was stopped goes on.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import vultus
from vultus import Recognizer
from vultus.alignment.align import align_faces
from vultus.core.faces import Faces, Image
from vultus.data.base import FaceDataset
from vultus.data.damage import CLEAN, find_damage
from vultus.detection.base import Detector
from vultus.pipeline.photos import DetectedPhoto
from vultus.quality.gate import QualityGate
from vultus.quality.measures import measure_quality

Floats = npt.NDArray[np.float32]
Way = tuple[str, float]

MATES: Way = (CLEAN, -1.0)
"""The undamaged second photos, with which the damaged ones are compared."""

FINDING = ("alignment", "data/damage", "detection", "quality/measures.py", "quality/appearance.py")
RIGHTING = ("pipeline/righting.py", "pipeline/analyser.py", "quality")
"""Code of ``vultus`` that decides what is found, and what is righted."""

_MEASURES = QualityGate(min_norm=0, min_trust=0)


class Remembering:
    """A detector that looks at each photo once, for all models."""

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
class Stored:
    """The largest face of each photo that has one, as stored: vectors, pools, and the measures."""

    person: npt.NDArray[np.int64]
    vectors: Floats
    norms: Floats
    pools: Floats
    refused: npt.NDArray[np.bool_]  # by the measures


@dataclass
class Righted:
    """The largest face of each photo as it was read in the end."""

    person: npt.NDArray[np.int64]
    vectors: Floats
    trust: Floats
    refused: npt.NDArray[np.bool_]  # by the whole gate


@dataclass
class Photos:
    """One photo of each person, damaged on request.

    Attributes:
        dataset: Where they are.
        places: Person to position, the damaged ones.
        mates: The same of other photos, which stay as they are.
        detector: Finds faces, and where damage is to go.
    """

    dataset: FaceDataset
    places: dict[int, int]
    mates: dict[int, int]
    detector: Remembering

    def damaged(self, way: Way, *, people: int | None = None) -> Iterable[tuple[int, Image]]:
        """Person and photo, of so many people."""
        for person, index in list((self.mates if way == MATES else self.places).items())[:people]:
            image = self.dataset.image(index)
            if way[0] != CLEAN:
                faces = self.detector.detect(image)
                if len(faces):
                    generator = np.random.default_rng([11, index])
                    marks = faces.landmarks[faces.largest()]
                    spoil = find_damage(way[0])
                    image = spoil(image, marks, strength=way[1], generator=generator)
            yield person, image


def find_stored(photos: Photos, way: Way, models: dict[str, Recognizer]) -> dict[str, Stored]:
    """The faces of one damage as stored, for each model."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in models}
    for person, image in photos.damaged(way):
        found = photos.detector.detect(image)
        if not len(found):
            continue
        face = found[[found.largest()]]
        for name, model in models.items():
            crops = align_faces(image, face, template=model.embedder.card.template)
            embedded, pools = model.embedder.embed_with_pools(crops)
            quality = measure_quality(image, face, crops).with_norms(embedded)
            refused = bool(_MEASURES.judge(quality)[0])
            own = np.zeros(0, np.float32) if pools is None else pools[0]
            rows[name].append((person, embedded.vectors[0], embedded.norms[0], own, refused))
    return {name: Stored(*_columns(own, Stored)) for name, own in rows.items()}


def find_righted(
    photos: Photos, way: Way, models: dict[str, Recognizer], *, people: int
) -> dict[str, Righted]:
    """The faces of one damage, of so many people, read as each model rights them."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in models}
    for person, image in photos.damaged(way, people=people):
        found = photos.detector.detect(image)
        for name, model in models.items():
            stored, reader = (
                model.read([DetectedPhoto("photo", image, found, 0)])[0],
                model.reader(),
            )
            photo = stored if reader is None else reader.righted(stored)
            if not len(photo.faces):
                continue
            face = photo.faces.largest()
            trust = 1.0 if photo.quality.trust is None else float(photo.quality.trust[face])
            vector = photo.embeddings.vectors[face]
            rows[name].append((person, vector, trust, bool(photo.refusals[face])))
    return {name: Righted(*_columns(own, Righted)) for name, own in rows.items()}


_TYPES: dict[str, type] = {"person": np.int64, "refused": np.bool_}


def _columns(rows: list[tuple[Any, ...]], kind: type[Any]) -> list[npt.NDArray[Any]]:
    names = [one.name for one in fields(kind)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return [
        np.array(column, _TYPES.get(name, np.float32))
        for name, column in zip(names, columns, strict=True)
    ]


def keep(file: Path | None, found: dict[str, Any]) -> None:
    """Write what was found; nothing where nothing is to be kept."""
    if file is not None:
        arrays = {
            f"{name}.{one.name}": getattr(own, one.name)
            for name, own in found.items()
            for one in fields(own)
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_suffix(".part").open("wb") as stream:
            np.savez(stream, **arrays)
        file.with_suffix(".part").replace(file)


def kept(file: Path | None, kind: type[Any], names: Iterable[str]) -> dict[str, Any] | None:
    """What `keep` wrote; None where there is nothing."""
    if file is None or not file.is_file():
        return None
    with np.load(file) as arrays:
        return {
            name: kind(*(arrays[f"{name}.{one.name}"] for one in fields(kind))) for name in names
        }


def digest_of(told: Iterable[object], code: Sequence[str]) -> str:
    """Of what finding depends on: whatever is told, and some code of ``vultus``."""
    digest = hashlib.sha256(repr(list(told)).encode())
    root = Path(vultus.__file__).parent
    for place in code:
        files = [root / place] if place.endswith(".py") else sorted((root / place).rglob("*.py"))
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]

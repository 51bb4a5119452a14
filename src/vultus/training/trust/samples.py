"""Damaged copies of aligned crops, as a detector and the alignment would have given them."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt

from vultus.alignment.align import align_faces
from vultus.core.checks import check_positive_int
from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Faces, Image
from vultus.core.files import write_bytes
from vultus.core.npz_file import read_npz
from vultus.core.progress import Progress, tracked
from vultus.core.rows import Rows
from vultus.data.base import UNLABELLED, FaceDataset
from vultus.data.damage import CLEAN, DAMAGES
from vultus.data.damage.alignment import MISALIGNED, NO_FACE, misplaced, no_face
from vultus.data.damage.base import LOOKS
from vultus.data.paint import landmark_template
from vultus.detection.base import Detector

_Generator = np.random.Generator
_Points = npt.NDArray[np.float32]
_BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)
_MARGIN_PX = 38
_DEEPEST_CUT_PX = 12
_TRIES = 50
_FIELDS = ("pixels", "damage", "strength", "person", "look")
_PATIENCE = 2.5
"""So many photos are tried for a sample: in photos that lie on their side few faces are found."""

_MOST_TIMES = 4
"""More looks than that share the samples: some twenty each suffice to tell how near they lie."""

NO_LOOK = -1
_SHARED = 0.8
"""Of samples of a damage that has looks; each of the others has one of its own."""

GROUPS: tuple[tuple[str, float], ...] = (
    (CLEAN, 0.0),
    *((name, strength) for name, one in DAMAGES.items() for strength in one.strengths),
    *((MISALIGNED, strength) for strength in (0.7, 1.0, 1.4)),
    *((NO_FACE, strength) for strength in (1.0, 2.0)),
)
"""Every damage at every strength."""


@dataclass(frozen=True, slots=True, eq=False)
class TrustSamples(Rows):
    """Crops with what was done to their photos.

    Attributes:
        pixels: (n, 112, 112, 3) uint8, RGB, of the template arcface-112.
        damage: (n,) text: a name of `vultus.data.damage.DAMAGES`, or one of `GROUPS`.
        strength: (n,) float32.
        person: (n,) int64: equal for one person; below 0 and different where nobody knows.
        look: (n,) int64: equal where the damage chose the same place, side or colour; `NO_LOOK`
            where every photo has its own. A filter or a bad lens does the same to all its
            photos, and draws them to each other more than ones of all sorts do.
    """

    pixels: npt.NDArray[np.uint8]
    damage: npt.NDArray[Any]
    strength: npt.NDArray[np.float32]
    person: npt.NDArray[np.int64]
    look: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """How many samples there are to be; fewer where a detector finds too few faces.

    Attributes:
        damaged: Of each damage, all its strengths together; 0 leaves damage out.
        clean: Undamaged photos.
    """

    damaged: int
    clean: int

    def __post_init__(self) -> None:
        check_positive_int("damaged", self.damaged, minimum=0)
        check_positive_int("clean", self.clean)

    def of(self, name: str) -> int:
        """How many of a damage at one of its strengths."""
        if name == CLEAN:
            return self.clean
        levels = sum(other == name for other, _ in GROUPS)
        times = min(_MOST_TIMES, max(1, _looks(name) // LOOKS))
        return -(-self.damaged * times // levels)


def _looks(name: str) -> int:
    return DAMAGES[name].looks if name in DAMAGES else 0


def damaged_samples(
    crops: FaceDataset,
    detector: Detector,
    *,
    counts: SampleCounts,
    seed: int = 0,
    kept: Path | None = None,
    progress: Progress | None = None,
) -> TrustSamples:
    """Damage crops, find the faces again, and align them by what was found.

    A crop is laid into the middle of a larger photo first, so that turns, stretches and covers are
    those of photos, and landmarks are wrong as the detector makes them wrong.

    Args:
        crops: Aligned faces of the template arcface-112, 112 x 112.
        detector: What finds faces; photos in which it finds none give no sample.
        counts: How many samples of what.
        seed: Of every random number.
        kept: Folder in which each group's samples are kept as soon as they are made, so that a
            run that was stopped goes on, and the next embedder finds them made; None keeps
            nothing. Samples of other crops, counts or seeds are not mistaken for these; after an
            operator or a detector was changed the folder must be emptied.
        progress: Told about groups.

    Raises:
        InputError: If there are too few crops, or they are of another size.
    """
    drawing = _Drawing(crops)
    drawn_from = "" if kept is None else _digest(crops)
    parts: list[TrustSamples] = []
    for number, (name, strength) in enumerate(
        tracked(GROUPS, "damaging", total=len(GROUPS), progress=progress)
    ):
        count = counts.of(name)
        if not count:
            continue
        group = (name, strength, count)
        file = kept and kept / f"{number:03}-{_digest_of(drawn_from, group, seed)}.npz"
        if file is None or not file.is_file():
            generator = np.random.default_rng([seed, number])
            made = _group(drawing, group, detector, generator)
            if file is not None:
                _keep(file, made)
        else:
            made = _kept(file)
        parts.append(made)
    if not any(len(part) for part in parts):
        raise InputError("the detector found no face in any of the crops; are they aligned faces?")
    return _joined(parts)


def _digest(crops: FaceDataset) -> str:
    return hashlib.sha256("\n".join(crops.names).encode()).hexdigest()


def _digest_of(drawn_from: str, group: tuple[str, float, int], seed: int) -> str:
    return hashlib.sha256(repr((drawn_from, group, seed)).encode()).hexdigest()[:16]


def _group(
    drawing: "_Drawing",
    group: tuple[str, float, int],
    detector: Detector,
    generator: _Generator,
) -> TrustSamples:  # fmt: skip
    """Up to so many samples of one damage at one strength."""
    name, strength, count = group
    crops = drawing.crops
    pixels: list[Image] = []
    owners: list[int] = []
    looks: list[int] = []
    for index in drawing.photos(round(_PATIENCE * count), generator, several=name == CLEAN):
        if len(pixels) == count:
            break
        look = _look(name, len(pixels))
        made = _sample(crops, index, _Way(name, strength, look), detector, generator)
        if made is not None:
            label = int(crops.labels[index])
            pixels.append(made)
            owners.append(-1 - index if label == UNLABELLED else label)
            looks.append(look)
    return TrustSamples(
        np.stack(pixels) if pixels else np.zeros((0, 112, 112, 3), np.uint8),
        np.full(len(pixels), name),
        np.full(len(pixels), strength, np.float32),
        np.array(owners, np.int64),
        np.array(looks, np.int64),
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """A damage at a strength, and which of its looks; `NO_LOOK` draws one for each photo."""

    name: str
    strength: float
    look: int

    def done(self, photo: Image, landmarks: _Points, generator: _Generator) -> Image:
        if self.look != NO_LOOK:  # the same numbers at every strength, in every photo
            generator = np.random.default_rng([crc32(self.name.encode()), self.look])
        damage = DAMAGES[self.name]
        return damage(photo, landmarks, strength=self.strength, generator=generator)


def _look(name: str, place: int) -> int:
    looks = _looks(name)
    look = place % round(looks / _SHARED) if looks else NO_LOOK
    return look if look < looks else NO_LOOK


def _joined(parts: list[TrustSamples]) -> TrustSamples:
    return TrustSamples(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS)
    )


def _keep(file: Path, samples: TrustSamples) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: getattr(samples, name) for name in _FIELDS})
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, stream.getvalue())


def _kept(file: Path) -> TrustSamples:
    arrays = read_npz(file, _FIELDS)
    return TrustSamples(*(arrays[name] for name in _FIELDS))


class _Drawing:
    """Draws crops of different people, as often from each source where folders name sources."""

    def __init__(self, crops: FaceDataset) -> None:
        firsts = [name.split("/") for name in crops.names]
        sources = [parts[0] if len(parts) > 2 else "" for parts in firsts]
        self.crops = crops
        self._labels = crops.labels
        self._sources = [np.flatnonzero(np.array(sources) == one) for one in sorted(set(sources))]

    def photos(self, count: int, generator: _Generator, *, several: bool) -> Iterator[int]:
        """Up to so many positions, none twice; of a person more than one only if ``several``."""
        seen: set[int] = set()
        for _ in range(count * _TRIES):
            if len(seen) == count:
                return
            source = self._sources[int(generator.integers(len(self._sources)))]
            index = int(source[generator.integers(len(source))])
            label = int(self._labels[index])
            owner = -1 - index if several or label == UNLABELLED else label
            if owner not in seen:
                seen.add(owner)
                yield index


def _sample(
    crops: FaceDataset, index: int, way: _Way, detector: Detector, generator: _Generator
) -> Image | None:
    """One damaged crop; None where nothing can be read or found."""
    try:
        crop = crops.image(index)
    except ImageError:
        return None
    photo, landmarks = _photo(crop, generator)
    if way.name == MISALIGNED:
        return _aligned(photo, _one(misplaced(landmarks, way.strength, generator)))
    if way.name == NO_FACE:
        photo, landmarks = no_face(photo, landmarks, generator)
        return _aligned(photo, _one(landmarks))
    if way.name != CLEAN:
        photo = way.done(photo, landmarks, generator)
    found = detector.detect(photo)
    return _aligned(photo, found[found.largest()]) if len(found) else None


def _photo(crop: Image, generator: _Generator) -> tuple[Image, _Points]:
    """A crop in the middle of a photo, and its landmarks there.

    The crop's own edge is cut in by chance and the border made in several ways, so that nothing
    about borders tells what was done to the photo.
    """
    points = landmark_template("arcface-112").points
    if crop.shape != (112, 112, 3):
        raise InputError(f"crops must be 112 x 112 pixels of arcface-112, got {crop.shape[:2]}")
    top, bottom, left, right = (
        int(v) for v in generator.integers(0, _DEEPEST_CUT_PX, 4) * (generator.random() < 0.6)
    )
    inner = crop[top : 112 - bottom, left : 112 - right]
    border = _BORDERS[int(generator.choice(3, p=[0.4, 0.4, 0.2]))]
    colour = [int(v) for v in generator.uniform(0, 255, 3) * (generator.random() < 0.5)]
    m = _MARGIN_PX
    wide = cv2.copyMakeBorder(inner, m + top, m + bottom, m + left, m + right, border, value=colour)
    scale = float(generator.uniform(1, 1.35))
    photo = np.asarray(cv2.resize(wide, None, fx=scale, fy=scale), np.uint8)
    return photo, np.asarray((points + m) * scale, np.float32)


def _one(landmarks: _Points) -> Faces:
    return Faces(np.zeros((1, 4), np.float32), landmarks[None], np.ones(1, np.float32))


def _aligned(photo: Image, face: Faces) -> Image | None:
    try:
        return np.asarray(align_faces(photo, face).pixels[0], np.uint8)
    except InputError:  # landmarks in one place: no crop, and so nothing to be trusted
        return None

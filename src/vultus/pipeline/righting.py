"""Photos that lie on their side or have the wrong shape: read as they should be.

Nothing is tried on a photo of which a face is surely trusted as stored. Where none is trusted at
all the other turns are tried, and then, as for doubtful ones, other widths where its faces seem to
be stretched. Every try is another chance to be wrong, so what is righted must be trusted more than
what is stored. Boxes, landmarks and the crops' maps are always those of the stored photo.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.choices import RIGHTING_WAYS, RightingWay
from vultus.core.crops import AlignedCrops
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.geometry import invert_transform, transform_points
from vultus.pipeline.photos import AS_STORED, AnalysedPhoto, DetectedPhoto, Righting

_Affine = npt.NDArray[np.float32]

TURNS_DEG = (180, 90, 270)
"""How a photo may lie, in degrees clockwise: three more detections, and so the cap of tries."""

WIDTHS = (1.25, 1.5, 1.8, 1 / 1.25, 1 / 1.5)
"""How many times its right width a photo may have; landmarks scale, so no detection is needed."""

_STRETCHED = {"stretched wide": True, "stretched tall": False, "turned away": False}
"""Kinds of damage that another width rights: a larger one, or a smaller one. A head that is turned
aside is foreshortened: read wider it is found as often again, with fewer false matches."""


def check_ways(ways: Sequence[RightingWay]) -> tuple[RightingWay, ...]:
    """The ways of righting in their own order.

    Raises:
        InputError: If one is unknown.
    """
    for way in ways:
        if way not in RIGHTING_WAYS:
            raise InputError(f"righting must be of {', '.join(RIGHTING_WAYS)}, got {way!r}")
    return tuple(way for way in RIGHTING_WAYS if way in ways)


@dataclass(frozen=True, slots=True)
class Reader:
    """What righting needs to be able to do.

    Attributes:
        detect: Finds the faces of photos.
        read: Aligns, embeds and measures the faces found.
        trust: (n,) float32 of a photo's faces: how far each can be trusted, 0 where not at all.
        sure: Of a righted photo at least one face must be trusted so far.
        turns: Try turns.
        widths: Try widths.
        doubtful: Photos of which no face is trusted so far are tried at other widths.
    """

    detect: Callable[[Sequence[Image]], list[Faces]]
    read: Callable[[Sequence[DetectedPhoto]], list[AnalysedPhoto]]
    trust: Callable[[AnalysedPhoto], npt.NDArray[np.float32]]
    sure: float = 0.0
    turns: bool = True
    widths: bool = True
    doubtful: float = 0.0

    def righted(self, photo: AnalysedPhoto) -> AnalysedPhoto:
        """The photo as it is most trusted; as stored where nothing is gained.

        Args:
            photo: As stored, analysed.

        Returns:
            The photo with its stored pixels. Where it was righted, faces, crops and embeddings are
            those of the righted photo, in the stored photo's coordinates, and ``righting`` says
            what was done. All faces of a photo are righted alike: their trust is added up.
        """
        trust = self._best(photo)
        if trust > 0 and trust >= self.doubtful:
            return photo
        found = self._turned(photo) if self.turns and not trust else None
        if found is None and self.widths and _widths_for(photo):
            found = self._resized(photo, above=trust)
        return photo if found is None else found

    def read_as(self, image: Image, righting: Righting, *, name: str, place: int) -> AnalysedPhoto:
        """A photo read in a way that is known already: one detection, and no tries.

        Args:
            image: (h, w, 3) uint8, RGB, as stored.
            righting: How to read it.
            name: What the answer calls it.
            place: Its place among others.
        """
        turn = righting.turned_deg // 90
        upright = np.ascontiguousarray(np.rot90(image, turn)) if turn else image
        detected = DetectedPhoto(name, upright, self.detect([upright])[0], place)
        if righting.width != 1:
            detected = _resized(detected, righting.width)
        read = self.read([detected])[0]
        return read if righting == AS_STORED else _as_stored(read, image, righting)

    def _vote(self, photo: AnalysedPhoto) -> float:
        return float(self.trust(photo).sum())

    def _best(self, photo: AnalysedPhoto) -> float:
        return float(self.trust(photo).max(initial=0))

    def _turned(self, photo: AnalysedPhoto) -> AnalysedPhoto | None:
        # np.rot90 turns anticlockwise, which undoes a clockwise turn.
        images = [np.ascontiguousarray(np.rot90(photo.image, turn // 90)) for turn in TURNS_DEG]
        found = self.detect(images)
        tried = [
            DetectedPhoto(photo.name, image, faces, photo.place)
            for image, faces in zip(images, found, strict=True)
        ]
        read = self.read(tried)
        best = int(np.argmax([self._vote(one) for one in read]))
        way = Righting(turned_deg=TURNS_DEG[best])
        return _as_stored(read[best], photo.image, way) if self._is_sure(read[best]) else None

    def _resized(self, photo: AnalysedPhoto, *, above: float) -> AnalysedPhoto | None:
        read = self.read([_resized(photo, width) for width in _widths_for(photo)])
        ways = [Righting(width=width) for width in _widths_for(photo)]
        sure = [
            place
            for place, one in enumerate(read)
            if self._is_sure(one) and self._best(one) > above
        ]
        if not sure:
            return None
        # Trust is flat about the right width; the guess of what stretch is left is not.
        best = min(sure, key=lambda place: _stretch_left(read[place]))
        return _as_stored(read[best], photo.image, ways[best])

    def _is_sure(self, photo: AnalysedPhoto) -> bool:
        best = self._best(photo)
        return best > 0 and best >= self.sure


class SequenceReader:
    """Reads the frames of one video, and decides once how they lie.

    Frames are righted one by one until enough of them were trusted in the same way; from then on
    all are read in that way. So a doubtful frame does not flip back, and a turned video costs one
    detection a frame.

    Args:
        reader: What rights single photos (`Analyser.reader`).
        agreeing: So many frames trusted in one way decide, at least 1.
        tried: After so many frames with faces the way that leads decides; as stored if none does.

    Attributes:
        decided: How frames are read; None until it is decided.

    Raises:
        InputError: If a number is below 1.
    """

    def __init__(self, reader: Reader, *, agreeing: int = 3, tried: int = 15) -> None:
        self.decided: Righting | None = None
        self._reader = reader
        self._agreeing = check_positive_int("agreeing", agreeing)
        self._tried = check_positive_int("tried", tried)
        self._votes: Counter[Righting] = Counter()
        self._with_faces = 0

    def read(self, image: Image, *, name: str = "frame", place: int = 0) -> AnalysedPhoto:
        """Read the next frame.

        Args:
            image: (h, w, 3) uint8, RGB.
            name: What the answer calls it.
            place: Its place in the video.

        Returns:
            The frame, its faces in the stored frame's coordinates; ``righting`` says how it was
            read. Frames without faces decide nothing.
        """
        if self.decided is not None:
            return self._reader.read_as(image, self.decided, name=name, place=place)
        stored = self._reader.read_as(image, AS_STORED, name=name, place=place)
        found = self._reader.righted(stored)
        if len(found.faces):
            self._count(found)
        return found

    def _count(self, frame: AnalysedPhoto) -> None:
        self._with_faces += 1
        # What was righted was trusted, or it would have been left as stored.
        if frame.righting != AS_STORED or self._reader.trust(frame).max() > 0:
            self._votes[frame.righting] += 1
        leading, votes = (self._votes.most_common(1) or [(AS_STORED, 0)])[0]
        if votes >= self._agreeing or self._with_faces >= self._tried:
            self.decided = leading


def _widths_for(photo: AnalysedPhoto) -> tuple[float, ...]:
    """The widths that may help: of the direction in which most faces seem to be stretched."""
    told = () if photo.quality.damage is None else photo.quality.damage.tolist()
    wider = [_STRETCHED[kind] for kind in told if kind in _STRETCHED]
    if not wider:
        return ()
    is_wide = 2 * sum(wider) >= len(wider)
    return tuple(width for width in WIDTHS if (width > 1) == is_wide)


def _stretch_left(photo: AnalysedPhoto) -> float:
    stretch = photo.quality.stretch
    return 0.0 if stretch is None else float(np.abs(np.log(stretch)).mean())


def _resized(photo: AnalysedPhoto | DetectedPhoto, width: float) -> DetectedPhoto:
    height, wide = photo.image.shape[:2]
    image = np.asarray(cv2.resize(photo.image, (max(1, round(wide / width)), height)), np.uint8)
    faces = _mapped(photo.faces, _way(Righting(width=width), image))
    return DetectedPhoto(photo.name, image, faces, photo.place)


def _way(righting: Righting, righted: Image) -> _Affine:
    """(2, 3) float32: from the stored photo's coordinates to those of the righted one."""
    height, width = righted.shape[:2]
    if righting.width != 1:
        scale = 1 / righting.width
        return np.array([[scale, 0, (scale - 1) / 2], [0, 1, 0]], np.float32)
    ways = {
        90: [[0, 1, 0], [-1, 0, height - 1]],
        180: [[-1, 0, width - 1], [0, -1, height - 1]],
        270: [[0, -1, width - 1], [1, 0, 0]],
    }
    return np.array(ways[righting.turned_deg], np.float32)


def _mapped(faces: Faces, way: _Affine) -> Faces:
    """Faces in other coordinates; boxes stay upright rectangles."""
    corners = transform_points(faces.boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]], way)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    landmarks = transform_points(faces.landmarks, way)
    return Faces(boxes.astype(np.float32), landmarks.astype(np.float32), faces.scores)


def _as_stored(read: AnalysedPhoto, stored: Image, righting: Righting) -> AnalysedPhoto:
    """What was read of a righted photo, in the stored photo's coordinates."""
    way = _way(righting, read.image)
    maps = read.crops.transforms
    joined = maps[:, :, :2] @ way
    joined[:, :, 2] += maps[:, :, 2]
    return dataclasses.replace(
        read,
        image=stored,
        faces=_mapped(read.faces, invert_transform(way)),
        crops=AlignedCrops(read.crops.pixels, joined.astype(np.float32), read.crops.template),
        righting=righting,
    )

"""A made-up world: people walk through frames that say by their colours what is where."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError
from vultus.core.faces import Faces
from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.quality.gate import QualityGate
from vultus.video.frame import Frame

SIZE_HW = (480, 640)
SPACE = EmbeddingSpace("made-up", "0" * 64, "none", 32)
FRAME_S = 0.04
_STEP = 4


@dataclass(frozen=True)
class Walk:
    """Somebody walks from here to there.

    Attributes:
        person: Who: a number.
        first: The first frame.
        last: The last frame.
        start: Centre in the first frame, x and y in pixels.
        end: Centre in the last.
        poor: Cannot be judged.
        becomes: Who the person is from the middle on, unnoticed.
    """

    person: int
    first: int
    last: int
    start: tuple[float, float] = (100, 200)
    end: tuple[float, float] = (300, 200)
    poor: bool = False
    becomes: int | None = None

    def centre(self, number: int) -> npt.NDArray[np.float64]:
        share = (number - self.first) / max(self.last - self.first, 1)
        start, end = np.array(self.start, np.float64), np.array(self.end, np.float64)
        return np.asarray(start + share * (end - start))

    def who(self, number: int) -> int:
        late = 2 * number > self.first + self.last
        return self.person if self.becomes is None or not late else self.becomes


def vector(person: int, number: int | None = None) -> npt.NDArray[np.float32]:
    """What a person looks like; in a frame a little different each time."""
    found = np.random.default_rng([7, person]).normal(size=SPACE.dim)
    found /= np.linalg.norm(found)
    if number is not None:
        found += 0.05 * np.random.default_rng([8, person, number]).normal(size=SPACE.dim)
    return (found / np.linalg.norm(found)).astype(np.float32)


def painted(number: int) -> npt.NDArray[np.uint8]:
    """A frame: red and part of the others say which, green and blue where."""
    height, width = SIZE_HW
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = number % 256
    image[..., 1] = np.arange(width)[None] // _STEP
    image[..., 2] = (np.arange(height)[:, None] // _STEP) + 128 * (number // 256)
    return image


def _number(image: npt.NDArray[np.uint8]) -> int:
    return int(image[0, 0, 0]) + 256 * (int(image[0, 0, 2]) // 128)


@dataclass
class Script:
    """Frames with people; a source, a detector and a recogniser at once.

    Attributes:
        walks: Who walks where.
        n_frames: How long it goes.
        is_live: Whether it is a live source.
        limits: What is asked of faces.
        trust: How far every face in view is trusted.
        begin: The first frame's number, for live sources that begin late.
        opened: How many frames were handed out.
    """

    walks: Sequence[Walk]
    n_frames: int = 100
    name: str = "door"
    is_live: bool = False
    begin: int = 0
    began_at: datetime = datetime(2026, 3, 1, 8, tzinfo=UTC)
    frame_s: float = FRAME_S
    detections: int = 0
    embedded: list[tuple[int, int]] = field(default_factory=list)
    fingerprint: str = "f00d"
    limits: QualityGate | None = None
    trust: float | None = None

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        for number in range(max(self.begin, after + 1), self.n_frames):
            yield Frame(number, (number - self.begin) * FRAME_S, painted(number))

    def close(self) -> None:
        self.n_frames = 0

    def detect(self, image: npt.NDArray[np.uint8]) -> Faces:
        self.detections += 1
        number = _number(image)
        offset = np.array([image[0, 0, 1], image[0, 0, 2] % 128]) * float(_STEP)
        centres = [w.centre(number) - offset for w in self._walking(number)]
        inside = [c for c in centres if (c >= 0).all() and (c < image.shape[1::-1]).all()]
        n = len(inside)
        points = np.array(inside, np.float32).reshape(-1, 1, 2)
        half = np.array([30, 35], np.float32)
        boxes = np.concatenate([points[:, 0] - half, points[:, 0] + half], axis=1)
        eyes = np.array([[-15, -15], [15, -15], [0, 2], [-12, 18], [12, 18]], np.float32)
        return Faces(boxes, points + eyes, np.full(n, 0.95, np.float32))

    def detect_batch(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        return [self.detect(image) for image in images]

    def recogniser(self) -> Recognizer:
        """What a watcher needs of one."""

        def unmeasured(fmr: float) -> None:
            raise CalibrationError("nobody measured it")

        return cast(
            Recognizer,
            SimpleNamespace(
                detector=self,
                embedder=SimpleNamespace(space=SPACE),
                limits=self.limits,
                gate=None,
                calibration=None,
                watcher=None,
                reader=lambda: None,
                read=self._read,
                threshold=unmeasured,
            ),
        )

    def _walking(self, number: int) -> list[Walk]:
        return [w for w in self.walks if w.first <= number <= w.last]

    def _read(self, photos: Sequence[Any]) -> list[Any]:
        (photo,) = photos
        number = _number(photo.image)
        box = photo.faces.boxes[0]
        centre = (box[:2] + box[2:]) / 2
        walks = self._walking(number)
        walk = min(walks, key=lambda w: float(np.abs(w.centre(number) - centre).sum()))
        self.embedded.append((number, walk.who(number)))
        found = vector(walk.who(number), number)[None]
        one = np.ones(1, np.float32)
        trust = None if self.trust is None else self.trust * one
        embeddings = Embeddings(found, one, SPACE, quality=0.9 * one, trust=trust)
        refusal = ("too poor",) if walk.poor else ()
        quality = SimpleNamespace(damage=None, trust=None)
        read = SimpleNamespace(embeddings=embeddings, refusals=(refusal,), quality=quality)
        return [read]


def enrolled(gallery: Gallery, *people: int, trust: float | None = None) -> None:
    """Enrol people, as ``person 1`` and so on, of photos that are trusted so far."""
    for person in people:
        one = np.ones(1, np.float32)
        trusts = None if trust is None else trust * one
        faces = Embeddings(vector(person)[None], one, SPACE, trust=trusts)
        gallery.enroll(f"person {person}", faces)

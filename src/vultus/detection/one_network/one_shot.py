"""What detectors with one network share: open it, group images by input size, run, decode."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import DownloadError, InputError, ModelError, ModelNotFoundError
from vultus.core.faces import Faces, Image
from vultus.detection.base import SmallestFace, check_images
from vultus.detection.one_network.anchors import (
    Fitting,
    RawFaces,
    faces_of,
    fit_image,
    merge_close_ups,
    plan_fitting,
)
from vultus.models.store import ModelStore
from vultus.runtime.session import Session

_BATCH_PIXELS = 2_000_000
_CLOSE_UP_SIDE = 320
_SMALLEST_SEEN_PX = 10  # of what the network sees, about
_CLOSE_UP_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OneShotSettings:
    """How a detector with one network looks at images.

    Attributes:
        score_threshold: Faces below this score, in [0, 1], are dropped.
        nms_iou: Of faces whose boxes overlap by more, in [0, 1], the best stays.
        max_side: Images with a longer side are shrunk to it before the network sees them.
        border: Border around the image, as a share of its longer side; helps with faces that fill
            or overflow the photo.
        min_face_px: Faces with a smaller shorter side, in pixels of the image, are dropped.

    Raises:
        InputError: If a setting is out of range.
    """

    score_threshold: float
    nms_iou: float
    max_side: int
    border: float
    min_face_px: float

    def __post_init__(self) -> None:
        check_range("score_threshold", self.score_threshold, low=0, high=1)
        check_range("nms_iou", self.nms_iou, low=0, high=1)
        check_positive_int("max_side", self.max_side, minimum=32)
        check_range("border", self.border, low=0, high=1)
        check_range("min_face_px", self.min_face_px, low=0)


class OneShotDetector(ABC):
    """A detector that runs one network over the whole image.

    Args:
        session: The network: one input (b, 3, h, w) float32, whose axes may be free or fixed.
        settings: How to look at images.

    Raises:
        ModelError: If the network has another input or other outputs.
    """

    name: ClassVar[str]
    fill: ClassVar[int]
    n_outputs: ClassVar[int]

    def __init__(self, session: Session, settings: OneShotSettings) -> None:
        self.settings = settings
        self._session = session
        shape = session.inputs[0].shape
        if len(session.inputs) != 1 or len(shape) != 4 or len(session.outputs) != self.n_outputs:
            raise ModelError(
                f"a {self.name} network must have one input (b, 3, h, w) and {self.n_outputs} "
                f"outputs, got inputs {[str(spec) for spec in session.inputs]} and "
                f"{len(session.outputs)} outputs"
            )
        batch, _, rows, columns = shape
        self._batches = not isinstance(batch, int)
        fixed = isinstance(rows, int) and isinstance(columns, int)
        self._canvas_hw = (int(rows), int(columns)) if fixed else None

    def detect(self, image: Image) -> Faces:
        """Find the faces in one image; see `vultus.detection.base.Detector.detect`."""
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        """Find the faces in several images; see `vultus.detection.base.Detector.detect_batch`."""
        check_images(images)
        faces = self._look(images, self.settings.max_side)
        if self._canvas_hw is not None:
            return faces
        # These networks know faces of up to some 300 pixels; larger ones fall apart into pieces.
        large = [i for i, image in enumerate(images) if max(image.shape[:2]) > _CLOSE_UP_SIDE]
        small_views = self._look([images[i] for i in large], _CLOSE_UP_SIDE)
        for i, found in zip(large, small_views, strict=True):
            limit = _CLOSE_UP_SHARE * max(images[i].shape[:2])
            faces[i] = merge_close_ups(faces[i], found, min_side=limit)
        return faces

    def smallest_face(self, size_hw: tuple[int, int]) -> SmallestFace:
        """Which faces are found, about; see `vultus.detection.base.smallest_face`."""
        seen = _SMALLEST_SEEN_PX / self._plan(size_hw, self.settings.max_side).scale
        if seen <= self.settings.min_face_px:
            return SmallestFace(self.settings.min_face_px, "")
        larger = f"max_side={2 * self.settings.max_side}"
        return SmallestFace(seen, larger if self._canvas_hw is None else "")

    def _look(self, images: Sequence[Image], max_side: int) -> list[Faces]:
        fittings = [self._plan((image.shape[0], image.shape[1]), max_side) for image in images]
        faces = [Faces.empty()] * len(images)
        for members in self._batches_of(fittings):
            for index, found in zip(members, self._run(images, fittings, members), strict=True):
                faces[index] = found
        return faces

    @abstractmethod
    def tensor(self, canvases: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Turn (b, h, w, 3) RGB pixels into what the network takes, (b, 3, h, w) float32."""

    @abstractmethod
    def decode(
        self, outputs: Sequence[npt.NDArray[Any]], canvas_hw: tuple[int, int]
    ) -> list[list[RawFaces]]:
        """Read the network's outputs: per image of the batch one `RawFaces` per output map."""

    def _plan(self, size_hw: tuple[int, int], max_side: int) -> Fitting:
        return plan_fitting(
            size_hw,
            max_side=max_side,
            border=self.settings.border,
            canvas_hw=self._canvas_hw,
        )

    def _batches_of(self, fittings: Sequence[Fitting]) -> Iterator[list[int]]:
        """Indices of images that share an input size, in groups that bound memory."""
        by_canvas: dict[tuple[int, int], list[int]] = {}
        for index, fitting in enumerate(fittings):
            by_canvas.setdefault(fitting.canvas_hw, []).append(index)
        for (rows, columns), members in by_canvas.items():
            size = max(1, _BATCH_PIXELS // (rows * columns)) if self._batches else 1
            yield from (members[start : start + size] for start in range(0, len(members), size))

    def _run(
        self, images: Sequence[Image], fittings: Sequence[Fitting], members: Sequence[int]
    ) -> list[Faces]:
        canvases = np.stack([fit_image(images[i], fittings[i], fill=self.fill) for i in members])
        outputs = self._session.run({self._session.inputs[0].name: self.tensor(canvases)})
        raw = self.decode(outputs, fittings[members[0]].canvas_hw)
        return [self._faces(cells, fittings[i]) for cells, i in zip(raw, members, strict=True)]

    def _faces(self, raw: Sequence[RawFaces], fitting: Fitting) -> Faces:
        found = faces_of(
            raw,
            fitting,
            score_threshold=self.settings.score_threshold,
            nms_iou=self.settings.nms_iou,
        )
        sides = found.boxes[:, 2:] - found.boxes[:, :2]
        return found[np.flatnonzero(sides.min(axis=1, initial=np.inf) >= self.settings.min_face_px)]


def resolve_model(model: str | Path) -> Path:
    """The file of a model: a path as it is, a name through the model store.

    Raises:
        InputError: If it is neither.
        ModelNotFoundError, DownloadError: If a name's file is neither here nor can be fetched; the
            message names models for the same detector that are here.
    """
    if isinstance(model, Path):
        return model
    if not isinstance(model, str):
        raise InputError(f"model must be a name in the model store or a Path, got {model!r}")
    store = ModelStore()
    try:
        return store.fetch(model)
    except (ModelNotFoundError, DownloadError) as error:
        decoder = store.card(model).decoder
        here = [
            card.name
            for card in store.cards()
            if card.decoder == decoder != "" and store.place(card.name) not in (None, "changed")
        ]
        if not here:
            raise
        ways = " or ".join(f"`{decoder}:{name}`" for name in here)
        raise type(error)(f"{error}. Here already, for the same detector: {ways}") from error

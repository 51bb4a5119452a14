"""What was seen, drawn into a film; and pictures of faces, where somebody wants to keep them."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import OutputError, VideoError
from vultus.core.faces import Faces, Image
from vultus.core.files import appearing, check_folder, check_target
from vultus.gallery.events.event import Event
from vultus.image.draw import draw_faces
from vultus.image.io import write_image
from vultus.video.frame import Frame
from vultus.video.shown import Shown
from vultus.video.sources.container import import_av

_KINDS = {".mp4": "mp4", ".mkv": "matroska"}
_CODECS = ("libx264", "mpeg4")
_TIME_BASE = Fraction(1, 1000)
_MARGIN = 0.4


def drawn(image: Image, shown: Sequence[Shown]) -> Image:
    """A copy of a frame with a box and who it is for each face in view.

    Args:
        image: (h, w, 3) uint8, RGB.
        shown: The faces.
    """
    n = len(shown)
    boxes = np.array([face.box for face in shown], np.float32).reshape(n, 4)
    landmarks = np.array([face.landmarks for face in shown], np.float32).reshape(n, 5, 2)
    faces = Faces(boxes, landmarks, np.ones(n, np.float32))
    return draw_faces(image, faces, captions=[_caption(face) for face in shown])


def _caption(face: Shown) -> str:
    if face.answer is None:
        return "cannot be judged" if face.reasons else "?"
    if face.identity is None:
        return "unknown"
    return f"{face.identity} {face.answer.candidates[0].similarity:.2f}"


def check_film(path: Path) -> None:
    """Refuse a path that no film can be written to, before long work.

    Raises:
        OutputError: If it ends in another way than .mp4 or .mkv, or cannot be written.
    """
    if path.suffix.lower() not in _KINDS:
        raise OutputError(f"{path} must end in {' or '.join(_KINDS)} to be a film")
    check_target(path, replace=True)


class DrawnFilm:
    """A film that appears whole when it is closed without error; a context manager.

    Args:
        path: The file (.mp4 or .mkv), for its owner only; one that is there is replaced.
        frame_s: The usual time between two frames, in seconds.

    Raises:
        OutputError: If it cannot be written.
        MissingDependencyError: If PyAV is not installed.
    """

    def __init__(self, path: Path, *, frame_s: float) -> None:
        self._av = import_av()
        check_film(path)
        self._path, self._frame_s = path, frame_s
        self._stack = ExitStack()
        self._last = -1
        self._stream: Any = None

    def __enter__(self) -> "DrawnFilm":
        part = self._stack.enter_context(appearing(self._path, replace=True, private=True))
        kind = _KINDS[self._path.suffix.lower()]
        self._file = self._stack.enter_context(self._av.open(str(part), "w", format=kind))
        return self

    def __exit__(self, *told: object) -> None:
        try:
            if told[0] is None and self._stream is not None:
                self._file.mux(self._stream.encode())
        finally:
            self._stack.__exit__(*told)  # type: ignore[arg-type]

    def add(self, frame: Frame, shown: Sequence[Shown]) -> None:
        """Add a frame with what is known of it.

        Raises:
            VideoError: If it cannot be encoded.
        """
        image = drawn(frame.image, shown)
        image = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
        if self._stream is None:
            self._stream = self._begun(image)
        picture = self._av.VideoFrame.from_ndarray(image, format="rgb24")
        # Two frames of one time would be refused.
        self._last = max(round(frame.time_s * 1000), self._last + 1)
        picture.pts, picture.time_base = self._last, _TIME_BASE
        try:
            self._file.mux(self._stream.encode(picture))
        except self._av.FFmpegError as error:
            raise VideoError(f"{self._path} cannot be encoded: {error.strerror}") from error

    def _begun(self, image: Image) -> Any:
        """The stream of pictures of a size."""
        for codec in _CODECS:
            try:
                stream = self._file.add_stream(codec, rate=round(1 / self._frame_s) or 1)
            except (self._av.FFmpegError, ValueError):
                continue
            stream.height, stream.width = image.shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = _TIME_BASE
            return stream
        raise VideoError(f"PyAV has none of the encoders {', '.join(_CODECS)}")


class Snapshots:
    """Pictures of the faces that were named, or called unknown; only for who asks for them.

    Args:
        folder: Where; made where there is none. The files are for their owner only, and who is
            erased from a gallery is not erased from them.
    """

    def __init__(self, folder: Path) -> None:
        check_folder(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    def keep(self, frame: Frame, shown: Sequence[Shown], events: Sequence[Event]) -> list[Path]:
        """Keep a picture for each event that says who somebody is; the files' paths."""
        kept = []
        faces = {face.number: face for face in shown}
        for event in events:
            face = faces.get(event.data.get("track", -1))
            if event.type not in ("recognised", "unknown") or face is None:
                continue
            # The id, not the name: who is renamed or erased should not be told by a file's name.
            path = self._folder / (re.sub(r"[^0-9A-Za-z._-]+", "_", event.id) + ".jpg")
            write_image(path, cut_out(frame.image, face.box), private=True)
            kept.append(path)
        return kept


def cut_out(image: Image, box: npt.NDArray[np.float32]) -> Image:
    """A face with some of what is about it.

    Args:
        image: (h, w, 3) uint8, RGB.
        box: (4,) of the face, ``x1 y1 x2 y2`` in pixels.

    Returns:
        (h', w', 3) uint8; the whole image where the box lies outside of it.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box.astype(np.float64)
    margin = _MARGIN * max(x2 - x1, y2 - y1)
    left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
    right, bottom = min(width, int(x2 + margin) + 1), min(height, int(y2 + margin) + 1)
    inside = right > left and bottom > top
    return np.ascontiguousarray(image[top:bottom, left:right] if inside else image)

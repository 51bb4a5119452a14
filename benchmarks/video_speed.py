"""Watching a film against finding and embedding the faces of every frame: CPU time, one thread.

    python -m benchmarks.video_speed --film face.mkv

Both read the same frames in the same run, in turns; printed are medians of CPU milliseconds a
frame, the ratio, and in how many frames a face that the full search found was not reckoned to be
where it is (overlap below 0.5).
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from vultus.pipeline.photos import DetectedPhoto
from vultus.pipeline.recognizer import Recognizer
from vultus.video.frame import Frame
from vultus.video.shown import Shown, WatchCounts
from vultus.video.sources.opening import open_source
from vultus.video.tracking.motion import overlaps
from vultus.video.watcher import Watcher


def naive(recognizer: Recognizer, film: Path) -> tuple[int, float]:
    """Frames, and CPU seconds, of a loop that finds and embeds all faces of all frames."""
    n, started = 0, time.process_time()
    for frame in open_source(film).frames():
        faces = recognizer.detector.detect(frame.image)
        recognizer.read([DetectedPhoto("frame", frame.image, faces, 0)])
        n += 1
    return n, time.process_time() - started


def watched(
    recognizer: Recognizer,
    film: Path,
    look: Callable[[Frame, list[Shown], WatchCounts], None] | None = None,
) -> tuple[int, float, WatchCounts]:
    """The same of a watcher, with all that it writes."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        gallery = stack.enter_context(recognizer.open_gallery(Path(folder) / "people.db"))
        watcher = Watcher(recognizer, gallery, open_source(film), on_frame=look)
        started = time.process_time()
        counts = watcher.run()
        return counts.frames, time.process_time() - started, counts


def missed(recognizer: Recognizer, film: Path) -> tuple[int, int, int, int]:
    """Faces that can be judged, those of them that are not followed; the same of all faces."""
    totals = np.zeros(4, int)

    def look(frame: Frame, shown: list[Shown], counts: WatchCounts) -> None:
        faces = recognizer.detector.detect(frame.image)
        if not len(faces):
            return
        (read,) = recognizer.read([DetectedPhoto("frame", frame.image, faces, 0)])
        boxes = np.array([face.box for face in shown], np.float32).reshape(-1, 4)
        alike = overlaps(faces.boxes, boxes) if len(boxes) else np.zeros((len(faces), 1))
        lost = alike.max(axis=1) < 0.5
        fit = np.array([not reasons for reasons in read.refusals])
        totals[:] += (fit.sum(), (fit & lost).sum(), len(faces), lost.sum())

    watched(recognizer, film, look)
    fit, fit_lost, seen, lost = totals.tolist()
    return fit, fit_lost, seen, lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", type=Path, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    recognizer = Recognizer(threads=1)
    print(
        f"Python {platform.python_version()}, av {version('av')}, OpenCV {cv2.__version__}; "
        f"detector {recognizer.detector_name}, embedder {recognizer.embedder.card.name}\n"
    )
    print(
        "| film | frames | each frame, ms | watched, ms (frames/s) | ratio | searched | regions | "
        "embedded | judgeable faces not followed | all faces not followed |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    for film in options.film:
        naive_ms, watched_ms = [], []
        for _ in range(options.rounds):
            n, seconds = naive(recognizer, film)
            naive_ms.append(1e3 * seconds / n)
            n, seconds, counts = watched(recognizer, film)
            watched_ms.append(1e3 * seconds / n)
        slow, fast = float(np.median(naive_ms)), float(np.median(watched_ms))
        fit, fit_lost, seen, lost = missed(recognizer, film)
        print(
            f"| {film.stem} | {n} | {slow:.1f} | {fast:.1f} ({1e3 / fast:.0f}) | "
            f"{slow / fast:.1f} | {counts.searches} | {counts.regions} | {counts.shots} | "
            f"{fit_lost} of {fit} | {lost} of {seen} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""The files of YouTube Faces: pairs of videos, and where the face is on each frame."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.evaluation.protocols.pairs.pair_lists import Pair
from vultus.evaluation.protocols.protocol_files import read_lines


def read_ytf_pairs(path: str | Path) -> list[Pair]:
    """Read ``splits.txt``: ``split, pair, name/video, name/video, same`` a line, same 1 or 0.

    The number of the pair may be left out; a first line of words is a heading.

    Returns:
        The pairs; photos are videos ``name/video``, folds are the splits.

    Raises:
        InputError: If a line does not fit; the message names it.
    """
    path = Path(path)
    lines = read_lines(path)
    pairs = []
    for number, line in enumerate(lines, start=1):
        words = [word.strip() for word in line.split(",")]
        if number == 1 and not words[0].isdigit():
            continue
        if len(words) not in (4, 5) or not words[0].isdigit() or words[-1] not in ("0", "1"):
            raise InputError(
                f"{path}:{number} must be 'split, pair, name/video, name/video, 1 or 0', "
                f"got {line!r}"
            )
        first, second = words[-3], words[-2]
        pairs.append(Pair(first, second, words[-1] == "1", int(words[0])))
    if not pairs:
        raise InputError(f"{path} must hold pairs of videos, it holds none")
    return pairs


def frames_by_video(names: Sequence[str]) -> dict[str, list[str]]:
    """Photos by the last two folders that they are in, ``name/video``, in the order of frames.

    Args:
        names: Paths with ``/``; a frame's number is the last one in its file name.
    """
    videos: dict[str, list[str]] = {}
    for name in names:
        videos.setdefault("/".join(PurePosixPath(name).parent.parts[-2:]), []).append(name)
    for frames in videos.values():
        frames.sort(key=_frame_order)
    return videos


def read_labelled_boxes(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read ``<name>.labeled_faces.txt``: where the face is on each frame of a person's videos.

    Lines are ``name\\video\\frame.jpg,0,x,y,width,height,0,1``, with the centre ``x y`` of a
    rectangle in pixels.

    Returns:
        ``name/video/frame`` without its ending -> (4,) float32 ``x1 y1 x2 y2``.

    Raises:
        InputError: If a line does not fit; the message names it.
    """
    boxes = {}
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split(",")
        try:
            x, y, width, height = (float(word) for word in words[2:6])
        except ValueError:
            raise InputError(
                f"{path}:{number} must be 'frame,0,x,y,width,height,0,1', got {line!r}"
            ) from None
        corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        boxes[_frame(words[0].replace("\\", "/"))] = np.array(corners, np.float32)
    return boxes


def boxes_of(
    frames: Sequence[str], labelled: Mapping[str, npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """(n, 4) float32 boxes of frames, NaN where there is none."""
    unknown = np.full(4, np.nan, np.float32)
    rows = [labelled.get(_frame(name), unknown) for name in frames]
    return np.stack(rows) if rows else np.zeros((0, 4), np.float32)


def _frame(name: str) -> str:
    return "/".join(PurePosixPath(name).with_suffix("").parts[-3:])


def _frame_order(name: str) -> tuple[int, str]:
    stem = PurePosixPath(name).stem
    digits = stem[len(stem.rstrip("0123456789")) :]
    return (int(digits) if digits else 0, name)

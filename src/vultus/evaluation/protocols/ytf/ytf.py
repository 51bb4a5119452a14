"""YouTube Faces: pairs of videos, each a set of frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.choices import Selection
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.protocols.base import PROTOCOLS, EmbeddedPhotos, EmbedPhotos, embed_sets
from vultus.evaluation.protocols.figures import ProtocolExtras
from vultus.evaluation.protocols.pairs.pair_lists import Pair
from vultus.evaluation.protocols.photos import PhotoRoot, Photos
from vultus.evaluation.protocols.protocol_files import (
    check_complete,
    digests,
    first_file,
    folder_of,
    joint_digest,
    read_lines,
)
from vultus.evaluation.protocols.result import Evidence, ProtocolResult
from vultus.evaluation.protocols.scoring import pair_figures

Representation = Literal["mean", "norm", "pairs"]
"""How a set of features is compared: ``mean``: by the mean of the unit vectors; ``norm``: by the
mean weighted with the features' norms; ``pairs``: the mean of the similarities of all pairs of
frames."""

REPRESENTATIONS: tuple[Representation, ...] = ("mean", "norm", "pairs")

_FRAME_FOLDERS = ("frame_images_DB", "aligned_images_DB")


@PROTOCOLS.register("ytf")
class YouTubeFaces:
    """YouTube Faces: 5,000 pairs of videos in ten folds.

    Videos are embedded one after the other and only one vector of each is kept. A frame without a
    face is left out of its video; a video without any makes its pairs wrong.

    Args:
        root: Folder or zip of ``name/video/frame.jpg``, or the folder above ``frame_images_DB``.
        pairs: ``splits.txt``; None looks for it in the root, beside it and in ``meta_data``.
        aligned: The frames are aligned crops already.
        representation: How two videos are compared, see `Representation`.
        max_frames: Take so many frames of a video at most, evenly spaced; None takes all.

    Raises:
        InputError: If a file is missing or not of the layout, or a setting is out of range.

    Source:
        L. Wolf, T. Hassner, I. Maoz, Face Recognition in Unconstrained Videos with Matched
        Background Similarity, CVPR 2011.
    """

    select: Selection = "central"

    def __init__(
        self,
        *,
        root: Path,
        pairs: Path | None = None,
        aligned: bool = False,
        representation: Representation = "mean",
        max_frames: int | None = None,
    ) -> None:
        if representation not in REPRESENTATIONS:
            raise InputError(
                f"representation must be one of {', '.join(REPRESENTATIONS)}, "
                f"got {representation!r}"
            )
        if max_frames is not None:
            check_positive_int("max_frames", max_frames)
        self._list = _find_list(root) if pairs is None else pairs
        self._pairs = read_ytf_pairs(self._list)
        self._root = PhotoRoot(_frames_folder(root))
        self._aligned = aligned
        self._representation: Representation = representation
        self._max_frames = max_frames

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the frames and measure."""
        wanted = list(dict.fromkeys(v for pair in self._pairs for v in (pair.first, pair.second)))
        frames = self._frames(wanted)
        boxes, box_files = self._boxes(wanted, frames)
        names = [name for video in frames for name in video]
        photos = Photos(names, self._root.read, boxes=boxes)
        sizes = [len(video) for video in frames]
        features = _features(
            embed_sets(embed, photos, sizes=sizes, aligned=self._aligned), self._representation
        )
        evidence = self._compare(wanted, features.vectors, features.norms)
        comparisons, accuracy = pair_figures(
            "ytf", evidence, folds=[pair.fold for pair in self._pairs]
        )
        files = digests([self._list])
        if box_files:
            files["*.labeled_faces.txt"] = joint_digest(box_files)
        return ProtocolResult(
            "ytf",
            features.space,
            len(names),
            features.n_failed,
            comparisons,
            accuracy,
            extras=ProtocolExtras(
                sets="videos",
                n_sets=len(wanted),
                failed_sets=int(np.isneginf(features.norms).sum()),
            ),
            files_sha256=files,
            evidence=evidence,
            settings={"representation": self._representation, "max_frames": self._max_frames},
        )

    def _frames(self, wanted: Sequence[str]) -> list[list[str]]:
        videos = frames_by_video(self._root.names)
        missing = [video for video in wanted if video not in videos]
        what = f"videos that {self._list} names"
        check_complete(self._root.root, wanted, missing, what=what)
        return [_spaced(videos[video], self._max_frames) for video in wanted]

    def _boxes(
        self, wanted: Sequence[str], frames: Sequence[Sequence[str]]
    ) -> tuple[npt.NDArray[np.float32] | None, list[Path]]:
        """Where the faces are, for frames that are to be detected on, and the files that say so."""
        if self._aligned or not self._root.root.is_dir():
            return None, []
        people = dict.fromkeys(video.partition("/")[0] for video in wanted)
        files = {person: self._root.root / f"{person}.labeled_faces.txt" for person in people}
        known = {
            person: read_labelled_boxes(path) for person, path in files.items() if path.is_file()
        }
        if not known:
            return None, []
        rows = [
            boxes_of(names, known.get(video.partition("/")[0], {}))
            for video, names in zip(wanted, frames, strict=True)
        ]
        return np.concatenate(rows), [files[person] for person in known]

    def _compare(
        self,
        videos: Sequence[str],
        features: npt.NDArray[np.float64],
        norms: npt.NDArray[np.float64],
    ) -> Evidence:
        place = {video: number for number, video in enumerate(videos)}
        first = np.array([place[pair.first] for pair in self._pairs], np.int64)
        second = np.array([place[pair.second] for pair in self._pairs], np.int64)
        scores = np.einsum("nd,nd->n", features[first], features[second]).clip(-1, 1)
        failed = np.isneginf(norms)
        scores[failed[first] | failed[second]] = -np.inf
        return Evidence(
            tuple(videos),
            first,
            second,
            np.array([pair.genuine for pair in self._pairs], np.bool_),
            scores.astype(np.float32),
            {"feature norm": norms},
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """One vector of each video.

    Attributes:
        vectors: (videos, dim) float64; zero for one without a face.
        norms: (videos,) float64, mean norm of the faces; ``-inf`` for one without a face.
        n_failed: Frames without a face.
        space: Of the embeddings.
    """

    vectors: npt.NDArray[np.float64]
    norms: npt.NDArray[np.float64]
    n_failed: int
    space: EmbeddingSpace


def _features(videos: Iterator[EmbeddedPhotos], representation: Representation) -> _Features:
    vectors, norms, n_failed, space = [], [], 0, None
    for video in videos:
        space = video.embeddings.space
        n_failed += int(video.failed.sum())
        vectors.append(set_feature(video.embeddings, representation))
        norms.append(float(video.embeddings.norms.mean()) if len(video.embeddings) else -np.inf)
    if space is None:
        raise InputError("the list of pairs must name videos, it names none")
    return _Features(np.stack(vectors), np.array(norms), n_failed, space)


def set_feature(embeddings: Embeddings, representation: Representation) -> npt.NDArray[np.float64]:
    """One vector of a set, so that dot products are the similarity of two sets.

    The mean of all similarities between two sets of unit vectors is the dot product of the two
    means, so that ``pairs`` needs no more than the mean either, not scaled to length 1.

    Args:
        embeddings: Of the set; may be empty.
        representation: How sets are compared.

    Returns:
        (dim,) float64; zero for an empty set.
    """
    if not len(embeddings):
        return np.zeros(embeddings.space.dim)
    vectors = embeddings.vectors.astype(np.float64)
    if representation == "norm":
        vectors = vectors * embeddings.norms[:, None]
    mean: npt.NDArray[np.float64] = vectors.mean(axis=0)
    return mean if representation == "pairs" else mean / max(float(np.linalg.norm(mean)), 1e-12)


def _spaced(frames: list[str], most: int | None) -> list[str]:
    if most is None or len(frames) <= most:
        return frames
    return [frames[int(place)] for place in np.linspace(0, len(frames) - 1, most).round()]


def _frames_folder(root: Path) -> Path:
    found = [root / name for name in _FRAME_FOLDERS if (root / name).is_dir()]
    return found[0] if found else root


def _find_list(root: Path) -> Path:
    folder = folder_of(root)
    places = (folder, folder.parent, folder / "meta_data", folder.parent / "meta_data")
    found = first_file(places, ("splits.txt",))
    if found is None:
        raise InputError(
            f"the list of pairs must be {folder / 'splits.txt'}, or be given (--pairs)"
        )
    return found


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

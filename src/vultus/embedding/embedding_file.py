"""Embeddings in one ``.npz`` file: arrays only, no pickled objects."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.files import writing
from vultus.core.npz_file import read_npz

_FORMAT = "vultus-embeddings-1"


@dataclass(frozen=True, slots=True)
class FaceSource:
    """Where an embedding comes from.

    Attributes:
        photo: The photo's name, usually its path.
        face: Index of the face in the photo, in the detector's order.
        box_xyxy: The face's box in pixels of the photo; NaN where unknown.
        size_hw: Height and width of the photo in pixels, or None where unknown.
        score: How sure the detector was of the face, in [0, 1], or None where unknown.
    """

    photo: str
    face: int
    box_xyxy: tuple[float, ...]
    size_hw: tuple[int, int] | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingFile:
    """What a file of embeddings holds.

    Attributes:
        embeddings: (n, dim).
        sources: One per embedding.
        failed: Names of photos that were read, or could not be, and gave no embedding.
    """

    embeddings: Embeddings
    sources: tuple[FaceSource, ...]
    failed: tuple[str, ...]


def save_embeddings(
    path: str | Path,
    embeddings: Embeddings,
    *,
    sources: Sequence[FaceSource],
    failed: Sequence[str] = (),
) -> None:
    """Write embeddings and their sources; an existing file is replaced in one step.

    The file holds ``vectors`` (n, dim) float32, ``norms`` (n,) float32, ``photo`` (n,) text,
    ``face`` (n,) int32, ``boxes`` (n, 4) float32, ``space`` (JSON text) and ``format``; where known
    of every face also ``quality`` (n,) float32, ``scores`` (n,) float32 of the detector and
    ``sizes`` (n, 2) int32, the photo's height and width; and ``failed`` (m,) text.

    Args:
        path: Where to, usually ``*.npz``; used as given.
        embeddings: (n, dim).
        sources: One per embedding.
        failed: Names of photos without any embedding: no face, or not readable.

    Raises:
        InputError: If there is not one source per embedding.
        OutputError: If the file cannot be written.
    """
    path = Path(path)
    if len(sources) != len(embeddings):
        raise InputError(
            f"sources must be one per embedding, got {len(sources)} for {len(embeddings)}"
        )
    arrays: dict[str, Any] = {
        "format": np.array(_FORMAT),
        "space": np.array(json.dumps(embeddings.space.to_dict())),
        "vectors": embeddings.vectors,
        "norms": embeddings.norms,
        "photo": np.array([source.photo for source in sources], dtype=np.str_),
        "face": np.array([source.face for source in sources], np.int32),
        "boxes": np.array([source.box_xyxy for source in sources], np.float32).reshape(-1, 4),
    }
    if embeddings.quality is not None:
        arrays["quality"] = embeddings.quality
    scores = [source.score for source in sources if source.score is not None]
    sizes = [source.size_hw for source in sources if source.size_hw is not None]
    if sources and len(scores) == len(sources):
        arrays["scores"] = np.array(scores, np.float32)
    if sources and len(sizes) == len(sources):
        arrays["sizes"] = np.array(sizes, np.int32)
    if failed:
        arrays["failed"] = np.array(list(failed), dtype=np.str_)
    with writing(path, private=True) as file:
        np.savez(file, **arrays)


def load_embeddings(path: str | Path) -> tuple[Embeddings, list[FaceSource]]:
    """Read the embeddings of a file and their sources.

    Raises:
        InputError: If there is no such file or it is not of this format.
    """
    path = Path(path)
    file = read_embedding_file(path)
    return file.embeddings, list(file.sources)


def read_embedding_file(path: str | Path) -> EmbeddingFile:
    """Read all that `save_embeddings` wrote.

    Raises:
        InputError: If there is no such file or it is not of this format.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        arrays = read_npz(path)
        found = str(arrays["format"])
        if found != _FORMAT:
            raise InputError(f"{path} is of format {found}, this reads {_FORMAT}")
        space = EmbeddingSpace(**json.loads(str(arrays["space"])))
        embeddings = Embeddings(arrays["vectors"], arrays["norms"], space, arrays.get("quality"))
        sources = tuple(_sources(arrays))
        if len(sources) != len(embeddings):
            raise ValueError(f"{len(sources)} sources for {len(embeddings)} embeddings")
        failed = tuple(str(name) for name in arrays.get("failed", ()))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no file of embeddings: {error}") from None
    return EmbeddingFile(embeddings, sources, failed)


def _sources(arrays: Mapping[str, Any]) -> Iterator[FaceSource]:
    n = len(arrays["photo"])
    sizes = arrays["sizes"].tolist() if "sizes" in arrays else [None] * n
    scores = arrays["scores"].tolist() if "scores" in arrays else [None] * n
    rows = zip(
        arrays["photo"].tolist(), arrays["face"].tolist(), arrays["boxes"].tolist(), sizes, scores,
        strict=True,
    )  # fmt: skip
    for photo, face, box, size, score in rows:
        size_hw = None if size is None else (int(size[0]), int(size[1]))
        yield FaceSource(str(photo), int(face), tuple(box), size_hw, score)

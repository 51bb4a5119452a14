"""Embeddings in one ``.npz`` file: arrays only, no pickled objects."""

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError

__all__ = ["FaceSource", "load_embeddings", "save_embeddings"]

FORMAT = "vultus-embeddings-1"


@dataclass(frozen=True, slots=True)
class FaceSource:
    """Where an embedding comes from.

    Attributes:
        photo: The photo's name, usually its path.
        face: Index of the face in the photo, in the detector's order.
        box_xyxy: The face's box in pixels of the photo.
    """

    photo: str
    face: int
    box_xyxy: tuple[float, ...]


def save_embeddings(path: Path, embeddings: Embeddings, *, sources: Sequence[FaceSource]) -> None:
    """Write embeddings and their sources; an existing file is replaced in one step.

    The file holds ``vectors`` (n, dim) float32, ``norms`` (n,) float32, ``quality`` (n,) float32
    where known, ``photo`` (n,) text, ``face`` (n,) int32, ``boxes`` (n, 4) float32, ``space`` (JSON
    text) and ``format``.

    Args:
        path: Where to, usually ``*.npz``; used as given.
        embeddings: (n, dim).
        sources: One per embedding.

    Raises:
        InputError: If there is not one source per embedding, or the folder does not exist.
    """
    if len(sources) != len(embeddings):
        raise InputError(
            f"sources must be one per embedding, got {len(sources)} for {len(embeddings)}"
        )
    if not path.parent.is_dir():
        raise InputError(f"the folder of {path} must exist; make {path.parent} first")
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "space": np.array(json.dumps(embeddings.space.to_dict())),
        "vectors": embeddings.vectors,
        "norms": embeddings.norms,
        "photo": np.array([source.photo for source in sources], dtype=np.str_),
        "face": np.array([source.face for source in sources], np.int32),
        "boxes": np.array([source.box_xyxy for source in sources], np.float32).reshape(-1, 4),
    }
    if embeddings.quality is not None:
        arrays["quality"] = embeddings.quality
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_embeddings(path: Path) -> tuple[Embeddings, list[FaceSource]]:
    """Read what `save_embeddings` wrote.

    Raises:
        InputError: If there is no such file or it is not of this format.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if str(arrays["format"]) != FORMAT:
            raise InputError(f"{path} is of format {arrays['format']}, this reads {FORMAT}")
        space = EmbeddingSpace(**json.loads(str(arrays["space"])))
        embeddings = Embeddings(arrays["vectors"], arrays["norms"], space, arrays.get("quality"))
        sources = [
            FaceSource(str(photo), int(face), tuple(float(v) for v in box))
            for photo, face, box in zip(
                arrays["photo"], arrays["face"], arrays["boxes"], strict=True
            )
        ]
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no file of embeddings: {error}") from None
    return embeddings, sources

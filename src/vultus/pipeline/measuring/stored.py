"""Embeddings from a file for protocols, and protocols' embeddings into a file."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from vultus.core.choices import Selection
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, NoFaceError, SeveralFacesError
from vultus.core.faces import Faces
from vultus.embedding.embedding_file import FaceSource, read_embedding_file, save_embeddings
from vultus.evaluation.protocols.base import EmbeddedPhotos, EmbedPhotos
from vultus.evaluation.protocols.photos import Photos
from vultus.pipeline.selection import choose_face

NOWHERE = (math.nan,) * 4


class StoredEmbeddings:
    """Looks the photos of a protocol up in a file instead of embedding them.

    A photo is found by the end of its path: ``some/lfw/Ann/Ann_0001.png`` in the file is the
    protocol's ``Ann/Ann_0001.jpg``. One that the file holds without an embedding is a failure.

    Args:
        path: A file of `vultus embed` or of ``vultus evaluate --save-embeddings``. All of it is
            held in memory.
        select: Which face of a photo is meant where the file holds several.

    Attributes:
        embeddings: All of the file.

    Raises:
        InputError: If it is no such file.
    """

    def __init__(self, path: str | Path, *, select: Selection) -> None:
        path = Path(path)
        file = read_embedding_file(path)
        self.path = path
        self.embeddings = file.embeddings
        self._sources = file.sources
        self._select: Selection = select
        faces: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for row, source in enumerate(file.sources):
            faces[_parts(source.photo)].append(row)
        for name in file.failed:
            faces[_parts(name)] += []
        self._faces = dict(faces)
        self._by_depth: dict[int, dict[tuple[str, ...], list[tuple[str, ...]]]] = {}

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        """Look photos up.

        Raises:
            InputError: If the file does not hold one, or holds several of that name.
        """
        keys = [self._find(name) for name in photos.names]
        missing = [name for name, key in zip(photos.names, keys, strict=True) if key is None]
        if missing:
            raise InputError(
                f"{self.path} must hold every photo of the protocol, it lacks {len(missing):,} of "
                f"{len(keys):,}, e.g. {missing[0]}; embed them too"
            )
        rows = []
        for place, key in enumerate(keys):
            box = None if photos.boxes is None else photos.boxes[place]
            rows.append(self._chosen(self._faces[key], box) if key is not None else None)
        kept = np.array([row for row in rows if row is not None], np.int64)
        scores = [self._sources[row].score for row in kept]
        known = [score for score in scores if score is not None]
        return EmbeddedPhotos(
            self.embeddings[kept],
            np.array([row is None for row in rows], np.bool_),
            np.array(known, np.float32) if len(known) == len(kept) else None,
        )

    def _find(self, name: str) -> tuple[str, ...] | None:
        wanted = _parts(name)
        if len(wanted) not in self._by_depth:
            tails: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
            for key in self._faces:
                tails[key[-len(wanted) :]].append(key)
            self._by_depth[len(wanted)] = tails
        found = self._by_depth[len(wanted)].get(wanted, [])
        if len(found) > 1:
            raise InputError(
                f"the protocol names {name}, and {self.path} has several: "
                f"{', '.join('/'.join(key) for key in found[:3])}; store one of them only"
            )
        return found[0] if found else None

    def _chosen(self, rows: Sequence[int], box: npt.NDArray[np.float32] | None) -> int | None:
        if len(rows) == 1 and (box is None or math.isnan(self._sources[rows[0]].box_xyxy[0])):
            return rows[0]
        sources = [self._sources[row] for row in rows]
        photo = sources[0].photo if sources else ""
        boxes = np.array([source.box_xyxy for source in sources], np.float32).reshape(-1, 4)
        n = len(sources)
        faces = Faces(boxes, np.zeros((n, 5, 2), np.float32), np.zeros(n, np.float32))
        size = sources[0].size_hw if sources else None
        if n and size is None and self._select == "central":
            raise InputError(
                f"{self.path} holds {n} faces of {photo} and not the photo's size, so that the "
                "central one is unknown; say --select largest or only"
            )
        size_hw = (math.inf, math.inf) if size is None else size
        try:
            return rows[choose_face(faces, size_hw, select=self._select, box=box, name=photo)]
        except (NoFaceError, SeveralFacesError):
            return None


class RecordedEmbeddings:
    """Embeds as another callable does, and keeps all that it gave, to be saved.

    Args:
        embed: The other.
    """

    def __init__(self, embed: EmbedPhotos) -> None:
        self._embed = embed
        self._names: list[str] = []
        self._failed: list[str] = []
        self._scores: list[float | None] = []
        self._parts: list[Embeddings] = []

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        """Embed and keep."""
        embedded = self._embed(photos, aligned=aligned)
        for name, failed in zip(photos.names, embedded.failed.tolist(), strict=True):
            (self._failed if failed else self._names).append(name)
        scores = embedded.detector_scores
        self._scores += [None] * len(embedded.embeddings) if scores is None else scores.tolist()
        self._parts.append(embedded.embeddings)
        return embedded

    def save(self, path: str | Path) -> None:
        """Write everything to a file that `StoredEmbeddings` reads.

        Raises:
            InputError: If nothing was embedded, or the folder does not exist.
        """
        path = Path(path)
        sources = [
            FaceSource(name, 0, NOWHERE, None, score)
            for name, score in zip(self._names, self._scores, strict=True)
        ]
        save_embeddings(
            path, Embeddings.concatenate(self._parts), sources=sources, failed=self._failed
        )


def _parts(name: str) -> tuple[str, ...]:
    """The path without its ending, which the protocol's lists and the files may differ in."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_suffix("").parts

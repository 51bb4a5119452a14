"""One kept photo of a person: its vector, and what is known about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError, InputError
from vultus.matching.fusion import Fusion, fuse


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """The file that a photo came from.

    Attributes:
        label: Its path, or what else it is called.
        sha256: Of its bytes, in hexadecimal, or None.
    """

    label: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StoredFace:
    """What is kept of a photo.

    Attributes:
        vector: (dim,) float32 of length 1.
        norm: Length of the network's output.
        quality: In [0, 1], or None.
        source: Where the photo came from, or None.
        enrolled_at: ISO 8601, UTC.
        enrolled_by: Who enrolled it, or None.
        forced: Whether it was taken in although it is unlike the person's other photos.
        occlusion: The guess that something covered the face, in [0, 1]; None where it is not
            known, as of photos that were enrolled before it was kept.
        trust: The score of the model's trust head, in [0, 1]; None likewise.
        sha256: Of the bytes of the file that the photo came from, or None.
    """

    vector: npt.NDArray[np.float32]
    norm: float
    quality: float | None
    source: str | None
    enrolled_at: str
    enrolled_by: str | None = None
    forced: bool = False
    occlusion: float | None = None
    trust: float | None = None
    sha256: str | None = None

    def to_bytes(self) -> bytes:
        """As it is sealed: the vector, then the rest as JSON."""
        return vector_bytes(self.vector) + json.dumps(self.facts()).encode()

    def facts(self) -> dict[str, Any]:
        """All but the vector, fit for JSON."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "vector"}

    @classmethod
    def from_bytes(cls, data: bytes, *, dim: int) -> "StoredFace":
        """What `to_bytes` gave.

        Raises:
            GalleryError: If it was written by a later version.
        """
        try:
            return cls(read_vector(data[: 4 * dim], dim=dim), **json.loads(data[4 * dim :]))
        except (TypeError, ValueError) as error:
            raise GalleryError(
                f"a photo of a person cannot be read ({error}); it was written by a later version "
                "of Vultus"
            ) from error


def vector_bytes(vector: npt.NDArray[np.float32]) -> bytes:
    """Little-endian float32, whatever the machine."""
    return vector.astype("<f4").tobytes()


def read_vector(data: bytes, *, dim: int) -> npt.NDArray[np.float32]:
    """(dim,) float32 from `vector_bytes`.

    Raises:
        ValueError: If it has another length.
    """
    return np.frombuffer(data, "<f4").reshape(dim).astype(np.float32)


def to_faces(
    embeddings: Embeddings, sources: Sequence[str | PhotoFile] | None, *, when: str, by: str | None
) -> list[StoredFace]:
    """Embeddings as they are kept.

    Args:
        embeddings: One row per photo.
        sources: A label per photo, or None.
        when: ISO 8601, UTC.
        by: Who enrols them.

    Raises:
        InputError: If ``sources`` has another length.
    """
    given = [None] * len(embeddings) if sources is None else list(sources)
    files = [PhotoFile(source) if isinstance(source, str) else source for source in given]
    labels = [None if file is None else file.label for file in files]
    if len(labels) != len(embeddings):
        raise InputError(
            f"sources must have one label per photo, got {len(labels)} for {len(embeddings)}"
        )
    quality = embeddings.quality
    return [
        StoredFace(
            vector,
            float(embeddings.norms[i]),
            None if quality is None else float(quality[i]),
            # A file name need not be valid text; JSON's must be.
            None if label is None else label.encode("utf-8", "backslashreplace").decode(),
            when,
            by,
            occlusion=None if embeddings.occlusion is None else float(embeddings.occlusion[i]),
            trust=None if embeddings.trust is None else float(embeddings.trust[i]),
            sha256=None if file is None else file.sha256,
        )
        for i, (vector, label, file) in enumerate(
            zip(embeddings.vectors, labels, files, strict=True)
        )
    ]


def to_embeddings(faces: Sequence[StoredFace], space: EmbeddingSpace) -> Embeddings:
    """Photos as embeddings; quality only if every one has it.

    Raises:
        InputError: If one does not hold a unit vector of this space.
    """
    if not faces:
        return Embeddings.empty(space)
    quality = [face.quality for face in faces if face.quality is not None]
    return Embeddings(
        np.stack([face.vector for face in faces]),
        np.array([face.norm for face in faces], np.float32),
        space,
        np.array(quality, np.float32) if len(quality) == len(faces) else None,
    )


def least_similarity(faces: Sequence[StoredFace], outlier_similarity: float) -> float | None:
    """What photos of one person must have in common; None where some were forced in.

    Those would outvote, or be outvoted by, all that come after them.

    Args:
        faces: Of the person.
        outlier_similarity: The gallery's.
    """
    return None if any(face.forced for face in faces) else outlier_similarity


@dataclass(frozen=True, slots=True)
class PhotoRule:
    """What photos of one person must be like.

    Attributes:
        space: Of the vectors.
        outlier_similarity: In [-1, 1]; two photos less alike than this are not of one person.
    """

    space: EmbeddingSpace
    outlier_similarity: float

    def fused(self, identity: str, faces: Sequence[StoredFace]) -> npt.NDArray[np.float32]:
        """(dim,) float32, the template of a person's photos.

        Raises:
            InputError: If the photos disagree, or one does not hold a unit vector of this space.
        """
        return self._fusion(identity, faces).template.vector

    def taken(self, identity: str, faces: Sequence[StoredFace]) -> list[StoredFace]:
        """The photos; as if they had been forced in, if not all of them can be used otherwise."""
        try:
            if not self._fusion(identity, faces).refused:
                return list(faces)
        except InputError:
            pass
        return [replace(face, forced=True) for face in faces]

    def _fusion(self, identity: str, faces: Sequence[StoredFace]) -> Fusion:
        least = least_similarity(faces, self.outlier_similarity)
        photos = to_embeddings(faces, self.space)
        return fuse(photos, identity=identity, outlier_similarity=least)

"""Embeddings, the space that they live in, and the fused template of a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_unit_rows
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.core.rows import Rows, freeze_arrays


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """What makes embeddings comparable: two spaces are the same only if all four fields are.

    Attributes:
        model: Name of the model, e.g. ``"mobilefacenet-y1"``.
        weights_sha256: SHA-256 of the weights file, 64 hex digits.
        preprocessing: What happens between photo and network, in one canonical line, e.g.
            ``"arcface-112 rgb (x-127.5)/128 flip=add"``.
        dim: Length of a vector.
    """

    model: str
    weights_sha256: str
    preprocessing: str
    dim: int

    def __post_init__(self) -> None:
        check_positive_int("dim", self.dim)
        digest = self.weights_sha256
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise InputError(f"weights_sha256 must be 64 lower-case hex digits, got {digest!r}")

    def __str__(self) -> str:
        return f"{self.model} ({self.weights_sha256[:12]}, {self.preprocessing}, {self.dim}-d)"

    def to_dict(self) -> dict[str, Any]:
        """The four fields, fit for JSON."""
        return {
            "model": self.model,
            "weights_sha256": self.weights_sha256,
            "preprocessing": self.preprocessing,
            "dim": self.dim,
        }


def check_same_space(a: EmbeddingSpace, b: EmbeddingSpace) -> None:
    """Raise unless both spaces are the same.

    Raises:
        SpaceMismatchError: If any field differs; the message names the fields.
    """
    if a == b:
        return
    differing = [name for name, value in a.to_dict().items() if value != b.to_dict()[name]]
    raise SpaceMismatchError(
        f"embeddings of different spaces cannot be compared (different {', '.join(differing)}): "
        f"{a} against {b}; embed both with the same model and settings"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings(Rows):
    """Unit vectors of faces, with what is known about each.

    Attributes:
        vectors: (n, dim) float32, rows of Euclidean length 1.
        norms: (n,) float32, the length before normalising; for many losses a sign of quality.
        space: The embedding space.
        quality: (n,) float32 in [0, 1], or None where nobody measured it.
        occlusion: (n,) float32 in [0, 1], the guess that something covers the face, or None.
        trust: (n,) float32 in [0, 1], the score of the model's trust head, or None.

    Raises:
        InputError: If dtypes or shapes do not match, or rows are not of unit length.
    """

    vectors: npt.NDArray[np.float32]
    norms: npt.NDArray[np.float32]
    space: EmbeddingSpace
    quality: npt.NDArray[np.float32] | None = None
    occlusion: npt.NDArray[np.float32] | None = None
    trust: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        check_array("vectors", self.vectors, dtype=np.float32, shape=("n", self.space.dim))
        check_array("norms", self.norms, dtype=np.float32, shape=(len(self.vectors),))
        check_unit_rows("vectors", self.vectors)
        for name in ("quality", "occlusion", "trust"):
            if (measured := getattr(self, name)) is not None:
                check_array(name, measured, dtype=np.float32, shape=(len(self.vectors),))
        freeze_arrays(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """``np.asarray(embeddings)`` is ``vectors``."""
        return np.array(self.vectors, dtype, copy=copy)

    @classmethod
    def from_raw(
        cls,
        raw: npt.NDArray[np.floating[Any]],
        space: EmbeddingSpace,
        *,
        quality: npt.NDArray[np.float32] | None = None,
    ) -> "Embeddings":
        """Normalise network outputs.

        Args:
            raw: (n, dim) floating, as the network gave them.
            space: Their space.
            quality: (n,) float32 in [0, 1], or None.

        Raises:
            InputError: If a row is zero or not finite (it has no direction).
        """
        raw64 = np.asarray(raw, np.float64)
        norms = np.linalg.norm(raw64, axis=-1)
        if raw64.ndim != 2 or not np.isfinite(norms).all() or (norms == 0).any():
            bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0)).tolist()
            raise InputError(
                f"raw embeddings must be (n, dim) with finite rows of non-zero length, "
                f"got shape {raw64.shape}, bad rows {bad[:10]}"
            )
        vectors = (raw64 / norms[:, None]).astype(np.float32)
        return cls(vectors, norms.astype(np.float32), space, quality)

    @classmethod
    def empty(cls, space: EmbeddingSpace) -> "Embeddings":
        """No embedding at all."""
        return cls(np.zeros((0, space.dim), np.float32), np.zeros(0, np.float32), space)

    @classmethod
    def _check_alike(cls, parts: Sequence[Self]) -> None:
        for part in parts[1:]:
            check_same_space(parts[0].space, part.space)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One person as one vector, fused from one or more photos.

    Attributes:
        vector: (dim,) float32 of length 1.
        space: The embedding space.
        identity: Who it is.
        n_images: How many photos went in.
    """

    vector: npt.NDArray[np.float32]
    space: EmbeddingSpace
    identity: str
    n_images: int

    def __post_init__(self) -> None:
        check_array("vector", self.vector, dtype=np.float32, shape=(self.space.dim,))
        check_positive_int("n_images", self.n_images)
        check_unit_rows("vector", self.vector[None])
        freeze_arrays(self)


@dataclass(frozen=True, slots=True, eq=False)
class TemplateSet:
    """Enrolled people as one matrix, in the order of enrolment.

    Attributes:
        vectors: (n, dim) float32, rows of length 1.
        identities: n names, each once.
        space: The embedding space.
    """

    vectors: npt.NDArray[np.float32]
    identities: tuple[str, ...]
    space: EmbeddingSpace

    def __post_init__(self) -> None:
        shape = (len(self.identities), self.space.dim)
        check_array("vectors", self.vectors, dtype=np.float32, shape=shape)
        check_unit_rows("vectors", self.vectors)
        if len(set(self.identities)) != len(self.identities):
            repeated = next(x for x in self.identities if self.identities.count(x) > 1)
            raise InputError(
                f"identities must each occur once, got {repeated!r} twice; fuse them first"
            )
        freeze_arrays(self)

    @classmethod
    def from_templates(cls, templates: Sequence[Template]) -> "TemplateSet":
        """Stack templates of one space.

        Raises:
            InputError: If there is none (no space is known then) or a name occurs twice.
            SpaceMismatchError: If the spaces differ.
        """
        if not templates:
            raise InputError("from_templates needs at least one template, got none")
        for template in templates[1:]:
            check_same_space(templates[0].space, template.space)
        return cls(
            np.stack([template.vector for template in templates]),
            tuple(template.identity for template in templates),
            templates[0].space,
        )

    def __len__(self) -> int:
        return len(self.identities)

"""Several photos of one person as one template, with photos of somebody else refused."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_range
from vultus.core.embeddings import Embeddings, Template
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """One person's photos, fused.

    Attributes:
        template: The fused vector; ``n_images`` counts the photos that were used.
        weights: (n,) float32, sums to 1; 0 for a refused photo.
        reasons: Why each photo was refused; an empty tuple where it was used.
    """

    template: Template
    weights: npt.NDArray[np.float32]
    reasons: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        check_array("weights", self.weights, dtype=np.float32, shape=(len(self.reasons),))
        freeze_arrays(self)

    @property
    def refused(self) -> tuple[int, ...]:
        """Indices of the refused photos, ascending."""
        return tuple(i for i, reasons in enumerate(self.reasons) if reasons)


def chance_similarity(dim: int) -> float:
    """Three standard deviations of the cosine of two random directions: ``3 / sqrt(dim)``.

    A floor for "these photos may show one person" that needs no calibration: photos less alike
    than this are as unlike as vectors drawn blindly (about 0.13 % of those reach it). It says
    nothing about an error rate on faces; a calibrated threshold is the better choice.

    Args:
        dim: Length of a vector, at least 1.

    Raises:
        InputError: If ``dim`` is no positive integer.
    """
    return min(1.0, 3 / math.sqrt(check_positive_int("dim", dim)))


def fuse(embeddings: Embeddings, *, identity: str, outlier_similarity: float | None) -> Fusion:
    """Fuse the photos of one person into one template, refusing photos of somebody else.

    Weights are the qualities, or the norms where no quality was measured. With
    ``outlier_similarity`` t, two photos *agree* when their similarity is at least t. The core is
    the photo that agrees with most others, and those others; a photo is used when it agrees with
    at least half of the (other) core. The used photos must be a strict majority: two photos that
    disagree cannot outvote each other, and nor can two and two.

    Args:
        embeddings: One row per photo, at least one.
        identity: Who it is.
        outlier_similarity: t in [-1, 1]; None uses every photo, whatever it shows.

    Returns:
        The template, the weight of each photo, and why photos were refused. The result does not
        depend on the order of the photos (but for ties).

    Raises:
        InputError: If there is no photo, a quality is negative, no majority of the photos agrees,
            or the photos cancel each other out.
    """
    if not len(embeddings):
        raise InputError(f"fusing {identity!r} needs at least one photo, got none")
    if outlier_similarity is None:
        used = np.ones(len(embeddings), np.bool_)
    else:
        t = check_range("outlier_similarity", outlier_similarity, low=-1, high=1)
        used = _consensus(embeddings, identity, t)
    weights = _weights(embeddings, used)
    centre = weights @ embeddings.vectors.astype(np.float64)
    length = float(np.linalg.norm(centre))
    if length < 1e-6:
        raise InputError(f"the photos of {identity!r} cancel each other out; they have no mean")
    template = Template(
        (centre / length).astype(np.float32), embeddings.space, identity, int(used.sum())
    )
    reason = f"differs from the other photos of {identity!r}"
    if outlier_similarity is not None:
        reason += f" (similarity below {outlier_similarity:.4f})"
    reasons = tuple(() if use else (reason,) for use in used)
    return Fusion(template, weights.astype(np.float32), reasons)


def fuse_rows(embeddings: Embeddings, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """As `fuse` without refusing any, for many people at once.

    Args:
        embeddings: One face a row.
        chosen: (n, k) rows of the k photos of each.

    Returns:
        (n, dim) float32, the vector of each template.

    Raises:
        InputError: If a quality is negative, or photos cancel each other out.
    """
    measured = embeddings.norms if embeddings.quality is None else embeddings.quality
    weights = measured[chosen].astype(np.float64)
    if weights.size and weights.min() < 0:
        raise InputError(f"quality must not be negative, got {float(weights.min()):g}")
    weights[weights.sum(axis=1) == 0] = 1.0
    weights /= weights.sum(axis=1, keepdims=True)
    centres = np.einsum("nk,nkd->nd", weights, embeddings.vectors[chosen].astype(np.float64))
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        raise InputError("photos of somebody cancel each other out; they have no mean")
    return np.asarray(centres / lengths, np.float32)


def _consensus(embeddings: Embeddings, identity: str, t: float) -> npt.NDArray[np.bool_]:
    vectors = embeddings.vectors.astype(np.float64)
    # Rounded, so that the order of summation (hence of the photos) decides nothing.
    similarity = np.round(vectors @ vectors.T, 9)
    np.fill_diagonal(similarity, 1.0)
    agrees = similarity >= t
    totals = np.round(similarity.sum(axis=1), 6)
    medoid = int(np.lexsort((-totals, -agrees.sum(axis=1)))[0])
    core = agrees[medoid]
    others = core.sum() - core  # a photo does not vote for itself
    votes = (agrees & core).sum(axis=1) - core
    used = np.asarray(2 * votes >= others, np.bool_)
    if 2 * int(used.sum()) <= len(used):
        raise InputError(
            f"the {len(used)} photos of {identity!r} disagree: the largest group that is alike "
            f"(similarity at least {t:.4f}) has {int(used.sum())}, and it must be a majority. They "
            "show different people, or faces too poor to compare; give more photos, or better ones"
        )
    return used


def _weights(embeddings: Embeddings, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    measured = embeddings.norms if embeddings.quality is None else embeddings.quality
    if measured.min() < 0:
        raise InputError(f"quality must not be negative, got {float(measured.min()):g}")
    weights = np.where(used, measured, 0).astype(np.float64)
    total = weights.sum()
    # All of them worthless: then none is worth more than another.
    return np.asarray(weights / total if total > 0 else used / used.sum(), np.float64)

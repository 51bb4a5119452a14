"""Copies of images: one picture encoded twice, brightened, shrunk or mirrored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.curation.audit.audited_set import AuditedSet
from vultus.curation.audit.features import Bytes, correlations, has_pattern, thumbnail
from vultus.curation.audit.findings import Finding
from vultus.curation.audit.identity_groups import IdentityGroups
from vultus.curation.audit.similar_pairs import Floats, Ints, pairs_above
from vultus.data.decode import decode_image
from vultus.image.encode import encoded

_QUANTILE = 0.02
_LEAST_SIMILARITY = 0.5
_LEAST_CORRELATION = 0.9

_Alive = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CopyRule:
    """Two images are copies of one picture when both hold.

    Attributes:
        similarity: Least cosine of the embeddings.
        correlation: Least correlation of the thumbnails.
        n_images: How many images it was measured on.
    """

    similarity: float
    correlation: float
    n_images: int

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "similarity": self.similarity,
            "correlation": self.correlation,
            "n_images": self.n_images,
        }


@dataclass(frozen=True, slots=True, eq=False)
class CopyPairs:
    """Pairs of rows that are copies of one picture.

    Attributes:
        rows: (p,) int64, one of each.
        columns: (p,) int64, the other.
        correlations: (p,) float32, of their thumbnails.
    """

    rows: Ints
    columns: Ints
    correlations: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, mask: npt.NDArray[np.bool_]) -> "CopyPairs":
        """Those that the (p,) mask marks."""
        return CopyPairs(self.rows[mask], self.columns[mask], self.correlations[mask])


def measure_copy_rule(
    images: Sequence[Image], *, embed: Callable[[Sequence[Image]], Embeddings]
) -> CopyRule:
    """Find out how alike copies are, from images of the data set itself.

    Each image is encoded as JPEG at quality 50, shrunk to half and back, made brighter with more
    contrast, shifted by a pixel, and cut by two pixels all around. 98 % of the copies of each of
    these kinds pass the rule. Images of one colour are left out, as their copies have no pattern.

    Args:
        images: A sample, (h, w, 3) uint8 RGB each, all of one size.
        embed: Makes their embeddings.

    Raises:
        InputError: If there is no image.
    """
    if not images:
        raise InputError("images must be at least one, got none")
    patterned = [image for image in images if has_pattern(thumbnail(image))]
    images = patterned if patterned else images
    originals = embed(images).vectors
    thumbnails = np.stack([thumbnail(image) for image in images])
    similarity = correlation = 1.0
    for alter in _ALTERATIONS:
        copies = [alter(image) for image in images]
        cosines = np.einsum("nd,nd->n", originals, embed(copies).vectors)
        patterns = correlations(np.stack([thumbnail(copy) for copy in copies]), thumbnails)
        similarity = min(similarity, float(np.quantile(cosines, _QUANTILE)))
        correlation = min(correlation, float(np.quantile(patterns, _QUANTILE)))
    return CopyRule(
        max(similarity, _LEAST_SIMILARITY), max(correlation, _LEAST_CORRELATION), len(images)
    )


def copy_pairs(
    vectors: Floats,
    thumbnails: Bytes,
    rule: CopyRule,
    *,
    others: tuple[Floats, Bytes] | None = None,
) -> CopyPairs:
    """All pairs of rows that the rule takes for copies.

    Args:
        vectors: (n, d) float32, unit rows.
        thumbnails: (n, 256) uint8.
        rule: What a copy is.
        others: Vectors and thumbnails to pair with; None pairs the rows with each other.
    """
    right = (vectors, thumbnails) if others is None else others
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    patterns = [np.zeros(0, np.float32)]
    found = pairs_above(vectors, rule.similarity, others=None if others is None else others[0])
    for a, b, _ in found:
        pattern = correlations(thumbnails[a], right[1][b])
        alike = pattern >= rule.correlation
        rows.append(a[alike])
        columns.append(b[alike])
        patterns.append(pattern[alike])
    return CopyPairs(np.concatenate(rows), np.concatenate(columns), np.concatenate(patterns))


def keep_best(pairs: CopyPairs, preference: Sequence[Any]) -> dict[int, tuple[int, float]]:
    """Choose which copies to keep.

    Going from the most to the least preferred row, a row is left out if it is a copy of one that
    was kept. So nothing is left out that is no copy of something that stays.

    Args:
        pairs: Of rows with each other.
        preference: Sort key of each row; the highest is kept first, equal ones in their order.

    Returns:
        For each row that is left out: the row that stays, and the correlation with it.
    """
    partners: dict[int, list[tuple[int, float]]] = {}
    for a, b, pattern in zip(
        pairs.rows.tolist(), pairs.columns.tolist(), pairs.correlations.tolist(), strict=True
    ):
        partners.setdefault(a, []).append((b, pattern))
        partners.setdefault(b, []).append((a, pattern))
    left_out: dict[int, tuple[int, float]] = {}
    for row in sorted(sorted(partners), key=lambda row: preference[row], reverse=True):
        if row not in left_out:
            for other, pattern in partners[row]:
                left_out.setdefault(other, (row, pattern))
    return left_out


def _jpeg(image: Image) -> Image:
    return decode_image(encoded(image, ".jpg", quality=50))


def _half(image: Image) -> Image:
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _brighter(image: Image) -> Image:
    return np.asarray(cv2.convertScaleAbs(image, alpha=1.1, beta=8), np.uint8)


def _shifted(image: Image) -> Image:
    return np.concatenate([image[:, :1], image[:, :-1]], axis=1)


def _cropped(image: Image) -> Image:
    height, width = image.shape[:2]
    inner = image[2:-2, 2:-2]
    return np.asarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


_ALTERATIONS: tuple[Callable[[Image], Image], ...] = (_jpeg, _half, _brighter, _shifted, _cropped)


def find_copies(audited: AuditedSet, rule: CopyRule) -> CopyPairs:
    """All pairs of rows that are copies; of equal files each with the first of them at least."""
    near = copy_pairs(audited.vectors, audited.features.thumbnails, rule)
    equal = _equal_files(audited.features.digests)
    rows, columns = np.array(equal, np.int64).reshape(-1, 2).T
    return CopyPairs(
        np.concatenate([near.rows, rows]),
        np.concatenate([near.columns, columns]),
        np.concatenate([near.correlations, np.ones(len(rows), np.float32)]),
    )


def copies_within(audited: AuditedSet, pairs: CopyPairs) -> tuple[list[Finding], _Alive]:
    """Copies within one identity, or among the images of nobody known.

    The one with the longest embedding stays, of equal files the first.

    Returns:
        The findings, and a (m,) mask of the rows that stay.
    """
    labels = audited.labels
    same = pairs.chosen(labels[pairs.rows] == labels[pairs.columns])
    left_out = keep_best(same, audited.norms.tolist())
    alive = np.ones(len(labels), np.bool_)
    alive[list(left_out)] = False
    return [_finding(audited, row, kept, r) for row, (kept, r) in sorted(left_out.items())], alive


def copies_across(
    audited: AuditedSet, pairs: CopyPairs, groups: IdentityGroups, alive: _Alive
) -> list[Finding]:
    """Copies in different identities: the one that is most like its own identity stays.

    A picture shows one person, so all others are labelled wrongly or belong to identities that are
    one.

    Args:
        audited: The data set.
        pairs: Of copies.
        groups: Of the rows.
        alive: (m,) bool, rows to look at.
    """
    labels = audited.labels
    across = pairs.chosen(
        (labels[pairs.rows] != labels[pairs.columns]) & alive[pairs.rows] & alive[pairs.columns]
    )
    own = np.where(np.isnan(groups.own), -1, groups.own)
    preference = list(zip((labels >= 0).tolist(), own.tolist(), strict=True))
    left_out = keep_best(across, preference)
    return [_finding(audited, row, kept, r) for row, (kept, r) in sorted(left_out.items())]


def _equal_files(digests: tuple[bytes, ...]) -> list[tuple[int, int]]:
    first: dict[bytes, int] = {}
    pairs = []
    for row, digest in enumerate(digests):
        if first.setdefault(digest, row) != row:
            pairs.append((first[digest], row))
    return pairs


def _finding(audited: AuditedSet, row: int, kept: int, correlation: float) -> Finding:
    digests = audited.features.digests
    equal = digests[row] == digests[kept]
    similarity = float(audited.vectors[row] @ audited.vectors[kept])
    what = "the same file as" if equal else "a copy of"
    numbers = "" if equal else f" (cosine {similarity:.3f}, thumbnails {correlation:.3f})"
    mine, theirs = audited.identity(row), audited.identity(kept)
    where = "" if mine == theirs else f", which is {theirs or 'without identity'}"
    return Finding(
        kind="duplicate" if equal else "near_duplicate",
        action="drop",
        score=1.0 if equal else correlation,
        identity=mine,
        images=(audited.name(row),),
        evidence=(audited.name(kept),),
        reason=f"{what} {audited.name(kept)}{where}{numbers}",
    )

"""Findings about copies: within an identity, and across identities."""

import numpy as np
import numpy.typing as npt

from vultus.curation.copies import CopyPairs, CopyRule, copy_pairs, keep_best
from vultus.curation.findings import Finding
from vultus.curation.identity_groups import IdentityGroups
from vultus.curation.subject import Subject

__all__ = ["copies_across", "copies_within", "find_copies"]

Alive = npt.NDArray[np.bool_]


def find_copies(subject: Subject, rule: CopyRule) -> CopyPairs:
    """All pairs of rows that are copies; of equal files each with the first of them at least."""
    near = copy_pairs(subject.vectors, subject.features.thumbnails, rule)
    equal = _equal_files(subject.features.digests)
    rows, columns = np.array(equal, np.int64).reshape(-1, 2).T
    return CopyPairs(
        np.concatenate([near.rows, rows]),
        np.concatenate([near.columns, columns]),
        np.concatenate([near.correlations, np.ones(len(rows), np.float32)]),
    )


def copies_within(subject: Subject, pairs: CopyPairs) -> tuple[list[Finding], Alive]:
    """Copies within one identity, or among the images of nobody known.

    The one with the longest embedding stays, of equal files the first.

    Returns:
        The findings, and a (m,) mask of the rows that stay.
    """
    labels = subject.labels
    same = pairs.chosen(labels[pairs.rows] == labels[pairs.columns])
    left_out = keep_best(same, subject.norms.tolist())
    alive = np.ones(len(labels), np.bool_)
    alive[list(left_out)] = False
    return [_finding(subject, row, kept, r) for row, (kept, r) in sorted(left_out.items())], alive


def copies_across(
    subject: Subject, pairs: CopyPairs, groups: IdentityGroups, alive: Alive
) -> list[Finding]:
    """Copies in different identities: the one that is most like its own identity stays.

    A picture shows one person, so all others are labelled wrongly or belong to identities that are
    one.

    Args:
        subject: The data set.
        pairs: Of copies.
        groups: Of the rows.
        alive: (m,) bool, rows to look at.
    """
    labels = subject.labels
    across = pairs.chosen(
        (labels[pairs.rows] != labels[pairs.columns]) & alive[pairs.rows] & alive[pairs.columns]
    )
    own = np.where(np.isnan(groups.own), -1, groups.own)
    preference = list(zip((labels >= 0).tolist(), own.tolist(), strict=True))
    left_out = keep_best(across, preference)
    return [_finding(subject, row, kept, r) for row, (kept, r) in sorted(left_out.items())]


def _equal_files(digests: tuple[bytes, ...]) -> list[tuple[int, int]]:
    first: dict[bytes, int] = {}
    pairs = []
    for row, digest in enumerate(digests):
        if first.setdefault(digest, row) != row:
            pairs.append((first[digest], row))
    return pairs


def _finding(subject: Subject, row: int, kept: int, correlation: float) -> Finding:
    digests = subject.features.digests
    equal = digests[row] == digests[kept]
    similarity = float(subject.vectors[row] @ subject.vectors[kept])
    what = "the same file as" if equal else "a copy of"
    numbers = "" if equal else f" (cosine {similarity:.3f}, thumbnails {correlation:.3f})"
    mine, theirs = subject.identity(row), subject.identity(kept)
    where = "" if mine == theirs else f", which is {theirs or 'without identity'}"
    return Finding(
        kind="duplicate" if equal else "near_duplicate",
        action="drop",
        score=1.0 if equal else correlation,
        identity=mine,
        images=(subject.name(row),),
        evidence=(subject.name(kept),),
        reason=f"{what} {subject.name(kept)}{where}{numbers}",
    )

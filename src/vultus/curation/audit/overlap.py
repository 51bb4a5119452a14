"""Findings about another data set, one to evaluate on: the same pictures, the same people."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.thresholds import ThresholdTable
from vultus.curation.audit.audit_thresholds import audit_thresholds
from vultus.curation.audit.audited_set import AuditedSet
from vultus.curation.audit.copies import CopyRule, copy_pairs
from vultus.curation.audit.findings import Finding
from vultus.curation.audit.identity_groups import IdentityGroups, alike_identities, group_identities
from vultus.curation.audit.similar_pairs import Ints, best_others


@dataclass(frozen=True, slots=True)
class OverlapRules:
    """What counts as the same.

    Attributes:
        copy: Two images are one picture.
        table: The model's thresholds; people are compared at the FPIR among those of the other set.
        fpir: That FPIR.
        ratio: See `vultus.curation.audit.identity_groups.alike_identities`.
    """

    copy: CopyRule
    table: ThresholdTable
    fpir: float
    ratio: float


def find_overlap(
    audited: AuditedSet,
    groups: IdentityGroups,
    other: AuditedSet,
    rules: OverlapRules,
    *,
    alive: npt.NDArray[np.bool_],
) -> list[Finding]:
    """Pictures and people of a data set that are in another one too; the proposal is to drop them.

    Args:
        audited: The data set under audit.
        groups: Of its rows.
        other: The other data set. Each of its images without identity counts as a person.
        rules: What counts as the same.
        alive: (m,) bool, rows to look at.
    """
    copies = _copies(audited, other, rules.copy, alive)
    labels, n_people = _people(other)
    thresholds = audit_thresholds(rules.table, n_identities=n_people, fpir=rules.fpir)
    theirs = group_identities(
        other.features.embeddings, labels, n_identities=n_people, threshold=thresholds.same
    )
    match = thresholds.match.similarity
    found = _identities(audited, groups, other, theirs, match=match, ratio=rules.ratio)
    return copies + found + _unknown(audited, other, theirs, match=match, alive=alive)


def _identities(
    audited: AuditedSet,
    groups: IdentityGroups,
    other: AuditedSet,
    theirs: IdentityGroups,
    *,
    match: float,
    ratio: float,
) -> list[Finding]:
    pairs = alike_identities(
        audited.vectors, groups, threshold=match, ratio=ratio, others=(other.vectors, theirs)
    )
    return [
        Finding(
            kind="overlap_person",
            action="drop",
            score=pair.similarity,
            identity=audited.dataset.identities[pair.first],
            images=None,
            evidence=(
                *audited.examples(groups, pair.first),
                *other.examples(theirs, pair.second),
            ),
            reason=f"cosine {pair.similarity:.3f} to a person of {other.prefix}; "
            f"as alike across as within, times {pair.ratio:.2f}",
        )
        for pair in {pair.first: pair for pair in reversed(pairs)}.values()  # the best of each
    ]


def _unknown(
    audited: AuditedSet,
    other: AuditedSet,
    theirs: IdentityGroups,
    *,
    match: float,
    alive: npt.NDArray[np.bool_],
) -> list[Finding]:
    """Images without identity that show a person of the other set."""
    rows = np.flatnonzero(alive & (audited.labels < 0))
    best = best_others(audited.vectors[rows], theirs.centres, own=np.full(len(rows), -1))
    return [
        Finding(
            kind="overlap_person",
            action="drop",
            score=similarity,
            identity=None,
            images=(audited.name(row),),
            evidence=other.examples(theirs, label),
            reason=f"cosine {similarity:.3f} to a person of {other.prefix}",
        )
        for row, label, similarity in zip(
            rows.tolist(), best.labels.tolist(), best.similarities.tolist(), strict=True
        )
        if similarity >= match
    ]


def _copies(
    audited: AuditedSet, other: AuditedSet, rule: CopyRule, alive: npt.NDArray[np.bool_]
) -> list[Finding]:
    pairs = copy_pairs(
        audited.vectors,
        audited.features.thumbnails,
        rule,
        others=(other.vectors, other.features.thumbnails),
    )
    best: dict[int, tuple[float, int]] = {}
    first_of = {digest: row for row, digest in reversed(list(enumerate(other.features.digests)))}
    for row, digest in enumerate(audited.features.digests):
        if digest in first_of:
            best[row] = (2.0, first_of[digest])
    for row, column, pattern in zip(
        pairs.rows.tolist(), pairs.columns.tolist(), pairs.correlations.tolist(), strict=True
    ):
        best[row] = max(best.get(row, (-1.0, -1)), (pattern, column))
    return [
        Finding(
            kind="overlap_copy",
            action="drop",
            score=min(pattern, 1.0),
            identity=audited.identity(row),
            images=(audited.name(row),),
            evidence=(other.name(column),),
            reason=f"{'the same file as' if pattern > 1 else 'a copy of'} {other.name(column)}",
        )
        for row, (pattern, column) in sorted(best.items())
        if alive[row]
    ]


def _people(other: AuditedSet) -> tuple[Ints, int]:
    """Labels of the other set's rows, one more for each image without identity; how many."""
    labels = other.labels.copy()
    nobody = np.flatnonzero(labels < 0)
    labels[nobody] = len(other.dataset.identities) + np.arange(len(nobody))
    return labels, len(other.dataset.identities) + len(nobody)

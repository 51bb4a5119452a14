"""Findings about labels, in words: wrong ones, strangers, identities to split or to merge."""

from collections.abc import Iterable

import numpy as np

from vultus.curation.alike import AlikePair, alike_identities
from vultus.curation.audit_thresholds import AuditThresholds
from vultus.curation.findings import Finding
from vultus.curation.identity_groups import IdentityGroups
from vultus.curation.labels import LabelFaults, label_faults
from vultus.curation.subject import Subject

__all__ = ["find_label_faults"]


def find_label_faults(
    subject: Subject, groups: IdentityGroups, thresholds: AuditThresholds, *, ratio: float
) -> list[Finding]:
    """Wrong labels, strangers, splits and merges.

    Args:
        subject: The data set.
        groups: Of its rows; those with group -1 are not looked at.
        thresholds: See `AuditThresholds`.
        ratio: See `vultus.curation.alike.alike_identities`.
    """
    pairs = alike_identities(
        subject.vectors, groups, threshold=thresholds.match.similarity, ratio=ratio
    )
    merged = {frozenset((pair.first, pair.second)) for pair in pairs}
    faults = label_faults(subject.vectors, groups, thresholds, merged=merged)
    return [
        *_moves(subject, groups, faults),
        *_strangers(subject, groups, faults),
        *_splits(subject, groups, faults),
        *_merges(subject, groups, pairs),
    ]


def _moves(subject: Subject, groups: IdentityGroups, faults: LabelFaults) -> Iterable[Finding]:
    margins = faults.others.similarities - np.where(np.isnan(groups.own), 0, groups.own)
    for row in faults.moves[np.argsort(-margins[faults.moves], kind="stable")].tolist():
        other = int(faults.others.labels[row])
        to = subject.dataset.identities[other]
        label = int(groups.labels[row])
        yield Finding(
            kind="wrong_label",
            action="move",
            score=float(margins[row]),
            identity=subject.identity(row),
            images=(subject.name(row),),
            to=to,
            evidence=(
                *subject.examples(groups, label, 2),
                *subject.examples(groups, other, 2),
            ),
            reason=f"cosine {faults.others.similarities[row]:.3f} to {to}, "
            f"{groups.own[row]:.3f} to its own identity",
        )


def _strangers(subject: Subject, groups: IdentityGroups, faults: LabelFaults) -> Iterable[Finding]:
    own = groups.own[faults.strangers]
    for row in faults.strangers[np.argsort(own, kind="stable")].tolist():
        yield Finding(
            kind="stranger",
            action="keep",
            score=float(groups.own[row]),
            identity=subject.identity(row),
            images=(subject.name(row),),
            evidence=subject.examples(groups, int(groups.labels[row])),
            reason=f"cosine {groups.own[row]:.3f} to its own identity, "
            f"{faults.others.similarities[row]:.3f} to the nearest other",
        )


def _splits(subject: Subject, groups: IdentityGroups, faults: LabelFaults) -> Iterable[Finding]:
    taken = set(subject.dataset.identities)
    for split in sorted(faults.splits, key=lambda split: split.similarity):
        identity = subject.dataset.identities[split.label]
        to = _free_name(identity, taken)
        taken.add(to)
        yield Finding(
            kind="split",
            action="split",
            score=split.similarity,
            identity=identity,
            images=tuple(subject.name(row) for row in split.rows),
            to=to,
            evidence=subject.examples(groups, split.label),
            reason=f"{len(split.rows)} images that are alike, with cosine {split.similarity:.3f} "
            f"to the other {len(groups.cores[split.label])}",
        )


def _merges(
    subject: Subject, groups: IdentityGroups, pairs: Iterable[AlikePair]
) -> Iterable[Finding]:
    for pair in pairs:
        kept, given = (subject.dataset.identities[label] for label in (pair.first, pair.second))
        yield Finding(
            kind="merge",
            action="merge",
            score=pair.similarity,
            identity=given,
            images=None,
            to=kept,
            evidence=(
                *subject.examples(groups, pair.second),
                *subject.examples(groups, pair.first),
            ),
            reason=f"cosine {pair.similarity:.3f} of the centres; as alike across as within, "
            f"times {pair.ratio:.2f}",
        )


def _free_name(identity: str, taken: set[str]) -> str:
    number = 2
    while f"{identity}~{number}" in taken:
        number += 1
    return f"{identity}~{number}"

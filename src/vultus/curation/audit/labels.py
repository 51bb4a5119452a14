"""Wrong labels, strangers, and identities that are two people: found by embeddings alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.curation.audit.audit_thresholds import AuditThresholds
from vultus.curation.audit.audited_set import AuditedSet
from vultus.curation.audit.findings import Finding
from vultus.curation.audit.identity_groups import (
    AlikePair,
    IdentityGroups,
    alike_identities,
    normalised_mean,
)
from vultus.curation.audit.similar_pairs import BestOthers, Floats, Ints, best_others


@dataclass(frozen=True, slots=True, eq=False)
class SplitGroup:
    """Images of an identity that seem to be another person's.

    Attributes:
        label: The identity.
        rows: (g,) int64, the images, at least two.
        similarity: Cosine of their centre to the identity's.
    """

    label: int
    rows: Ints
    similarity: float


@dataclass(frozen=True, slots=True, eq=False)
class LabelFaults:
    """What is wrong with the labels; an image is in one of the three at most.

    Attributes:
        moves: (m,) int64, rows that belong to another identity.
        strangers: (s,) int64, rows that belong to none that is here.
        splits: Groups of images that are a person of their own.
        others: The other identity that each image is most like.
    """

    moves: Ints
    strangers: Ints
    splits: tuple[SplitGroup, ...]
    others: BestOthers


def label_faults(
    vectors: Floats,
    groups: IdentityGroups,
    thresholds: AuditThresholds,
    *,
    merged: set[frozenset[int]],
) -> LabelFaults:
    """Judge every image that is not in the core of its identity.

    - It belongs to another identity if that one's centre is at least ``match`` and more like it
      than its own identity's centre.
    - Else, if it forms a group of two or more images whose centre is below ``unlike`` to the
      core's, the group is a person of its own.
    - Else, if it is below ``unlike`` to the core, it is a stranger.

    Args:
        vectors: (n, d) float32, unit rows.
        groups: Of them.
        thresholds: See `AuditThresholds`.
        merged: Pairs of identities that are one person: being like the other is then no fault.
    """
    others = best_others(vectors, groups.centres, own=groups.labels)
    outside = groups.groups > 0
    own = np.where(np.isnan(groups.own), -np.inf, groups.own)
    elsewhere = outside & (others.similarities >= thresholds.match.similarity)
    elsewhere &= others.similarities > own
    for row in np.flatnonzero(elsewhere):
        if frozenset((int(groups.labels[row]), int(others.labels[row]))) in merged:
            elsewhere[row] = False
    unexplained = outside & ~elsewhere
    splits = tuple(_splits(vectors, groups, unexplained, thresholds))
    for split in splits:
        unexplained[split.rows] = False
    strangers = unexplained & (own < thresholds.unlike.similarity)
    return LabelFaults(np.flatnonzero(elsewhere), np.flatnonzero(strangers), splits, others)


def _splits(
    vectors: Floats,
    groups: IdentityGroups,
    candidates: npt.NDArray[np.bool_],
    thresholds: AuditThresholds,
) -> list[SplitGroup]:
    members: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(candidates).tolist():
        members.setdefault((int(groups.labels[row]), int(groups.groups[row])), []).append(row)
    found = []
    for (label, _), rows in members.items():
        similarity = float(normalised_mean(vectors[rows]) @ groups.centres[label])
        if len(rows) > 1 and similarity < thresholds.unlike.similarity:
            found.append(SplitGroup(label, np.array(rows, np.int64), similarity))
    return found


def find_label_faults(
    audited: AuditedSet, groups: IdentityGroups, thresholds: AuditThresholds, *, ratio: float
) -> list[Finding]:
    """Wrong labels, strangers, splits and merges.

    Args:
        audited: The data set.
        groups: Of its rows; those with group -1 are not looked at.
        thresholds: See `AuditThresholds`.
        ratio: See `vultus.curation.audit.identity_groups.alike_identities`.
    """
    pairs = alike_identities(
        audited.vectors, groups, threshold=thresholds.match.similarity, ratio=ratio
    )
    merged = {frozenset((pair.first, pair.second)) for pair in pairs}
    faults = label_faults(audited.vectors, groups, thresholds, merged=merged)
    return [
        *_moves(audited, groups, faults),
        *_strangers(audited, groups, faults),
        *_split_findings(audited, groups, faults),
        *_merges(audited, groups, pairs),
    ]


def _moves(audited: AuditedSet, groups: IdentityGroups, faults: LabelFaults) -> Iterable[Finding]:
    margins = faults.others.similarities - np.where(np.isnan(groups.own), 0, groups.own)
    for row in faults.moves[np.argsort(-margins[faults.moves], kind="stable")].tolist():
        other = int(faults.others.labels[row])
        to = audited.dataset.identities[other]
        label = int(groups.labels[row])
        yield Finding(
            kind="wrong_label",
            action="move",
            score=float(margins[row]),
            identity=audited.identity(row),
            images=(audited.name(row),),
            to=to,
            evidence=(
                *audited.examples(groups, label, 2),
                *audited.examples(groups, other, 2),
            ),
            reason=f"cosine {faults.others.similarities[row]:.3f} to {to}, "
            f"{groups.own[row]:.3f} to its own identity",
        )


def _strangers(
    audited: AuditedSet, groups: IdentityGroups, faults: LabelFaults
) -> Iterable[Finding]:
    own = groups.own[faults.strangers]
    for row in faults.strangers[np.argsort(own, kind="stable")].tolist():
        yield Finding(
            kind="stranger",
            action="keep",
            score=float(groups.own[row]),
            identity=audited.identity(row),
            images=(audited.name(row),),
            evidence=audited.examples(groups, int(groups.labels[row])),
            reason=f"cosine {groups.own[row]:.3f} to its own identity, "
            f"{faults.others.similarities[row]:.3f} to the nearest other",
        )


def _split_findings(
    audited: AuditedSet, groups: IdentityGroups, faults: LabelFaults
) -> Iterable[Finding]:
    taken = set(audited.dataset.identities)
    for split in sorted(faults.splits, key=lambda split: split.similarity):
        identity = audited.dataset.identities[split.label]
        to = _free_name(identity, taken)
        taken.add(to)
        yield Finding(
            kind="split",
            action="split",
            score=split.similarity,
            identity=identity,
            images=tuple(audited.name(row) for row in split.rows),
            to=to,
            evidence=audited.examples(groups, split.label),
            reason=f"{len(split.rows)} images that are alike, with cosine {split.similarity:.3f} "
            f"to the other {len(groups.cores[split.label])}",
        )


def _merges(
    audited: AuditedSet, groups: IdentityGroups, pairs: Iterable[AlikePair]
) -> Iterable[Finding]:
    for pair in pairs:
        kept, given = (audited.dataset.identities[label] for label in (pair.first, pair.second))
        yield Finding(
            kind="merge",
            action="merge",
            score=pair.similarity,
            identity=given,
            images=None,
            to=kept,
            evidence=(
                *audited.examples(groups, pair.second),
                *audited.examples(groups, pair.first),
            ),
            reason=f"cosine {pair.similarity:.3f} of the centres; as alike across as within, "
            f"times {pair.ratio:.2f}",
        )


def _free_name(identity: str, taken: set[str]) -> str:
    number = 2
    while f"{identity}~{number}" in taken:
        number += 1
    return f"{identity}~{number}"

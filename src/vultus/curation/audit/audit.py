"""The audit of aligned crops: everything that seems wrong, from one embedding of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.progress import Progress
from vultus.core.thresholds import ThresholdTable
from vultus.curation.audit.audit_thresholds import AuditThresholds, audit_thresholds, measured_table
from vultus.curation.audit.audited_set import AuditedSet
from vultus.curation.audit.copies import (
    CopyRule,
    copies_across,
    copies_within,
    find_copies,
    measure_copy_rule,
)
from vultus.curation.audit.features import embed_images, read_features
from vultus.curation.audit.findings import KINDS, Finding
from vultus.curation.audit.identity_groups import IdentityGroups, group_identities, halves_ratio
from vultus.curation.audit.labels import find_label_faults
from vultus.curation.audit.non_faces import FaceCheck, Look, find_non_faces, find_unreadable
from vultus.curation.audit.overlap import OverlapRules, find_overlap
from vultus.curation.image_names import image_names
from vultus.data.base import FaceDataset
from vultus.detection.base import Detector
from vultus.embedding.embedder import Embedder

_COPY_SAMPLE = 200


@dataclass(frozen=True, slots=True, eq=False)
class AuditTools:
    """What an audit works with.

    Attributes:
        embedder: Makes the embeddings.
        table: Its measured thresholds; where empty they are measured on the data set itself.
        cache: Folder in which embeddings and the detector's answers are kept, by content.
        detector: Looks for faces; None leaves that out.
        detector_name: What the cache and the manifest call it, with its model where it has
            several; None for its own name.
        look: At which crops the detector looks: ``"suspects"`` or ``"all"``.
        fpir: Chance that an image of nobody here is taken for somebody, (0, 1).
        progress: Told how many images are done.
        set_aside: Images that are not to be decoded, by the SHA-256 of their bytes, and why.
    """

    embedder: Embedder
    table: ThresholdTable
    cache: Path
    detector: Detector | None = None
    detector_name: str | None = None
    look: Look = "suspects"
    fpir: float = 0.01
    progress: Progress | None = None
    set_aside: Mapping[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What was found, and by which rules.

    Attributes:
        findings: By kind, the strongest first within each.
        n_images: Images of the data set.
        n_identities: Its identities.
        thresholds: On similarities.
        copy_rule: What a copy is.
        ratio: Least "across over within" for two identities to be one.
        detector: Name of the detector; None if none looked.
    """

    findings: tuple[Finding, ...]
    n_images: int
    n_identities: int
    thresholds: AuditThresholds
    copy_rule: CopyRule
    ratio: float
    detector: str | None

    def rules(self) -> dict[str, Any]:
        """The rules with their numbers, fit for JSON."""
        return {
            "thresholds": self.thresholds.to_dict(),
            "copy": self.copy_rule.to_dict(),
            "ratio": self.ratio,
            "detector": self.detector,
        }


def audit(
    dataset: FaceDataset, tools: AuditTools, *, against: Mapping[str, FaceDataset] | None = None
) -> Audit:
    """Look for everything that seems wrong with a data set.

    Each image is read once and embedded unless the cache knows it; everything else is worked out
    from the embeddings. Comparing all with all takes time that grows with the square of the number
    of images; memory grows with the number itself.

    Args:
        dataset: Crops aligned to the embedder's template.
        tools: What to work with.
        against: Data sets that nobody may be shared with (to evaluate on), by what to call them.

    Raises:
        InputError: If no image is such a crop, or a name cannot stand in a manifest.
        ModelError: If a network fails.
    """
    audited = _audited(dataset, tools)
    rule = _copy_rule(audited, tools)
    pairs = find_copies(audited, rule)
    copies, alive = copies_within(audited, pairs)
    table = tools.table
    if not table.points:
        known = np.flatnonzero(alive & (audited.labels >= 0))
        table = measured_table(audited.features.embeddings[known], audited.labels[known])
    n_identities = len(np.unique(audited.labels[alive & (audited.labels >= 0)]))
    thresholds = audit_thresholds(table, n_identities=max(n_identities, 1), fpir=tools.fpir)
    groups = _groups(audited, alive, thresholds)
    findings = [*find_unreadable(audited), *copies]
    findings += _non_faces(audited, groups, thresholds, tools, alive)
    groups = _groups(audited, alive, thresholds)
    ratio = halves_ratio(audited.vectors, groups)
    across = copies_across(audited, pairs, groups, alive)
    named = {name for finding in across for name in finding.images or ()}
    faults = find_label_faults(audited, groups, thresholds, ratio=ratio)
    findings += across
    findings += [f for f in faults if f.images is None or not named.intersection(f.images)]
    for name, other in (against or {}).items():
        rules = OverlapRules(rule, table, tools.fpir, ratio)
        theirs = _audited(other, tools, prefix=f"{name}/")
        findings += find_overlap(audited, groups, theirs, rules, alive=alive)
    findings.sort(key=lambda finding: KINDS.index(finding.kind))
    return Audit(
        tuple(findings),
        len(dataset),
        len(dataset.identities),
        thresholds,
        rule,
        ratio,
        None if tools.detector is None else _name(tools),
    )


def _audited(dataset: FaceDataset, tools: AuditTools, prefix: str = "") -> AuditedSet:
    names = image_names(dataset)
    features = read_features(
        dataset,
        tools.embedder,
        cache=tools.cache,
        set_aside=tools.set_aside,
        progress=tools.progress,
    )
    return AuditedSet(dataset, names, features, prefix)


def _copy_rule(audited: AuditedSet, tools: AuditTools) -> CopyRule:
    rows = audited.features.rows
    places = np.unique(np.linspace(0, len(rows) - 1, _COPY_SAMPLE).astype(np.int64))
    images = [audited.dataset.image(int(rows[place])) for place in places]
    return measure_copy_rule(images, embed=lambda crops: embed_images(crops, tools.embedder))


def _non_faces(
    audited: AuditedSet,
    groups: IdentityGroups,
    thresholds: AuditThresholds,
    tools: AuditTools,
    alive: npt.NDArray[np.bool_],
) -> list[Finding]:
    """Findings of crops without a face; rows that are to be dropped are no longer alive."""
    if tools.detector is None:
        return []
    check = FaceCheck(tools.detector, _name(tools), tools.cache, tools.look, tools.progress)
    found = find_non_faces(audited, groups, thresholds, check, alive=alive)
    alive[[row for row, finding in found.items() if finding.action == "drop"]] = False
    return list(found.values())


def _name(tools: AuditTools) -> str:
    if tools.detector_name is not None or tools.detector is None:
        return str(tools.detector_name)
    return tools.detector.name


def _groups(
    audited: AuditedSet, alive: npt.NDArray[np.bool_], thresholds: AuditThresholds
) -> IdentityGroups:
    return group_identities(
        audited.features.embeddings,
        np.where(alive, audited.labels, -1),
        n_identities=len(audited.dataset.identities),
        threshold=thresholds.same,
    )

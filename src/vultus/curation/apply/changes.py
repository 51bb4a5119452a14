"""What a manifest comes to: for each image the identity that it goes to, or out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vultus.core.errors import InputError
from vultus.curation.audit.findings import Finding
from vultus.curation.audit.manifest import Manifest
from vultus.curation.image_names import image_names
from vultus.data.base import UNLABELLED, FaceDataset
from vultus.data.formats.writers import is_identity_name


@dataclass(frozen=True, slots=True)
class Changes:
    """The outcome of all actions together.

    Attributes:
        names: Of all images, by index.
        dropped: Indices of the images that go out.
        moved: New identity by index, of the images that change theirs.
    """

    names: Sequence[str]
    dropped: frozenset[int]
    moved: dict[int, str]


def plan_changes(
    manifest: Manifest, dataset: FaceDataset, *, kinds: frozenset[str] | None = None
) -> Changes:
    """Work out where every image goes; nothing is done yet.

    Where several findings are about one image, ``drop`` wins; then ``move`` and ``split``; then
    what happens to its identity as a whole. Merges are followed through: if anna becomes bea and
    bea becomes cleo, anna becomes cleo, and so does what was moved to anna.

    Args:
        manifest: The findings.
        dataset: The data set that they are about.
        kinds: Only findings of these kinds; None for all.

    Raises:
        InputError: If a finding names an image or an identity that is not in the data set, a new
            identity that cannot be one or is there already, or findings contradict each other; the
            message names the line.
    """
    names = image_names(dataset)
    where = _Places(manifest, dataset, names)
    dropped: set[int] = set()
    moved: dict[int, tuple[str, int]] = {}
    merged: dict[str, tuple[str, int]] = {}
    for line, finding in zip(manifest.lines, manifest.findings, strict=True):
        if kinds is not None and finding.kind not in kinds:
            continue
        indices = where.indices(finding, line)
        if finding.action == "keep":
            continue
        if finding.action == "drop":
            dropped.update(indices)
            continue
        target = where.target(finding, line)
        if finding.action == "merge":
            _note(merged, str(finding.identity), target, line)
        else:
            for index in indices:
                _note(moved, index, target, line)
    final = {name: _followed(name, merged) for name in merged}
    return Changes(names, frozenset(dropped), _destinations(dataset, dropped, moved, final))


class _Places:
    """Looks up what findings name."""

    def __init__(self, manifest: Manifest, dataset: FaceDataset, names: Sequence[str]) -> None:
        self._source = manifest.header.source
        self._depth = manifest.header.settings.get("depth")
        self._identities = {name: label for label, name in enumerate(dataset.identities)}
        self._labels = dataset.labels
        wanted = {name for finding in manifest.findings for name in finding.images or ()}
        self._index_of = {name: i for i, name in enumerate(names) if name in wanted}
        self._created: dict[str, str | None] = {}

    def indices(self, finding: Finding, line: int) -> list[int]:
        if finding.images is None:
            label = self._label(finding.identity, line)
            found: list[int] = (self._labels == label).nonzero()[0].tolist()
            return found
        for name in finding.images:
            if name not in self._index_of:
                raise InputError(f"line {line} names {name!r}, which is no image of {self._source}")
        return [self._index_of[name] for name in finding.images]

    def target(self, finding: Finding, line: int) -> str:
        to = str(finding.to)
        if finding.action != "split":
            self._label(to, line)
            if finding.action == "merge" and to == finding.identity:
                raise InputError(f"line {line} merges {to!r} with itself")
            return to
        if not is_identity_name(to):
            raise InputError(
                f"line {line}: 'to' must be usable as the name of a folder (relative, no part of "
                f"it hidden or '..'), got {to!r}"
            )
        depth = self._depth
        if depth is not None and to.count("/") + 1 != depth:
            raise InputError(f"line {line}: 'to' must have {depth} parts as all have, got {to!r}")
        taken = {name.casefold() for name in self._identities}
        if to.casefold() in taken or self._created.setdefault(to, finding.identity) != (
            finding.identity
        ):
            raise InputError(f"line {line}: there is an identity {to!r} already; take another name")
        return to

    def _label(self, identity: str | None, line: int) -> int:
        if identity is None or identity not in self._identities:
            raise InputError(
                f"line {line} names {identity!r}, which is no identity of {self._source}"
            )
        return self._identities[identity]


def _note(noted: dict[Any, tuple[str, int]], key: Any, target: str, line: int) -> None:
    known, at = noted.setdefault(key, (target, line))
    if known != target:
        raise InputError(
            f"lines {at} and {line} contradict each other: one gives it to {known!r}, the other to "
            f"{target!r}; change one action to keep"
        )


def _followed(name: str, merged: dict[str, tuple[str, int]]) -> str:
    seen = [name]
    while seen[-1] in merged:
        seen.append(merged[seen[-1]][0])
        if seen[-1] in seen[:-1]:
            line = merged[seen[-2]][1]
            raise InputError(f"line {line} closes a circle of merges: {' -> '.join(seen)}")
    return seen[-1]


def _destinations(
    dataset: FaceDataset,
    dropped: set[int],
    moved: dict[int, tuple[str, int]],
    merged: dict[str, str],
) -> dict[int, str]:
    goes: dict[int, str] = {}
    for label, name in enumerate(dataset.identities):
        if name in merged:
            for index in (dataset.labels == label).nonzero()[0].tolist():
                goes[index] = merged[name]
    for index, (target, _) in moved.items():
        goes[index] = merged.get(target, target)
    for index in dropped:
        goes.pop(index, None)
    return {index: name for index, name in goes.items() if name != _identity(dataset, index)}


def _identity(dataset: FaceDataset, index: int) -> str | None:
    label = int(dataset.labels[index])
    return None if label == UNLABELLED else dataset.identities[label]

"""What was planted in a data set, and how findings compare with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vultus.curation.audit.findings import Finding

Key = str | frozenset[str]
"""What a finding is about: an image, an identity, or a pair of either."""


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """What was planted where.

    Attributes:
        truth: By kind of finding, keys of what is to be found; see `key`.
        roles: What is the matter with each image that is not clean, by name.
        touched: Identities that were divided or put together, by name: ``merge`` or ``split``.
        homes: True identity of each image with a wrong label.
        couples: For each identity of two people, the images of the first and of the second.
        misplaced: Copies that lie in another identity than the original.
    """

    truth: dict[str, set[Key]]
    roles: dict[str, str]
    touched: dict[str, str]
    homes: dict[str, str]
    couples: dict[str, tuple[set[str], set[str]]]
    misplaced: set[str]

    def keys(self, kind: str) -> set[Key]:
        """What is to be found of a kind."""
        return self.truth.get(kind, set())

    def key(self, finding: Finding) -> Key:
        """What a finding is about: a pair of images or of identities, an identity, or an image."""
        if finding.kind in ("duplicate", "near_duplicate") and finding.images is not None:
            return frozenset((finding.images[0], finding.evidence[0]))
        if finding.kind == "merge":
            return frozenset((str(finding.identity), str(finding.to)))
        if finding.kind == "split" or finding.images is None:
            return str(finding.identity)
        return finding.images[0]

    def role(self, finding: Finding) -> str:
        """What was planted on the images or identities of a finding; ``clean`` for nothing."""
        roles = [self.roles[name] for name in finding.images or () if name in self.roles]
        named = (finding.identity, finding.to)
        roles += [self.touched[name] for name in named if name is not None and name in self.touched]
        return roles[0] if roles else "clean"

    def remarks(self, findings: Iterable[Finding]) -> Iterator[str]:
        """How good the proposals are, beside the fact of being found."""
        found = list(findings)
        moves = [f for f in found if f.kind == "wrong_label" and self.key(f) in self.homes]
        right = sum(self.homes[str(self.key(f))] == f.to for f in moves)
        yield f"wrong labels found that are moved to their true identity: {right} of {len(moves)}"
        copies = [f for f in found if self.key(f) in self._pairs_across()]
        right = sum((f.images or ("",))[0] in self.misplaced for f in copies)
        yield f"copies across identities, the misplaced one dropped: {right} of {len(copies)}"
        right = total = 0
        for finding in found:
            if finding.kind == "split" and str(finding.identity) in self.couples:
                images = set(finding.images or ())
                first, second = self.couples[str(finding.identity)]
                right += max(len(images & first), len(images & second))
                total += len(images)
        wanted = sum(min(map(len, couple)) for couple in self.couples.values())
        yield f"images split off: {total}, of one person: {right}; of the smaller person: {wanted}"

    def _pairs_across(self) -> set[Key]:
        pairs = self.keys("duplicate") | self.keys("near_duplicate")
        return {pair for pair in pairs if self.misplaced.intersection(pair)}

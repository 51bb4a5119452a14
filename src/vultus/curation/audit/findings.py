"""What an audit can find, and what can be done about it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from vultus.core.errors import InputError

Action = Literal["drop", "move", "merge", "split", "keep"]
"""``drop``: leave the images out; ``move``: give them to the identity ``to``, which exists;
``split``: give them to a new identity ``to``; ``merge``: give all images of the identity to ``to``;
``keep``: nothing."""

Kind = Literal[
    "unreadable",
    "non_face",
    "duplicate",
    "near_duplicate",
    "wrong_label",
    "stranger",
    "split",
    "merge",
    "overlap_copy",
    "overlap_person",
]

ACTIONS: tuple[Action, ...] = get_args(Action)
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that seems wrong with a data set.

    Attributes:
        kind: What it is.
        action: What is to be done; the audit proposes, a person decides.
        score: How strong it is; what it measures depends on the kind (see the guide).
        identity: Whose images these are; None for images without identity.
        images: Names of the images that the action is about; None for all of the identity.
        to: The identity that they are given to, for ``move``, ``merge`` and ``split``.
        evidence: Names of images to compare them with; those of another data set begin with its
            path.
        reason: In words, with figures.

    Raises:
        InputError: If the fields do not fit the action; the message says how they must be.
    """

    kind: Kind
    action: Action
    score: float
    identity: str | None
    images: tuple[str, ...] | None
    to: str | None = None
    evidence: tuple[str, ...] = field(default=())
    reason: str = ""

    def __post_init__(self) -> None:
        if self.action in ("move", "merge", "split") and not self.to:
            raise InputError(f"action {self.action} needs 'to', the identity to give the images to")
        if self.images is None and self.identity is None:
            raise InputError("images must be named where there is no identity, got all")
        if self.images is not None and not self.images:
            raise InputError("images must name at least one image, got none")
        if self.images is None and self.action in ("move", "split"):
            raise InputError(f"action {self.action} needs named images, got all; use merge")
        if self.images is not None and self.action == "merge":
            raise InputError("action merge takes all images of an identity, got single ones")


def count_findings(findings: Iterable[Finding]) -> dict[Kind, int]:
    """How many there are of each kind, in the order of `KINDS`; kinds without any are left out."""
    counts = Counter(finding.kind for finding in findings)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}

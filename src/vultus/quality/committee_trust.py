"""The trust heads of a committee's members as one: the member in doubt decides."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.quality.trust import Trust, TrustHead
from vultus.runtime.pools import Tap

Floats = npt.NDArray[np.float32]

COMMON_LIMIT = 0.2
"""The score at the limit, to which every member's scores are brought before they are compared."""

_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class CommitteeHead:
    """Judges a face by every member that has a head, and takes the lowest score.

    One member's vector that lies among strangers spoils the joined one, however surely the others
    know the face. Members whose limits differ are compared on one scale: the logit of each score
    is moved so that the member's limit falls on the common one.

    Attributes:
        heads: By the names of the members that have one, in the committee's order.
        weights_sha256: Of the committee's space.
        min_trust: Least score of a face that can be judged, in [0, 1].

    Raises:
        InputError: If no member has a head.
    """

    heads: Mapping[str, TrustHead]
    weights_sha256: str
    min_trust: float = COMMON_LIMIT

    def __post_init__(self) -> None:
        if not self.heads:
            raise InputError("a committee's trust head needs a member that has one")

    @property
    def taps(self) -> Mapping[str, tuple[Tap, ...]]:
        """Which inner maps are pooled, by member."""
        return {name: head.taps for name, head in self.heads.items()}

    @property
    def digest(self) -> str:
        """Of the members' digests and the limit."""
        parts = [(name, head.digest) for name, head in self.heads.items()]
        return hashlib.sha256(repr((parts, self.min_trust)).encode()).hexdigest()

    def judge(self, pools: Floats, embeddings: Embeddings) -> Trust:
        """Say of each face how far its joined embedding may be trusted.

        Args:
            pools: (n, d) float32, of `vultus.embedding.embedder.Committee.embed_with_pools`: of
                each member with a head its pools and the norm of its own embedding.
            embeddings: Of the same n faces, by the committee.

        Returns:
            Of each face what the member says that trusts it least.

        Raises:
            InputError: If the pools are of another shape.
            SpaceMismatchError: If the embeddings are of another committee or preprocessing.
        """
        space = embeddings.space
        lines = space.preprocessing.split(" + ")
        known = [f"{name}: {head.preprocessing}" in lines for name, head in self.heads.items()]
        if space.weights_sha256 != self.weights_sha256 or not all(known):
            raise SpaceMismatchError(
                f"the trust head belongs to the committee {self.weights_sha256[:12]} of "
                f"{', '.join(self.heads)}, the embeddings are of {space}"
            )
        width = sum(head.n_pools + 1 for head in self.heads.values())
        check_array("pools", pools, dtype=np.float32, shape=(len(embeddings), width))
        told, start = [], 0
        for head in self.heads.values():
            own = pools[:, start : start + head.n_pools + 1]
            start += head.n_pools + 1
            told.append((_to_common(head), head.judge_norms(own[:, :-1], own[:, -1])))
        return _least([(_moved(trust.score, shift), trust) for shift, trust in told])


def _to_common(head: TrustHead) -> float | None:
    """How far logits are moved; None where the head was switched off by a limit of 0."""
    if head.min_trust <= 0:
        return None
    return float(_logit(np.array(COMMON_LIMIT)) - _logit(np.array(head.min_trust)))


def _moved(score: Floats, shift: float | None) -> Floats:
    if shift is None:
        return np.ones_like(score)
    return score if shift == 0 else np.asarray(1 / (1 + np.exp(-_logit(score) - shift)), np.float32)


def _logit(score: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    inside = np.clip(score.astype(np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(inside / (1 - inside)))


def _least(told: list[tuple[Floats, Trust]]) -> Trust:
    scores = np.stack([score for score, _ in told])
    lowest, rows = scores.argmin(axis=0), np.arange(scores.shape[1])
    return Trust(
        score=scores[lowest, rows],
        strength=np.stack([trust.strength for _, trust in told])[lowest, rows],
        stretch=np.stack([trust.stretch for _, trust in told])[lowest, rows],
        damage=np.stack([trust.damage for _, trust in told])[lowest, rows],
    )

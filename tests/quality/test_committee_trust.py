import dataclasses
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.quality.committee_trust import CommitteeHead
from vultus.quality.trust import CLEAN, Trust, TrustHead
from vultus.runtime.pools import Tap

LINE = "arcface-112 rgb (x-0)/1 flip=none"
SPACE = EmbeddingSpace("one+two+three", "c" * 64, f"one: {LINE} + two: x + three: {LINE}", 8)
FACES = 40


def head(seed: int, wide: int, **changes: Any) -> TrustHead:
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {
        "taps": (Tap("sum", seed),),
        "kinds": (CLEAN, "noise", "blurred"),
        "model_sha256": str(seed) * 64,
        "preprocessing": LINE,
        "min_trust": 0.2,
        "doubt": 0.1,
        "midpoint": 0.0,
        "width": 1.0,
        "norm_midpoint": 10.0,
        "norm_width": 2.0,
        "notes": "",
        "centre": rng.normal(size=wide + 1).astype(np.float32),
        "scale": np.ones(wide + 1, np.float32),
        "first": rng.normal(size=(wide + 1, 4)).astype(np.float32),
        "first_bias": np.zeros(4, np.float32),
        "second": rng.normal(size=(4, 5)).astype(np.float32),
        "second_bias": np.zeros(5, np.float32),
    }
    return TrustHead(**{**values, **changes})


def told(one: TrustHead, three: TrustHead) -> tuple[np.ndarray[Any, Any], Trust, Trust]:
    """Pools as a committee gives them, and what each member's head says by itself."""
    rng = np.random.default_rng(9)
    pools = rng.normal(size=(FACES, 5 + 1 + 3 + 1)).astype(np.float32)
    pools[:, [5, 9]] = rng.uniform(6, 14, (FACES, 2))
    own = one.judge_norms(pools[:, :5], pools[:, 5])
    return pools, own, three.judge_norms(pools[:, 6:9], pools[:, 9])


def joined(n: int = FACES) -> Embeddings:
    raw = np.random.default_rng(2).normal(size=(n, 8))
    return Embeddings.from_raw(raw, SPACE)


def test_each_face_is_trusted_as_by_the_member_that_trusts_it_least() -> None:
    one, three = head(1, 5), head(3, 3)
    pools, first, last = told(one, three)
    committee = CommitteeHead({"one": one, "three": three}, SPACE.weights_sha256)
    trust = committee.judge(pools, joined())
    np.testing.assert_allclose(trust.score, np.minimum(first.score, last.score), rtol=1e-6)
    for row in range(FACES):
        least = first if first.score[row] <= last.score[row] else last
        assert trust.damage[row] == least.damage[row]
        assert trust.stretch[row] == least.stretch[row]
        assert trust.strength[row] == least.strength[row]
    assert set(np.argmin([first.score, last.score], axis=0).tolist()) == {0, 1}
    assert committee.taps == {"one": one.taps, "three": three.taps}


def test_a_member_refuses_by_its_own_limit() -> None:
    one, three = head(1, 5, min_trust=0.45), head(3, 3, min_trust=0.1)
    pools, first, last = told(one, three)
    committee = CommitteeHead({"one": one, "three": three}, SPACE.weights_sha256)
    refused = committee.judge(pools, joined()).score < committee.min_trust
    np.testing.assert_array_equal(refused, (first.score < 0.45) | (last.score < 0.1))
    assert 0 < refused.sum() < FACES


def test_a_member_whose_limit_is_zero_is_not_asked() -> None:
    one, three = head(1, 5, min_trust=0.0), head(3, 3)
    pools, _, last = told(one, three)
    committee = CommitteeHead({"one": one, "three": three}, SPACE.weights_sha256)
    np.testing.assert_allclose(committee.judge(pools, joined()).score, last.score, rtol=1e-6)


def test_no_face_has_no_trust() -> None:
    committee = CommitteeHead({"one": head(1, 5)}, SPACE.weights_sha256)
    assert len(committee.judge(np.zeros((0, 6), np.float32), joined(0))) == 0


def test_its_digest_is_that_of_heads_and_limits() -> None:
    one, three = head(1, 5), head(3, 3)
    committee = CommitteeHead({"one": one, "three": three}, SPACE.weights_sha256)
    others = [
        dataclasses.replace(committee, min_trust=0.3),
        dataclasses.replace(committee, heads={"one": one}),
        dataclasses.replace(committee, heads={"one": head(1, 5, min_trust=0.3), "three": three}),
    ]
    assert len({committee.digest, *(other.digest for other in others)}) == 4


def test_embeddings_of_another_committee_and_wrong_pools_are_refused() -> None:
    one = head(1, 5)
    pools = np.zeros((FACES, 6), np.float32)
    with pytest.raises(SpaceMismatchError, match="belongs to the committee dddd"):
        CommitteeHead({"one": one}, "d" * 64).judge(pools, joined())
    mirrored = head(1, 5, preprocessing=LINE.replace("none", "add"))
    with pytest.raises(SpaceMismatchError, match="of one"):
        CommitteeHead({"one": mirrored}, SPACE.weights_sha256).judge(pools, joined())
    with pytest.raises(InputError, match="pools"):
        CommitteeHead({"one": one}, SPACE.weights_sha256).judge(pools[:, 1:], joined())
    with pytest.raises(InputError, match="a member that has one"):
        CommitteeHead({}, SPACE.weights_sha256)

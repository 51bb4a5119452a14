"""What each batch sampler puts into a batch."""

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.sampling.offline_sampler import OfflineTripletSampler
from vultus.sampling.sampler import Share
from vultus.sampling.samplers import (
    ClassBalancedSampler,
    FaceNetSampler,
    PKSampler,
    ShuffledSampler,
)

some_labels = st.lists(st.integers(0, 6), min_size=2, max_size=50)


@given(some_labels, st.integers(1, 4), st.integers(1, 5))
def test_pk_batches(labels: list[int], identities: int, images: int) -> None:
    counts = Counter(labels)
    identities = min(identities, len(counts))
    sampler = PKSampler(labels, identities=identities, images=images)
    used: list[int] = []
    for batch in sampler:
        drawn = Counter(labels[i] for i in batch)
        assert set(drawn.values()) == {images}
        assert len(drawn) == identities
        used.extend(drawn)
        for identity in drawn:
            own = Counter(i for i in batch if labels[i] == identity)
            assert len(own) == min(images, counts[identity])
            assert max(own.values()) - min(own.values()) <= 1
    assert len(used) == len(set(used)) == len(counts) // identities * identities


@given(some_labels, st.integers(1, 3), st.integers(1, 6), st.integers(0, 60))
def test_facenet_batches(labels: list[int], identities: int, images: int, negatives: int) -> None:
    counts = Counter(labels)
    identities = min(identities, len(counts))
    sampler = FaceNetSampler(labels, identities=identities, images=images, negatives=negatives)
    used: list[int] = []
    for batch in sampler:
        assert len(set(batch)) == len(batch)
        core = list(dict.fromkeys(labels[i] for i in batch))[:identities]
        many = sum(min(images, counts[identity]) for identity in core)
        assert Counter(labels[i] for i in batch[:many]) == {c: min(images, counts[c]) for c in core}
        assert len(batch) == min(many + negatives, len(labels))
        used.extend(core)
    assert len(used) == len(set(used))


def test_facenet_random_faces_are_drawn_evenly() -> None:
    labels = [0] * 5 + list(range(1, 96))
    sampler = FaceNetSampler(labels, identities=1, images=5, negatives=20)
    seen: Counter[int] = Counter()
    batches = 0
    for epoch in range(60):
        sampler.set_epoch(epoch)
        for batch in sampler:
            if 0 in batch[:5]:
                continue
            batches += 1
            seen.update(batch[1:])
    expected = batches * 20 / 99  # about; the batch's own face cannot be drawn
    assert all(abs(seen[i] - expected) < 5.5 * expected**0.5 for i in range(100))


@given(some_labels, st.integers(1, 12))
def test_balanced_epochs(labels: list[int], batch_size: int) -> None:
    batch_size = min(batch_size, len(labels))
    counts = Counter(labels)
    sampler = ClassBalancedSampler(labels, batch_size=batch_size)
    drawn = list(chain.from_iterable(sampler))
    assert len(drawn) == len(labels) // batch_size * batch_size
    by_identity = [sum(labels[i] == identity for i in drawn) for identity in counts]
    assert max(by_identity) - min(by_identity) <= 1
    for identity in counts:
        own = Counter(i for i in drawn if labels[i] == identity)
        times = [own[i] for i, label in enumerate(labels) if label == identity]
        assert max(times) - min(times) <= 1


def test_who_is_nobody_comes_where_asked_for_only() -> None:
    labels = [0, -1, 0, 1, -1, 1, -1, -1, -1]
    everybody = chain.from_iterable(ShuffledSampler(labels, batch_size=2))
    assert sorted(everybody) == list(range(9))
    known = list(ShuffledSampler(labels, batch_size=2, unlabelled=False))
    assert (len(known), sorted(chain.from_iterable(known))) == (2, [0, 2, 3, 5])
    balanced = list(ClassBalancedSampler(labels, batch_size=2))
    assert (len(balanced), sorted(chain.from_iterable(balanced))) == (2, [0, 2, 3, 5])
    pairs = list(PKSampler(labels, identities=2, images=2))
    assert [sorted(batch) for batch in pairs] == [[0, 2, 3, 5]]
    with pytest.raises(InputError, match="at most the 4 samples with an identity, got 5"):
        ClassBalancedSampler(labels, batch_size=5)


def test_impossible_batches_are_refused() -> None:
    with pytest.raises(InputError, match="identities must be at most the 2"):
        PKSampler([0, 1], identities=3, images=2)
    with pytest.raises(InputError, match="identities must be at most the 2"):
        FaceNetSampler([0, 1], identities=3)
    with pytest.raises(InputError, match="batch_size must be at most the 2"):
        ClassBalancedSampler([0, 1], batch_size=3)
    with pytest.raises(InputError, match="a sample for each of 3 processes"):
        ShuffledSampler([0, 1], batch_size=1, share=Share(0, 3))
    with pytest.raises(InputError, match="images must be an integer of at least 1"):
        PKSampler([0, 1], identities=1, images=0)


def test_samplers_say_how_many_samples_they_were_asked_for() -> None:
    labels = [i // 3 for i in range(30)]
    assert ShuffledSampler(labels, batch_size=7).batch_size == 7
    assert ClassBalancedSampler(labels, batch_size=8).batch_size == 8
    assert PKSampler(labels, identities=3, images=2).batch_size == 6
    assert FaceNetSampler(labels, identities=2).batch_size == 80
    assert FaceNetSampler(labels, identities=2, images=3, negatives=5).batch_size == 11
    assert OfflineTripletSampler(labels, triplets=4, every=2).batch_size == 12

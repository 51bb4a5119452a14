"""What every batch sampler does: epochs, processes, resuming."""

from collections import Counter
from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from vultus.core.errors import ConfigError, InputError
from vultus.sampling.sampler import BatchSampler, IdentityIndex, Share
from vultus.sampling.samplers import (
    ClassBalancedSampler,
    FaceNetSampler,
    PKSampler,
    ShuffledSampler,
)

LABELS = [i % 11 for i in range(80)] + [50] * 9
MAKERS: dict[str, Callable[..., BatchSampler]] = {
    "shuffled": lambda **kw: ShuffledSampler(LABELS, batch_size=6, **kw),
    "pk": lambda **kw: PKSampler(LABELS, identities=2, images=3, **kw),
    "facenet": lambda **kw: FaceNetSampler(LABELS, identities=2, images=5, negatives=7, **kw),
    "balanced": lambda **kw: ClassBalancedSampler(LABELS, batch_size=6, **kw),
}


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[..., BatchSampler]:
    return MAKERS[request.param]


def test_length_is_the_number_of_batches(make: Callable[..., BatchSampler]) -> None:
    for world_size in (1, 2, 3):
        for rank in range(world_size):
            sampler = make(share=Share(rank, world_size))
            assert len(list(sampler)) == len(sampler) > 0


def test_epochs_differ_and_come_back(make: Callable[..., BatchSampler]) -> None:
    sampler = make(seed=3)
    first = list(sampler)
    assert list(sampler) == first  # the same epoch again, since set_epoch was not called
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    again = make(seed=3)
    again.set_epoch(1)
    assert list(again) == second
    assert list(make(seed=4)) != first


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_processes_share_an_epoch_without_loss_or_doubling(
    make: Callable[..., BatchSampler], world_size: int
) -> None:
    shares = [list(make(share=Share(rank, world_size))) for rank in range(world_size)]
    together = list(chain.from_iterable(zip(*shares, strict=True)))  # equally many steps
    whole = make(share=Share(0, world_size)).epoch_batches(np.random.default_rng([0, 0]))
    assert together == whole[: len(whole) // world_size * world_size]


def test_resuming_goes_on_with_the_next_batch(make: Callable[..., BatchSampler]) -> None:
    sampler = make(share=Share(1, 2))
    sampler.set_epoch(5)
    batches = list(sampler)
    sampler.set_epoch(5)
    begun = iter(sampler)
    head = [next(begun), next(begun)]
    again = make(share=Share(1, 2))
    again.load_state_dict(sampler.state_dict())
    assert head + list(again) == batches


@pytest.mark.parametrize(("world_size", "first", "last"), [(3, 6, 12), (4, 8, 12), (1, 6, 14)])
def test_resuming_with_other_processes_draws_no_batch_twice(
    world_size: int, first: int, last: int
) -> None:
    sampler = MAKERS["balanced"](share=Share(0, 2))
    begun = iter(sampler)
    for _ in range(3):
        next(begun)
    whole = list(MAKERS["balanced"]())
    rest = []
    for rank in range(world_size):
        again = MAKERS["balanced"](share=Share(rank, world_size))
        again.load_state_dict(sampler.state_dict())
        rest.append(list(again))
    assert list(chain.from_iterable(zip(*rest, strict=True))) == whole[first:last]
    shuffled = MAKERS["shuffled"](share=Share(0, 2)).state_dict()
    with pytest.raises(ConfigError, match="world_size 2, this one has 3"):
        MAKERS["shuffled"](share=Share(0, 3)).load_state_dict(shuffled)


def test_a_state_of_something_else_is_refused(make: Callable[..., BatchSampler]) -> None:
    state = make(seed=1).state_dict()
    with pytest.raises(ConfigError, match="seed 1, this one has 2"):
        make(seed=2).load_state_dict(state)
    with pytest.raises(ConfigError, match="num_samples 7"):
        make(seed=1).load_state_dict(state | {"num_samples": 7})
    del state["epoch"]
    with pytest.raises(ConfigError, match=r"\['epoch'\] missing"):
        make(seed=1).load_state_dict(state)


def test_a_data_loader_takes_it(make: Callable[..., BatchSampler]) -> None:
    data = TensorDataset(torch.arange(len(LABELS)))
    loader = DataLoader(data, batch_sampler=make())
    assert [batch[0].tolist() for batch in loader] == list(make())


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 5))
def test_shuffled_epochs_are_exact(samples: int, batch_size: int, world_size: int) -> None:
    samples = max(samples, world_size)
    shares = [
        list(ShuffledSampler([0] * samples, batch_size=batch_size, share=Share(rank, world_size)))
        for rank in range(world_size)
    ]
    assert len({len(share) for share in shares}) == 1
    seen = Counter(chain.from_iterable(chain.from_iterable(shares)))
    assert seen == Counter(range(samples))
    sizes = {len(batch) for share in shares for batch in share}
    assert max(sizes) - min(sizes) <= 1
    if len(shares[0]) == -(-samples // (batch_size * world_size)):
        assert max(sizes) <= batch_size


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_identity_index(labels: list[int]) -> None:
    index = IdentityIndex(labels)
    identities = sorted({label for label in labels if label >= 0})
    assert index.identities.tolist() == identities
    for i, identity in enumerate(identities):
        assert index.samples(i).tolist() == [k for k, x in enumerate(labels) if x == identity]
    assert index.counts().tolist() == [labels.count(x) for x in identities]
    assert len(index) == len(labels)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="labels must be integers"):
        IdentityIndex(np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="labels must be integers"):
        IdentityIndex(torch.empty(0, dtype=torch.int64))
    with pytest.raises(InputError, match=r"rank must lie in \[0, 2\), got 2"):
        Share(2, 2)
    with pytest.raises(InputError, match="epoch must be"):
        MAKERS["pk"]().set_epoch(-1)

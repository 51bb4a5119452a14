"""What all samplers share: seeds, epochs, processes, and a position that can be resumed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Sampler

from vultus.core.checks import check_positive_int
from vultus.core.errors import ConfigError, InputError
from vultus.core.registry import Registry

Batch = list[int]
"""Indices of a data set."""

_STATE_KEYS = ("epoch", "position", "seed", "num_samples", "world_size")


class IdentityIndex:
    """Which samples of a data set belong to which identity.

    Args:
        labels: (n,) integer identity of each sample, at least one; any numbers. A negative one is
            no identity: such samples are counted, but are nobody's.

    Attributes:
        labels: (n,) int64, read-only.
        identities: (C,) int64 labels that occur and are not negative, ascending.

    Raises:
        InputError: If labels are not integers of shape (n,), or there are none.

    Example:
        >>> index = IdentityIndex([7, 3, 7])
        >>> index.samples(1).tolist()  # of identities[1], which is 7
        [0, 2]
    """

    def __init__(self, labels: Sequence[int] | npt.NDArray[np.integer] | torch.Tensor) -> None:
        array = np.asarray(labels)
        if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
            raise InputError(
                "labels must be integers of shape (n,) with n at least 1, "
                f"got {array.dtype} of shape {array.shape}"
            )
        self.labels = array.astype(np.int64)
        self.labels.flags.writeable = False
        self._order = np.argsort(self.labels, kind="stable")
        values, starts = np.unique(self.labels[self._order], return_index=True)
        self.identities = values[values >= 0]
        self._bounds = np.append(starts[values >= 0], len(self.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def samples(self, identity: int) -> npt.NDArray[np.int64]:
        """Samples of ``identities[identity]``, ascending."""
        return self._order[self._bounds[identity] : self._bounds[identity + 1]]

    def counts(self) -> npt.NDArray[np.int64]:
        """(C,) number of samples of each identity."""
        return np.diff(self._bounds)


class Share:
    """Which process this is, of how many.

    Args:
        rank: 0 ... world_size - 1.
        world_size: Number of processes.

    Raises:
        InputError: If the rank is out of range.
    """

    def __init__(self, rank: int = 0, world_size: int = 1) -> None:
        self.world_size = check_positive_int("world_size", world_size)
        self.rank = check_positive_int("rank", rank, minimum=0)
        if rank >= world_size:
            raise InputError(f"rank must lie in [0, {world_size}), got {rank}")


class BatchSampler(Sampler[Batch], ABC):
    """A batch sampler for ``DataLoader(batch_sampler=...)`` whose batches are known beforehand.

    An epoch is one list of batches, the same on every process, fixed by seed and epoch. Process r
    of w takes batches r, r + w, r + 2w, ...; what does not fill a round of w batches is left out,
    so that all processes make the same number of steps. `set_epoch` starts an epoch; iterating goes
    on from ``position`` and leaves it behind the last batch that was handed out.

    A DataLoader with workers runs ahead: what its state says is what was handed to the loader, not
    what was trained on. Save the number of steps made, and put it into ``position``.

    Args:
        labels: (n,) integer identity of each sample.
        seed: Of all draws.
        share: Which process this is.

    Attributes:
        index: Samples by identity.
        batch_size: Samples of a batch as the settings ask for them; data may give fewer.
        epoch: The current epoch.
        position: Batches of this process already handed out in it.
    """

    batch_size: int

    resumes_with_other_world_size: ClassVar[bool] = True
    """Whether the batches of an epoch are the same for any number of processes."""

    def __init__(
        self,
        labels: Sequence[int] | npt.NDArray[np.integer] | torch.Tensor,
        *,
        seed: int = 0,
        share: Share | None = None,
    ) -> None:
        self.index = IdentityIndex(labels)
        self.seed = check_positive_int("seed", seed, minimum=0)
        self.share = Share() if share is None else share
        self.epoch = 0
        self.position = 0

    @abstractmethod
    def epoch_batches(self, generator: np.random.Generator) -> list[Batch]:
        """All batches of an epoch, for all processes.

        Args:
            generator: The only source of randomness; fixed by seed and epoch.
        """

    @abstractmethod
    def num_batches(self) -> int:
        """How many batches `epoch_batches` gives."""

    @property
    def smallest_batch(self) -> int:
        """Samples of the smallest batch, as far as that is known before they are drawn."""
        return self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self.epoch = check_positive_int("epoch", epoch, minimum=0)
        self.position = 0

    def __len__(self) -> int:
        """Batches of this process in a whole epoch."""
        return self.num_batches() // self.share.world_size

    def __iter__(self) -> Iterator[Batch]:
        """The rest of the epoch, from ``position`` on; the whole epoch if it had ended."""
        if self.position >= len(self):
            self.position = 0
        generator = np.random.default_rng([self.seed, self.epoch])
        own = self.epoch_batches(generator)[self.share.rank :: self.share.world_size]
        for batch in own[self.position : len(self)]:
            self.position += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Epoch and position, and what they are valid for."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "seed": self.seed,
            "num_samples": len(self.index),
            "world_size": self.share.world_size,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another sampler of the same data, seed and number of processes stood.

        With another number of processes the position is turned into whole rounds: nothing is drawn
        twice, and at most world_size - 1 batches of the old run's last round are left out.

        Raises:
            ConfigError: If the state lacks a key, is of other data or another seed, or is of
                another number of processes and the batches depend on that.
        """
        missing = [key for key in _STATE_KEYS if key not in state]
        if missing:
            raise ConfigError(f"a sampler's state must hold {_STATE_KEYS}, {missing} missing")
        must_equal = [("seed", self.seed), ("num_samples", len(self.index))]
        if not self.resumes_with_other_world_size:
            must_equal.append(("world_size", self.share.world_size))
        for key, own in must_equal:
            if state[key] != own:
                raise ConfigError(
                    f"the state is of a sampler with {key} {state[key]}, this one has {own}; "
                    "build it with the same data and seed, or start a new epoch instead"
                )
        self.epoch = state["epoch"]
        done = state["position"] * state["world_size"]
        self.position = -(-done // self.share.world_size)


SAMPLERS: Registry[BatchSampler] = Registry("samplers")
"""Batch samplers by the name that a recipe uses."""

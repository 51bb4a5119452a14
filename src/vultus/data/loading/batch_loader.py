"""What all loaders of training batches share: an epoch, a place in it, and what was unreadable."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.core.notices import give_notice
from vultus.data.base import FaceDataset
from vultus.data.loading.batch import FaceBatch
from vultus.sampling.sampler import BatchSampler

logger = logging.getLogger(__name__)


class BatchLoader(ABC):
    """Iterates over the batches of an epoch, from any position on.

    ``for batch in loader`` gives the rest of the current epoch; the next loop gives the next epoch.

    An image that cannot be read is black and has label -1, which losses leave out; it is counted,
    and too many are an error.

    Args:
        dataset: What to read.
        batch_sampler: Which images form a batch; made from ``dataset.labels``.
        max_unreadable: Share of the data set that may be unreadable, [0, 1].

    Attributes:
        dataset: As passed.
        sampler: As passed.
        epoch: The current epoch.
        position: Batches of it that were handed out by the loop; unlike the sampler's position it
            does not count what was made ahead.
        unreadable: Message by index, for each image that could not be read so far.

    Raises:
        InputError: If a setting is out of range, or the sampler is of another number of images.
    """

    def __init__(
        self, dataset: FaceDataset, batch_sampler: BatchSampler, *, max_unreadable: float
    ) -> None:
        if len(batch_sampler.index) != len(dataset):
            raise InputError(
                f"the sampler must be made from this data set's {len(dataset)} labels, "
                f"got one of {len(batch_sampler.index)}"
            )
        self._max_unreadable = check_range("max_unreadable", max_unreadable, low=0, high=1)
        self.dataset = dataset
        self.sampler = batch_sampler
        self.epoch = batch_sampler.epoch
        self.position = batch_sampler.position
        self.unreadable: dict[int, str] = {}

    def __len__(self) -> int:
        """Batches of this process in a whole epoch."""
        return len(self.sampler)

    def start(self, epoch: int, position: int = 0) -> None:
        """Go to a place; the next loop goes on from there.

        Args:
            epoch: Counted from 0.
            position: Batches of this process to leave out. All of them: the next epoch starts.

        Raises:
            InputError: If the epoch is negative, or has fewer batches than ``position``.
        """
        check_positive_int("epoch", epoch, minimum=0)
        check_positive_int("position", position, minimum=0)
        if position > len(self):
            raise InputError(f"position must be at most {len(self)}, got {position}")
        at_end = position == len(self)
        self.epoch, self.position = (epoch + 1, 0) if at_end else (epoch, position)

    def __iter__(self) -> Iterator[FaceBatch]:
        """The rest of the current epoch, or the next one if it has ended."""
        self.start(self.epoch, self.position)
        self.sampler.set_epoch(self.epoch)
        self.sampler.position = self.position
        for batch in self.made():
            self.position += 1
            yield batch

    @abstractmethod
    def made(self) -> Iterator[FaceBatch]:
        """The batches of the sampler's epoch, from its position on."""

    def state_dict(self) -> dict[str, Any]:
        """The sampler's state behind the last batch that was handed out."""
        return self.sampler.state_dict() | {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another loader of the same data and seed stood.

        Raises:
            ConfigError: If the state does not fit; see `BatchSampler.load_state_dict`.
        """
        self.sampler.load_state_dict(state)
        self.start(self.sampler.epoch, min(self.sampler.position, len(self)))

    def note(self, unreadable: tuple[tuple[int, str], ...]) -> None:
        """Count images that could not be read.

        Args:
            unreadable: Index and message of each.

        Raises:
            InputError: If they are too many by now.
        """
        for index, message in unreadable:
            if index not in self.unreadable:
                logged = f"unreadable, left out: image {index}"
                give_notice(logger, f"unreadable, left out: {message}", logged=logged)
            self.unreadable[index] = message
        cap = self._max_unreadable * len(self.dataset)
        if unreadable and len(self.unreadable) > cap:
            raise InputError(
                f"{len(self.unreadable)} of {len(self.dataset)} images are unreadable, more than "
                f"the share of {self._max_unreadable:g} that max_unreadable allows; "
                f"the last: {unreadable[-1][1]}"
            )

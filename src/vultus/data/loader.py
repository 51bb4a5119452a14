"""Batches of training images: read, decoded, augmented and put together by worker processes."""

import logging
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.data.augmentation.base import Transform
from vultus.data.base import FaceDataset
from vultus.data.batch import BatchMaker, BatchOrder, FaceBatch, MadeBatch
from vultus.sampling.sampler import BatchSampler

__all__ = ["FaceBatch", "FaceLoader"]

logger = logging.getLogger(__name__)

_PREFETCHED_BATCHES = 2


class FaceLoader:
    """Iterates over the batches of an epoch, from any position on.

    ``for batch in loader`` gives the rest of the current epoch; the next loop gives the next epoch.
    The images of a batch depend on the data, the seed, the epoch and their indices alone: neither
    on the number of workers, nor on what was loaded before. No global random state is touched.

    An image that cannot be read is black and has label -1, which losses leave out; it is counted,
    and too many are an error.

    Args:
        dataset: What to read.
        batch_sampler: Which images form a batch; made from ``dataset.labels``.
        augmentation: Changes an image; the generator that it is given is seeded by seed, epoch and
            index. None leaves images as they are.
        size_hw: Height and width of the batch; images of another size are resized to it.
        seed: Of the augmentation.
        workers: Processes that make batches; 0 makes them in this one.
        views: 2 adds the images without augmentation, for distillation.
        max_unreadable: Share of the data set that may be unreadable, [0, 1].
        pin_memory: Put batches into page-locked memory, for faster copies to a GPU; nothing happens
            where there is none.

    Attributes:
        epoch: The current epoch.
        position: Batches of it that were handed out by the loop; unlike the sampler's position it
            does not count what workers made ahead.
        unreadable: Message by index, for each image that could not be read so far.

    Raises:
        InputError: If a setting is out of range, or the sampler is of another number of images.
    """

    def __init__(
        self,
        dataset: FaceDataset,
        batch_sampler: BatchSampler,
        *,
        augmentation: Transform | None = None,
        size_hw: tuple[int, int] = (112, 112),
        seed: int = 0,
        workers: int = 0,
        views: int = 1,
        max_unreadable: float = 0.01,
        pin_memory: bool = False,
    ) -> None:
        if len(batch_sampler.index) != len(dataset):
            raise InputError(
                f"the sampler must be made from this data set's {len(dataset)} labels, "
                f"got one of {len(batch_sampler.index)}"
            )
        check_positive_int("workers", workers, minimum=0)
        self._max_unreadable = check_range("max_unreadable", max_unreadable, low=0, high=1)
        self._pin_memory = pin_memory and torch.cuda.is_available()
        self.dataset = dataset
        self.sampler = batch_sampler
        self.epoch = batch_sampler.epoch
        self.position = batch_sampler.position
        self.unreadable: dict[int, str] = {}
        self._maker = BatchMaker(
            dataset, augmentation=augmentation, size_hw=size_hw, seed=seed, views=views
        )
        self._batches: DataLoader[MadeBatch] = DataLoader(
            self._maker,
            sampler=_Orders(batch_sampler, slots=_slot_count(workers)),
            batch_size=None,  # an order is a batch already
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=_PREFETCHED_BATCHES if workers else None,
            worker_init_fn=_start_worker,
            generator=torch.Generator(),  # else each epoch would draw from the global one
        )

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
        for made in self._start_workers():
            self._note(made.unreadable)
            self.position += 1
            yield made.batch(self._maker.slots, pin_memory=self._pin_memory)

    def _start_workers(self) -> Iterator[MadeBatch]:
        # A forked worker has OpenCV's settings but not its threads, and would wait for them for
        # ever when it changes their number. So there must be none at the fork.
        if self._batches.num_workers and self._maker.slots is None:
            self._maker.slots = self._new_slots()
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            return iter(self._batches)
        finally:
            cv2.setNumThreads(threads)

    def _new_slots(self) -> Tensor | None:
        position = self.sampler.position
        first = next(iter(self.sampler), None)
        self.sampler.position = position
        count = _slot_count(self._batches.num_workers)
        return None if first is None else self._maker.new_slots(count, len(first))

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

    def _note(self, unreadable: tuple[tuple[int, str], ...]) -> None:
        for index, message in unreadable:
            if index not in self.unreadable:
                logger.warning("unreadable, left out: %s", message)
            self.unreadable[index] = message
        cap = self._max_unreadable * len(self.dataset)
        if unreadable and len(self.unreadable) > cap:
            raise InputError(
                f"{len(self.unreadable)} of {len(self.dataset)} images are unreadable, more than "
                f"the share of {self._max_unreadable:g} that max_unreadable allows; "
                f"the last: {unreadable[-1][1]}"
            )


class _Orders(Sampler[BatchOrder]):
    """Orders for the workers; each batch has left its slot when the slot's turn comes again.

    A DataLoader has at most ``workers * prefetched`` batches under way, and gives the next order
    when it hands a batch over, just before that batch leaves its slot: one slot more is enough.
    """

    def __init__(self, batch_sampler: BatchSampler, *, slots: int) -> None:
        self._batch_sampler = batch_sampler
        self._slots = slots

    def __iter__(self) -> Iterator[BatchOrder]:
        epoch = self._batch_sampler.epoch
        return (
            BatchOrder(epoch, indices, number % self._slots)
            for number, indices in enumerate(self._batch_sampler)
        )

    def __len__(self) -> int:
        return len(self._batch_sampler)


def _slot_count(workers: int) -> int:
    return workers * _PREFETCHED_BATCHES + 1


def _as_it_is(made: Any) -> Any:
    return made


def _start_worker(worker: int) -> None:
    # Workers are the parallelism; OpenCV's own threads would only fight over the same cores.
    cv2.setNumThreads(1)
    # A signal for the whole process group is the main process's to answer; it still needs batches.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore_once)


def _ignore_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)

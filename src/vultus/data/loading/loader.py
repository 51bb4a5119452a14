"""Batches of training images: read, decoded, augmented and put together by worker processes."""

import os
import signal
from collections.abc import Iterator
from ctypes import c_bool
from functools import partial
from multiprocessing import Value
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from vultus.core.checks import check_positive_int
from vultus.data.augmentation.base import Transform
from vultus.data.base import FaceDataset
from vultus.data.loading.batch import BatchMaker, BatchOrder, FaceBatch, MadeBatch
from vultus.data.loading.batch_loader import BatchLoader
from vultus.sampling.sampler import BatchSampler

_PREFETCHED_BATCHES = 2


class FaceLoader(BatchLoader):
    """Batches that worker processes make.

    The images of a batch depend on the data, the seed, the epoch and their indices alone: neither
    on the number of workers, nor on what was loaded before. No global random state is touched.

    Args:
        dataset: What to read.
        batch_sampler: Which images form a batch; made from ``dataset.labels``.
        augmentation: Changes an image; the generator that it is given is seeded by seed, epoch and
            index. None leaves images as they are.
        size_hw: Height and width of the batch; images of another size are resized to it.
        seed: Of the augmentation.
        workers: Processes that make batches; 0 makes them in this one.
        views: 2 adds the images with the shared steps of the augmentation alone, for a teacher
            (with none at all where the augmentation is no `Augmentation`).
        max_unreadable: Share of the data set that may be unreadable, [0, 1].
        pin_memory: Put batches into page-locked memory, for faster copies to a GPU; nothing happens
            where there is none.

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
        super().__init__(dataset, batch_sampler, max_unreadable=max_unreadable)
        check_positive_int("workers", workers, minimum=0)
        self._pin_memory = pin_memory and torch.cuda.is_available()
        self._maker = BatchMaker(
            dataset, augmentation=augmentation, size_hw=size_hw, seed=seed, views=views
        )
        # At exit multiprocessing sends SIGTERM to the workers and waits for them without a limit;
        # finalizers with a priority run before that.
        ending = Value(c_bool, False, lock=False)
        Finalize(self, setattr, args=(ending, "value", True), exitpriority=0)
        self._batches: DataLoader[MadeBatch] = DataLoader(
            self._maker,
            sampler=_Orders(batch_sampler, slots=_slot_count(workers)),
            batch_size=None,  # an order is a batch already
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=_PREFETCHED_BATCHES if workers else None,
            worker_init_fn=partial(_start_worker, ending),
            generator=torch.Generator(),  # else each epoch would draw from the global one
        )

    def made(self) -> Iterator[FaceBatch]:
        """The batches of the sampler's epoch, from its position on."""
        for made in self._start_workers():
            self.note(made.unreadable)
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


def _start_worker(ending: Any, worker: int) -> None:
    # Workers are the parallelism; OpenCV's own threads would only fight over the same cores.
    cv2.setNumThreads(1)
    # A signal for the whole process group is the main process's to answer; it still needs batches.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, partial(_ignore_once, ending))


def _ignore_once(ending: Any, number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    if ending.value:
        os._exit(0)  # any other end of a worker is an error in torch's eyes

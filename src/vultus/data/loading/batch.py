"""How one batch of training images is made, in a worker process or in the main one."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from vultus.core.checks import check_positive_int
from vultus.core.errors import ImageError, InputError
from vultus.data.augmentation.base import Transform
from vultus.data.augmentation.sequence import Augmentation
from vultus.data.base import UNLABELLED, FaceDataset
from vultus.data.loading.sizing import resized
from vultus.sampling.sampler import Batch

Pixels = npt.NDArray[np.uint8]


class FaceBatch(NamedTuple):
    """One batch; b images of one size.

    Attributes:
        images: (b, 3, h, w) uint8 RGB; from workers with the channels last in memory.
        labels: (b,) int64; -1 where the identity is unknown or the image could not be read.
        indices: (b,) int64, positions in the data set.
        clean: (b, 3, h, w) uint8, the same images with the shared steps of the augmentation alone;
            None unless asked for.
        readable: (b,) bool, False where the image could not be read; None if all could.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    clean: Tensor | None = None
    readable: Tensor | None = None

    def readable_rows(self) -> Tensor:
        """(b,) bool on the labels' device: ``readable``, all True where it is None."""
        if self.readable is None:
            return torch.ones_like(self.labels, dtype=torch.bool)
        return self.readable


class BatchOrder(NamedTuple):
    """What a worker is told to make.

    Attributes:
        epoch: It goes with the order, so that no worker can have an old one.
        indices: Which images.
        slot: Where in the shared memory the images go.
    """

    epoch: int
    indices: Batch
    slot: int = 0


class MadeBatch(NamedTuple):
    """What a worker sends back. What is small goes as arrays, which take no file handles.

    Attributes:
        images: (b, h, w, 3) uint8; None where they lie in the order's slot.
        clean: (b, h, w, 3) uint8; None where they lie there, or are not asked for.
        slot: The order's.
        labels: (b,) int64.
        indices: (b,) int64.
        unreadable: Index and message of each image that could not be read.
    """

    images: Tensor | None
    clean: Tensor | None
    slot: int
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    unreadable: tuple[tuple[int, str], ...]

    def batch(self, slots: Tensor | None, *, pin_memory: bool) -> FaceBatch:
        """What the loop is handed, in memory of its own.

        Args:
            slots: (slots, views, b or more, h, w, 3) uint8, shared with the workers.
            pin_memory: In page-locked memory.
        """
        images, clean = self.images, self.clean
        if images is None and slots is not None:
            views = [_copied(view[: len(self.labels)], pin_memory) for view in slots[self.slot]]
            images, clean = views[0], views[1] if len(views) == 2 else None
        elif pin_memory:
            images, clean = (
                None if view is None else view.pin_memory() for view in (images, clean)
            )
        if images is None:
            raise InputError("a batch whose images lie in a slot needs the slots")
        failed = [index for index, _ in self.unreadable]
        small = (
            torch.from_numpy(values)
            for values in (self.labels, self.indices, ~np.isin(self.indices, failed))
        )
        labels, indices, readable = (x.pin_memory() for x in small) if pin_memory else small
        if clean is not None:
            clean = clean.permute(0, 3, 1, 2)
        return FaceBatch(images.permute(0, 3, 1, 2), labels, indices, clean, readable)


class BatchMaker(Dataset[MadeBatch]):
    """Makes batches; a copy of it lives in each worker.

    Args:
        dataset: What to read.
        augmentation: Changes an image, or None.
        size_hw: Height and width of the batch.
        seed: Of the augmentation, with epoch and index.
        views: 2 adds the images with the shared steps of the augmentation alone.

    Attributes:
        slots: See `new_slots`; None to make each batch in memory of its own.

    Raises:
        InputError: If a setting is out of range.
    """

    slots: Tensor | None = None

    def __init__(
        self,
        dataset: FaceDataset,
        *,
        augmentation: Transform | None,
        size_hw: tuple[int, int],
        seed: int,
        views: int,
    ) -> None:
        if views not in (1, 2):
            raise InputError(f"views must be 1 or 2 (with the clean images), got {views!r}")
        height = check_positive_int("height", size_hw[0])
        self._size_hw = height, check_positive_int("width", size_hw[1])
        self._dataset = dataset
        self._augmentation = augmentation
        self._seed = check_positive_int("seed", seed, minimum=0)
        self._views = views

    def new_slots(self, count: int, batch_size: int) -> Tensor:
        """Shared memory that is used again and again: new pages take long to get.

        Args:
            count: How many batches lie in it at once.
            batch_size: Images of the largest batch.

        Returns:
            (count, views, batch_size, h, w, 3) uint8.
        """
        shape = (count, self._views, batch_size, *self._size_hw, 3)
        slots = torch.empty(shape, dtype=torch.uint8)
        slots.share_memory_()  # type: ignore[no-untyped-call]
        return slots

    def __getitem__(self, order: BatchOrder) -> MadeBatch:
        """Read, decode and change the images of an order."""
        size, slots = len(order.indices), self.slots
        in_slot = slots is not None and get_worker_info() is not None and size <= slots.shape[2]
        if slots is not None and in_slot:
            room = slots[order.slot, :, :size]
        else:
            room = torch.empty((self._views, size, *self._size_hw, 3), dtype=torch.uint8)
        labels = self._dataset.labels[order.indices]
        unreadable = self._fill(room.numpy(), labels, order)
        return MadeBatch(
            images=None if in_slot else room[0],
            clean=None if in_slot or self._views == 1 else room[1],
            slot=order.slot,
            labels=labels,
            indices=np.array(order.indices, np.int64),
            unreadable=tuple(unreadable),
        )

    def _fill(
        self, room: Pixels, labels: npt.NDArray[np.int64], order: BatchOrder
    ) -> list[tuple[int, str]]:
        """Put the images into (views, b, h, w, 3); those that cannot be read are black."""
        unreadable = []
        for row, index in enumerate(order.indices):
            try:
                image = resized(self._dataset.image(index), self._size_hw)
            except ImageError as error:
                labels[row], room[:, row] = UNLABELLED, 0
                unreadable.append((index, str(error)))
                continue
            for view, pixels in enumerate(self._seen(image, order.epoch, index)):
                room[view, row] = pixels
        return unreadable

    def _seen(self, image: Pixels, epoch: int, index: int) -> list[Pixels]:
        """Every view of an image."""
        augmentation = self._augmentation
        if augmentation is None:
            return [image] * self._views
        generator = np.random.default_rng([self._seed, epoch, index])
        if self._views == 1:
            seen = [augmentation(image, generator)]
        elif isinstance(augmentation, Augmentation):
            seen = [*augmentation.pair(image, generator)]
        else:
            seen = [augmentation(image, generator), image]
        for changed in seen:
            if changed.shape != image.shape or changed.dtype != np.uint8:
                raise InputError(
                    f"an augmentation must give uint8 of shape {image.shape}, "
                    f"got {changed.dtype} of shape {changed.shape}"
                )
        return seen


def _copied(images: Tensor, pin_memory: bool) -> Tensor:
    return torch.empty(images.shape, dtype=torch.uint8, pin_memory=pin_memory).copy_(images)

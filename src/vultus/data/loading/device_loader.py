"""Training batches from crops that lie, all of them, on the device that trains.

Where a network takes tens of thousands of images a second, no number of processes decodes and
changes them as fast; and a set of a million crops fits into the memory of a large GPU.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vultus.core.checks import check_positive_int
from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.data.augmentation.on_device import augment_batch
from vultus.data.augmentation.on_device.base import check_batched, on_device
from vultus.data.augmentation.sequence import Augmentation
from vultus.data.base import UNLABELLED, FaceDataset
from vultus.data.loading.batch import FaceBatch
from vultus.data.loading.batch_loader import BatchLoader
from vultus.data.loading.sizing import resized
from vultus.sampling.sampler import BatchSampler

logger = logging.getLogger(__name__)

_CHUNK = 1024
_NOTE_S = 15.0


class DeviceCrops:
    """All images of a data set, decoded once; several loaders may share them.

    Args:
        dataset: What to read.
        size_hw: Height and width; images of another size are resized to it.
        device: Where to keep them.
        workers: Threads that decode; 0 is one.

    Attributes:
        dataset: As passed.
        device: As passed.
        unreadable: Message by index of each image that could not be read; it is black. Complete
            when the images are there.

    Raises:
        InputError: If a setting is out of range.
    """

    def __init__(
        self,
        dataset: FaceDataset,
        *,
        size_hw: tuple[int, int] = (112, 112),
        device: torch.device,
        workers: int = 0,
    ) -> None:
        height, width = (check_positive_int("size_hw", length) for length in size_hw)
        self.dataset = dataset
        self.device = device
        self.unreadable: dict[int, str] = {}
        self._size_hw = height, width
        self._workers = max(1, check_positive_int("workers", workers, minimum=0))
        self._images: Tensor | None = None

    @property
    def images(self) -> Tensor:
        """(n, 3, h, w) uint8 RGB on the device; decoded when it is first asked for.

        Raises:
            InputError: If the device has not enough free memory.
        """
        if self._images is None:
            self._images = self._decoded()
        return self._images

    def _decoded(self) -> Tensor:
        shape = (len(self.dataset), 3, *self._size_hw)
        self._check_room(shape)
        images = torch.empty(shape, dtype=torch.uint8, device=self.device)
        room = np.empty((min(_CHUNK, len(images)), *self._size_hw, 3), np.uint8)
        said = time.monotonic()
        with ThreadPoolExecutor(self._workers) as threads:
            for start in range(0, len(images), _CHUNK):
                chunk = room[: min(_CHUNK, len(images) - start)]
                places = range(start, start + len(chunk))
                for row, image in enumerate(threads.map(self._image, places)):
                    chunk[row] = image
                images[start : start + len(chunk)] = (
                    torch.from_numpy(chunk).to(self.device).permute(0, 3, 1, 2)
                )
                if time.monotonic() - said > _NOTE_S:
                    said = time.monotonic()
                    logger.info("decoded %d of %d images", start + len(chunk), len(images))
        return images

    def _image(self, index: int) -> Image | npt.NDArray[np.uint8]:
        try:
            return resized(self.dataset.image(index), self._size_hw)
        except ImageError as error:
            self.unreadable[index] = str(error)
            return np.zeros((*self._size_hw, 3), np.uint8)

    def _check_room(self, shape: tuple[int, ...]) -> None:
        if self.device.type != "cuda":
            return
        free, _ = torch.cuda.mem_get_info(self.device)
        needed = int(np.prod(shape, dtype=np.int64))
        if needed > 0.9 * free:
            raise InputError(
                f"{shape[0]} crops take {needed / 1e9:.1f} GB, and {self.device} has "
                f"{free / 1e9:.1f} GB free; set data.on_device = false"
            )


class DeviceFaceLoader(BatchLoader):
    """Batches gathered on the device, and changed there by `vultus.data.augmentation.on_device`.

    The images of a batch depend on the data, the seed, the epoch, the process and their place in
    the epoch alone, and noise on the kind of device. No global random state is touched.

    Args:
        crops: What to read from.
        batch_sampler: Which images form a batch; made from the data set's labels.
        augmentation: Changes images; None leaves them as they are.
        seed: Of the augmentation.
        views: 2 adds the images with the shared steps of the augmentation alone, for a teacher.
        max_unreadable: Share of the data set that may be unreadable, [0, 1].

    Raises:
        InputError: If a setting is out of range, an augmentation has no batched version, or the
            sampler is of another number of images.
    """

    def __init__(
        self,
        crops: DeviceCrops,
        batch_sampler: BatchSampler,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        views: int = 1,
        max_unreadable: float = 0.01,
    ) -> None:
        super().__init__(crops.dataset, batch_sampler, max_unreadable=max_unreadable)
        if views not in (1, 2):
            raise InputError(f"views must be 1 or 2 (with a teacher's), got {views!r}")
        for step in () if augmentation is None else augmentation.steps:
            check_batched(step.transform)
        self._crops = crops
        self._augmentation = augmentation
        self._seed = check_positive_int("seed", seed, minimum=0)
        self._views = views

    def made(self) -> Iterator[FaceBatch]:
        """The batches of the sampler's epoch, from its position on."""
        images = self._crops.images
        self.note(tuple(sorted(self._crops.unreadable.items())))
        rank = self.sampler.share.rank
        for indices in self.sampler:
            generator = np.random.default_rng([self._seed, self.epoch, self.position, rank])
            yield self._batch(images, np.array(indices, np.int64), generator)

    def _batch(
        self, images: Tensor, indices: npt.NDArray[np.int64], generator: np.random.Generator
    ) -> FaceBatch:
        readable = np.array([index not in self._crops.unreadable for index in indices], np.bool_)
        labels = np.where(readable, self.dataset.labels[indices], UNLABELLED)
        device = self._crops.device
        rows = images[on_device(indices, device)]
        views = [rows] * self._views
        if self._augmentation is not None:
            floats = torch.stack(views, dim=1).to(torch.float32)
            changed = augment_batch(self._augmentation, floats, generator)
            if not readable.all():
                changed.index_fill_(0, on_device(np.flatnonzero(~readable), device), 0)
            views = list(changed.round().to(torch.uint8).unbind(dim=1))
        return FaceBatch(
            views[0],
            on_device(labels, device),
            torch.from_numpy(indices),
            views[1] if self._views == 2 else None,
            None if readable.all() else on_device(readable, device),
        )

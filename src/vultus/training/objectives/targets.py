"""What a teacher says of images: computed once, kept on disk and looked up, or asked for live."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vultus.core.errors import ImageError, InputError
from vultus.core.files import make_private_folder, writing
from vultus.data.base import FaceDataset
from vultus.data.loading.batch import FaceBatch
from vultus.data.loading.loader import FaceLoader
from vultus.data.loading.spread import spread, spread_crops
from vultus.sampling.sampler import Batch, BatchSampler
from vultus.training.objectives.objective import StageSetting
from vultus.training.objectives.teacher import Teacher
from vultus.training.process.precision import autocast

_FORMAT = "vultus-targets-1"
_PART_ROWS = 4096
_SAMPLED = 64
_MEASURED = 4096
_MEASURED_LIVE = 1024
_NOTE_S = 15.0


@dataclass(frozen=True)
class TargetFolder:
    """Files of teacher embeddings, one for every 4,096 images.

    Each is a (rows, dim) float32 ``.npy``: the teacher's vectors as they are, not normalised; a row
    of zeros is an image that could not be read. A file appears only when it is complete, so that
    an interrupted computation goes on with what is missing.

    Attributes:
        path: The folder.
        rows: Images of the data set.
        dim: Length of a vector.
    """

    path: Path
    rows: int
    dim: int

    @classmethod
    def of(cls, parent: Path, teacher: Teacher, dataset: FaceDataset) -> "TargetFolder":
        """The place for one teacher and data set, whose name is a digest of both."""
        about = {
            "format": _FORMAT,
            "teacher": teacher.space.to_dict(),
            "size_hw": list(teacher.size_hw),
            "data_sha256": data_digest(dataset),
            "images": len(dataset),
        }
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        return cls(parent / key, len(dataset), teacher.space.dim)

    def part(self, number: int) -> Path:
        """The file of images ``4096 number`` and on."""
        return self.path / f"part-{number:05d}.npy"

    def bounds(self, number: int) -> tuple[int, int]:
        """First image of a part, and the first behind it."""
        return number * _PART_ROWS, min((number + 1) * _PART_ROWS, self.rows)

    @property
    def parts(self) -> int:
        """How many there are in all."""
        return -(-self.rows // _PART_ROWS)

    def missing(self) -> list[int]:
        """Numbers of the parts that are not here, or not whole."""
        return [number for number in range(self.parts) if self.read(number) is None]

    def read(self, number: int) -> npt.NDArray[np.float32] | None:
        """A part, mapped into memory; None if it is not here or not whole."""
        start, end = self.bounds(number)
        try:
            rows = np.load(self.part(number), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return rows if rows.shape == (end - start, self.dim) and rows.dtype == np.float32 else None

    def write(self, number: int, rows: npt.NDArray[np.float32]) -> None:
        """Write a part; it has its name only when it is on the disk."""
        with writing(self.part(number), private=True) as file:
            np.save(file, rows)


class TargetTable:
    """Teacher embeddings by image.

    Args:
        folder: Complete.
        centre: Take the mean of the unit vectors from each, times its length.

    Attributes:
        dim: Length of a vector.
        mean: (dim,) float32, what is taken from unit vectors: of 4,096 spread over the data set, or
            zeros.
        scale: What brings the entries of a vector to a mean square of 1: ``sqrt(dim)`` over the
            mean length of the same ones.

    Raises:
        InputError: If a part is missing.
    """

    def __init__(self, folder: TargetFolder, *, centre: bool = False) -> None:
        missing = folder.missing()
        if missing:
            raise InputError(f"{folder.part(missing[0])} is missing; resume, and it is made anew")
        self.dim = folder.dim
        self._parts = [folder.read(number) for number in range(folder.parts)]
        sample = torch.from_numpy(self._rows(spread(folder.rows, _MEASURED)))
        sample = sample[(sample != 0).any(dim=1)]
        self.mean = _mean_direction(sample, centre=centre)
        self.scale = _scale(_without(sample, self.mean), self.dim)

    def rows(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Look up.

        Args:
            indices: (b,) int64 images on the CPU.

        Returns:
            (b, dim) float32 vectors times ``scale``, and (b,) bool: False for an image that the
            teacher could not read. Both on the CPU.
        """
        rows = torch.from_numpy(self._rows(indices.numpy()))
        return _without(rows, self.mean) * self.scale, (rows != 0).any(dim=1)

    def _rows(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        found = np.empty((len(indices), self.dim), np.float32)
        parts, places = np.divmod(indices, _PART_ROWS)
        for part in np.unique(parts):
            here = parts == part
            mapped = self._parts[part]
            assert mapped is not None  # noqa: S101 - the constructor made sure
            found[here] = mapped[places[here]]
        return found


class LiveTargets:
    """A teacher that is asked about the views of each batch.

    Args:
        teacher: Who is asked.
        dataset: The training faces; 1,024 of them, spread evenly, set the scale.
        device: Where the teacher runs.
        precision: What it computes in, as `vultus.training.process.precision.autocast`.
        centre: As of `TargetTable`.

    Attributes:
        dim: Length of a vector.
        mean: As of `TargetTable`, on the device.
        scale: As of `TargetTable`.

    Raises:
        InputError: If none of the measured images can be read.
        ModelError: If torch cannot compute the teacher.
    """

    def __init__(
        self,
        teacher: Teacher,
        dataset: FaceDataset,
        *,
        device: torch.device,
        precision: Literal["f32", "bf16", "fp16"] = "f32",
        centre: bool = False,
    ) -> None:
        self.dim = teacher.space.dim
        self.scale = 1.0
        self._network = teacher.network().to(device)
        self._autocast = partial(autocast, precision, device)
        crops = list(spread_crops(dataset, teacher.size_hw, most=_MEASURED_LIVE))
        if not crops:
            raise InputError("none of the images that a live teacher is measured with can be read")
        sample = torch.cat([self._asked(rows.to(device)) for rows in crops])
        self.mean = _mean_direction(sample, centre=centre)
        self.scale = _scale(_without(sample, self.mean), self.dim)

    def rows(self, batch: FaceBatch) -> Tensor:
        """(b, dim) float32 vectors of ``batch.clean`` times ``scale``, on its device.

        Raises:
            InputError: If the batch has no clean views.
        """
        if batch.clean is None:
            raise InputError("a live teacher needs batches with two views")
        return _without(self._asked(batch.clean), self.mean) * self.scale

    def _asked(self, images: Tensor) -> Tensor:
        with self._autocast():
            vectors: Tensor = self._network(images)
        return vectors


def compute_targets(
    folder: TargetFolder, teacher: Teacher, setting: StageSetting, *, batch_size: int = 64
) -> bool:
    """Let the teacher see every image that is not in the folder yet; all processes share the work.

    Args:
        folder: Where to.
        teacher: Who is asked, about the images without augmentation.
        setting: The images, the processes, who is told how far the first one is, and who is asked
            before each batch whether to stop.
        batch_size: Images at a time.

    Returns:
        The same on all processes: False if one of them was asked to stop.

    Raises:
        InputError: If too many images cannot be read, or the disk refuses.
    """
    world, dataset, workers = setting.world, setting.dataset, setting.recipe.data.workers
    missing = world.on_first(lambda: _prepare(folder))
    own = missing[world.rank :: world.size]
    done = True
    if own:
        progress = _Progress(sum(_length(folder, number) for number in own), setting.note)
        order = _InOrder(dataset.labels, _batches(folder, own, batch_size))
        loader = FaceLoader(dataset, order, size_hw=teacher.size_hw, workers=workers)
        stop = setting.should_stop
        done = _fill(folder, teacher, loader, own, progress=progress, should_stop=stop)
    return not world.any_rank(not done)


def data_digest(dataset: FaceDataset) -> str:
    """SHA-256 of a data set's order: the names of all images, and the bytes of 64 of them.

    What all names begin with is left out: the data set may be moved. An image that is replaced
    under its old name is noticed only if it is one of the 64, which lie evenly spread.
    """
    names = [dataset.source(index) for index in range(len(dataset))]
    first, last = min(names), max(names)
    start = next(
        (n for n, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), 0
    )
    digest = hashlib.sha256("\n".join(name[start:] for name in names).encode())
    for index in spread(len(dataset), _SAMPLED):
        try:
            digest.update(hashlib.sha256(dataset.encoded(int(index))).digest())
        except ImageError:
            digest.update(b"unreadable")
    return digest.hexdigest()


def _mean_direction(rows: Tensor, *, centre: bool) -> Tensor:
    """(dim,): the mean of the rows' unit vectors, or zeros where nothing is to be taken away."""
    mean = torch.nn.functional.normalize(rows).mean(dim=0)
    return mean if centre else torch.zeros_like(mean)


def _without(rows: Tensor, mean: Tensor) -> Tensor:
    """``(row / length - mean) length``: the mean direction is gone, and how sure a row is stays."""
    lengths: Tensor = rows.norm(dim=1, keepdim=True)
    return rows - mean * lengths


def _scale(rows: Tensor, dim: int) -> float:
    return float(dim**0.5 / rows.norm(dim=1).mean())


class _InOrder(BatchSampler):
    """Given batches, in their order."""

    def __init__(self, labels: npt.NDArray[np.int64], batches: Iterable[Batch]) -> None:
        super().__init__(labels)
        self._given = list(batches)

    def epoch_batches(self, generator: np.random.Generator) -> list[Batch]:
        return self._given

    def num_batches(self) -> int:
        return len(self._given)


class _Progress:
    """Says now and then how far it is."""

    def __init__(self, total: int, note: Callable[[str], None]) -> None:
        self._total = total
        self._note = note
        self._done = 0
        self._started = self._said = time.monotonic()
        note(f"teacher: {total} images to embed")

    def add(self, rows: int) -> None:
        self._done += rows
        now = time.monotonic()
        if now - self._said < _NOTE_S and self._done < self._total:
            return
        self._said = now
        rate = self._done / max(now - self._started, 1e-9)
        left = (self._total - self._done) / rate
        self._note(
            f"teacher: {self._done} of {self._total} images, {rate:.0f} images/s, {left:.0f} s left"
        )


def _prepare(folder: TargetFolder) -> list[int]:
    try:
        make_private_folder(folder.path)
    except OSError as error:
        raise InputError(f"{folder.path} must be a folder that can be written: {error}") from error
    return folder.missing()


def _length(folder: TargetFolder, number: int) -> int:
    start, end = folder.bounds(number)
    return end - start


def _batches(folder: TargetFolder, parts: Sequence[int], batch_size: int) -> Iterator[Batch]:
    """The images of the parts, no batch in two of them."""
    for number in parts:
        start, end = folder.bounds(number)
        for first in range(start, end, batch_size):
            yield list(range(first, min(first + batch_size, end)))


def _fill(
    folder: TargetFolder,
    teacher: Teacher,
    loader: FaceLoader,
    parts: Sequence[int],
    *,
    progress: _Progress,
    should_stop: Callable[[], bool],
) -> bool:
    """Write the parts one after the other; False if stopped."""
    waiting: list[Any] = list(parts)
    rows: list[npt.NDArray[np.float32]] = []
    for batch in loader:
        if should_stop():
            return False
        readable = batch.readable_rows().numpy()
        embeddings = teacher.embed(batch.images.permute(0, 2, 3, 1).numpy()[readable])
        found = np.zeros((len(readable), folder.dim), np.float32)
        found[readable] = embeddings.vectors * embeddings.norms[:, None]
        rows.append(found)
        progress.add(len(found))
        if sum(map(len, rows)) == _length(folder, waiting[0]):
            folder.write(waiting.pop(0), np.concatenate(rows))
            rows = []
    return True

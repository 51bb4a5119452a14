"""What every data set of faces is: encoded images with labels, read one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.core.registry import Registry
from vultus.data.decode import decode_image

UNLABELLED = -1
"""The label of an image whose identity is not known."""


class FaceDataset(ABC):
    """Face images with identities; an image is read when it is asked for.

    A data set can be pickled, so that worker processes get a copy; what it opens is opened in each
    process on first use.

    Args:
        labels: (n,) integers in [-1, C), identity of each image; `UNLABELLED` where unknown.
        identities: Names of the C identities; a label is an index of this.

    Attributes:
        labels: (n,) int64, read-only.
        identities: As passed, as a tuple.

    Raises:
        InputError: If labels are not such integers, there are none, or two names are equal.
    """

    def __init__(self, labels: npt.ArrayLike, *, identities: Sequence[str]) -> None:
        array = np.asarray(labels)
        if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
            raise InputError(
                "labels must be integers of shape (n,) with n at least 1, "
                f"got {array.dtype} of shape {array.shape}"
            )
        low, high = int(array.min()), int(array.max())
        if low < UNLABELLED or high >= len(identities):
            raise InputError(
                f"labels must lie in [-1, {len(identities)}), the identities that have a name, "
                f"got {low} to {high}"
            )
        self.identities = tuple(identities)
        if len(set(self.identities)) != len(self.identities):
            raise InputError("identities must have different names, two are equal")
        self.labels: npt.NDArray[np.int64] = array.astype(np.int64)
        self.labels.flags.writeable = False

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def encoded(self, index: int) -> bytes:
        """The bytes of the image's file.

        Raises:
            ImageError: If this image cannot be read; the others can.
        """

    def image(self, index: int) -> Image:
        """The decoded image, (h, w, 3) uint8 RGB.

        Raises:
            ImageError: If it cannot be read or decoded.
        """
        data = self.encoded(index)
        try:
            return decode_image(data)
        except ImageError as error:  # only now: the name costs as much as a tenth of the decoding
            raise ImageError(f"{self.source(index)}: {error}") from error

    def source(self, index: int) -> str:
        """Where the image comes from, for messages and manifests."""
        return f"image {index}"

    @property
    def names(self) -> Iterable[str]:
        """What a manifest calls each image: its path below the root, or ``record-<index>``."""
        return [f"record-{index}" for index in range(len(self))]

    def path(self, index: int) -> Path | None:
        """The image's own file; None where images lie inside another file or are made by code."""
        return None


DATASETS: Registry[FaceDataset] = Registry("datasets")
"""Kinds of data sets; those that are read from files take ``root``."""


def open_dataset(root: str | Path | None, kind: str = "auto", **settings: Any) -> FaceDataset:
    """Open a data set.

    Args:
        root: A folder or zip of identities, a list file, a ``.rec`` file or its folder, a ``.tar``,
            a folder or pattern (``train-{000..127}.tar``) of them; None for a kind that is made by
            code.
        kind: A name of `DATASETS`, or ``"auto"``: the content of ``root`` decides.
        settings: More settings of that kind.

    Raises:
        InputError: If there is nothing at ``root``, or it holds no such data set.
        RegistryError: If there is no such kind.
    """
    if root is None and kind == "auto":
        raise InputError(
            "a data set needs a root: a folder of one sub-folder a person, a zip of one, a .rec or "
            "a list file; or the kind of one that is made by code, such as 'synthetic'"
        )
    if root is None:
        return DATASETS.create(kind, **settings)
    path = Path(root)
    if not path.exists() and "{" not in path.name:
        raise InputError(f"a data set must be a file or a folder, and there is no {path}")
    return DATASETS.create(_kind_of(path) if kind == "auto" else kind, root=path, **settings)


def _kind_of(path: Path) -> str:
    if path.is_dir():
        if any(path.glob("*.rec")):
            return "recordio"
        tars = any(path.glob("*.tar")) and not any(entry.is_dir() for entry in path.iterdir())
        return "webdataset" if tars else "folder"
    if path.suffix.lower() == ".bin":
        raise InputError(f"{path} is a set of pairs; `vultus data pairs` unpacks it")
    kinds = {".rec": "recordio", ".idx": "recordio", ".zip": "folder", ".tar": "webdataset"}
    return kinds.get(path.suffix.lower(), "list")

"""What was computed about images, kept by their content: nothing is computed twice."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.files import make_private_folder, writing
from vultus.core.npz_file import read_npz

logger = logging.getLogger(__name__)

ROWS_PER_FILE = 4096


class FeatureStore:
    """Arrays by the SHA-256 of an image's file, in a folder of ``.npz`` files; no pickles.

    An image that is moved or renamed keeps its features, one that changes gets new ones. Files are
    written whole, some thousand images each, so that a stopped run goes on where it was.

    Args:
        folder: Made if it does not exist.
        name: What is kept, e.g. ``"embeddings"``; part of the file names.
        key: All that the features depend on beside the image (model, weights, settings); stores of
            other keys lie in the same folder and do not meet.
        fields: Dtype and shape of one image's row of each array.

    Raises:
        InputError: If the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        key: str,
        fields: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]],
    ) -> None:
        self._folder = folder
        self._stem = f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        self._fields = {name: (np.dtype(dtype), shape) for name, (dtype, shape) in fields.items()}
        try:
            make_private_folder(folder)
        except OSError as error:
            raise InputError(f"the folder {folder} cannot be made: {error.strerror}") from error
        self._rows: dict[bytes, int] = {}
        self._parts: list[dict[str, npt.NDArray[Any]]] = []
        self._starts: list[int] = []
        self._n = 0
        self._new: list[tuple[bytes, dict[str, Any]]] = []
        for path in sorted(folder.glob(f"{self._stem}-*.npz")):
            self._load(path)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def __len__(self) -> int:
        return self._n

    def add(self, digest: bytes, row: Mapping[str, Any]) -> None:
        """Keep one image's row; it is on disk after `save`, or some thousand rows later."""
        if digest in self._rows:
            return
        self._rows[digest] = self._n
        self._n += 1
        self._new.append((digest, dict(row)))
        if len(self._new) == ROWS_PER_FILE:
            self.save()

    def save(self) -> None:
        """Write what is not on disk yet.

        Raises:
            InputError: If the disk refuses.
        """
        if not self._new:
            return
        arrays = {
            name: np.array([row[name] for _, row in self._new], dtype).reshape(-1, *shape)
            for name, (dtype, shape) in self._fields.items()
        }
        digests = np.frombuffer(b"".join(d for d, _ in self._new), np.uint8).reshape(-1, 32)
        number = len(self._parts) + 1
        while (path := self._folder / f"{self._stem}-{number:05}.npz").exists():
            number += 1
        with writing(path, replace=False, private=True) as stream:
            np.savez(stream, **{"digests": digests, **arrays})  # type: ignore[arg-type]
        self._keep(arrays, len(self._new))
        self._new.clear()

    def take(self, digests: list[bytes]) -> dict[str, npt.NDArray[Any]]:
        """The rows of these images, in this order; all must have been added.

        Returns:
            By field: (n, ...) of its dtype and shape.
        """
        self.save()
        rows = np.array([self._rows[digest] for digest in digests], np.int64)
        whole = {
            name: np.empty((len(rows), *shape), dtype)
            for name, (dtype, shape) in self._fields.items()
        }
        places = np.searchsorted(self._starts, rows, side="right") - 1
        for place, part in enumerate(self._parts):
            here = places == place
            for name, array in whole.items():
                array[here] = part[name][rows[here] - self._starts[place]]
        return whole

    def _keep(self, arrays: dict[str, npt.NDArray[Any]], count: int) -> None:
        self._starts.append(self._n - count)
        self._parts.append(arrays)

    def _load(self, path: Path) -> None:
        try:
            arrays = read_npz(path, ("digests", *self._fields))
            digests = arrays.pop("digests")
            if not self._fits(arrays, len(digests)) or digests.shape[1:] != (32,):
                raise InputError("arrays of another shape")
        except InputError as error:
            logger.warning("%s is damaged and is not used: %s", path, error)
            return
        for row in digests:
            self._rows[row.tobytes()] = self._n
            self._n += 1
        self._keep(arrays, len(digests))

    def _fits(self, arrays: dict[str, npt.NDArray[Any]], count: int) -> bool:
        return all(
            arrays[name].dtype == dtype and arrays[name].shape == (count, *shape)
            for name, (dtype, shape) in self._fields.items()
        )

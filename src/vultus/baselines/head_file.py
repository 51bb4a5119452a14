"""Heads in ``.npz`` files: arrays only, no pickled objects."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.files import writing
from vultus.core.npz_file import read_npz


def save_head(
    path: Path,
    arrays: dict[str, npt.NDArray[Any]],
    *,
    kind: str,
    space: EmbeddingSpace | None = None,
) -> None:
    """Write a head's arrays; an existing file is replaced in one step.

    Args:
        path: Where to, usually ``*.npz``; used as given.
        arrays: By name.
        kind: Name and version of the format.
        space: What it was fitted to, where that is known.

    Raises:
        InputError: If the folder does not exist.
    """
    if space is not None:
        arrays = {**arrays, "space": np.array(json.dumps(space.to_dict()))}
    with writing(path) as file:
        np.savez(file, allow_pickle=False, **{**arrays, "kind": np.array(kind)})


def load_head(path: Path, *, kind: str, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Read what `save_head` wrote.

    Args:
        path: The file.
        kind: The format that it must have.
        names: The arrays that it must hold; each must be float64 and finite.

    Raises:
        InputError: If there is no such file or it is not of this kind.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        found = str(read_npz(path, ("kind",))["kind"])
        arrays = read_npz(path, names) if found == kind else {}
    except InputError as error:
        raise InputError(f"{path} is no {kind} file: {error}") from None
    if found != kind:
        raise InputError(f"{path} must be of kind {kind}, got {found}")
    for name, array in arrays.items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise InputError(f"{path}: {name} must be finite float64, got {array.dtype}")
    return arrays


def read_kind(path: Path) -> tuple[str, EmbeddingSpace | None]:
    """What kind of head a file holds, and the embedding space that it was fitted to, if known.

    Raises:
        InputError: If there is no such file or it holds no head.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        arrays = read_npz(path)
        space = arrays.get("space")
        known = None if space is None else EmbeddingSpace(**json.loads(str(space)))
        return str(arrays["kind"]), known
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no file of a head: {error}") from None

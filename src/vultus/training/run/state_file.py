"""One state in one safetensors file that is either whole and verified, or not there.

The tensors are a plain safetensors table that any tool reads; the rest of the state and the digest
of everything are in its ``__metadata__``. Nothing is ever unpickled.
"""

import errno
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vultus.core.errors import CheckpointError, InputError
from vultus.core.files import writing
from vultus.training.run.state_tree import State, digest, flatten, rebuild, tensor_bytes

_FORMAT = "vultus-state-1"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ALIGNMENT = 8
_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint64: "U64", torch.uint32: "U32", torch.uint16: "U16", torch.uint8: "U8",
    torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


def state_digest(state: Mapping[str, Any]) -> str:
    """SHA-256 of a state's content: equal exactly where every number and tensor is.

    Raises:
        InputError: If the state holds what a checkpoint cannot.
    """
    return digest(*flatten(state))


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state; when this returns, the file is on the disk and has its name.

    Whatever happens before (an error, a kill, a power cut), a file that had this name is untouched.
    One writer a folder: what a killed one left unfinished there is removed.

    Args:
        path: The file; its folder must exist.
        state: See `flatten`.

    Raises:
        InputError: If the state holds what a checkpoint cannot.
        CheckpointError: If the disk is full or cannot be written.
    """
    text, tensors = flatten(state)
    try:
        for part in path.parent.glob("*.part"):
            part.unlink(missing_ok=True)
        with writing(path, private=True) as file:
            _write(file, text, tensors)
    except OSError as error:
        reason = "the disk is full" if error.errno in _FULL else f"it failed: {error}"
        raise CheckpointError(
            f"{path.name} must be written to {path.parent}, but {reason}; earlier checkpoints are "
            "untouched. Make room or repair the disk, then resume"
        ) from error


def read_state(path: Path) -> State:
    """Read a state and verify every byte of it.

    Args:
        path: A file that `write_state` wrote.

    Returns:
        The state, tensors on the CPU and independent of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged or is no such file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint: {error}") from error
    if notes.get("format") != _FORMAT or "state" not in notes:
        raise CheckpointError(
            f"{path} must be a checkpoint of format {_FORMAT}, got {notes.get('format')}"
        )
    found = digest(notes["state"], tensors)
    if found != notes.get("sha256"):
        raise CheckpointError(
            f"{path} is damaged: its content must have SHA-256 {notes.get('sha256')}, has {found}"
        )
    try:
        return rebuild(notes["state"], tensors)
    except InputError as error:
        raise CheckpointError(f"{path} cannot be understood: {error}") from error


def _write(file: BinaryIO, text: str, tensors: dict[str, Tensor]) -> None:
    # Widest elements first: each tensor begins at a multiple of its element's size, for readers
    # that map the file into memory.
    ordered = sorted(tensors.items(), key=lambda item: -item[1].element_size())
    header: dict[str, Any] = {
        "__metadata__": {"format": _FORMAT, "state": text, "sha256": digest(text, tensors)}
    }
    end = 0
    for name, tensor in ordered:
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    file.write(struct.pack("<Q", len(encoded)) + encoded)
    for _, tensor in ordered:
        file.write(tensor_bytes(tensor))

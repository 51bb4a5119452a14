"""Files of arrays: what NumPy wrote comes back, and whatever else is there is one error."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.core.hostile_zips import LISTS, MEMBERS, change, write_zip

from vultus.core.errors import InputError
from vultus.core.npz_file import read_npz

ARRAYS: dict[str, Any] = {
    "large": np.frombuffer(os.urandom(5 << 20), np.float32),
    "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "text": np.array(["anna", "zoë"]),
    "scalar": np.array("one"),
    "empty": np.zeros((0, 3), np.int64),
}


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "a.npz", **ARRAYS)
    read = read_npz(tmp_path / "a.npz")
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].tobytes() == array.tobytes()
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
    assert list(read_npz(tmp_path / "a.npz", ("text",))) == ["text"]


@pytest.mark.parametrize("lie", [*MEMBERS, *LISTS])
def test_damaged_and_hostile_files_are_one_error(tmp_path: Path, lie: str) -> None:
    path = write_zip(
        tmp_path / "a.npz",
        [("first.npy", npy(ARRAYS["large"])), ("second.npy", npy(ARRAYS["text"]))],
    )
    change(path, "first.npy", (MEMBERS | LISTS)[lie])
    with pytest.raises(InputError, match=r"a\.npz"):
        read_npz(path)


def test_arrays_that_fill_the_memory_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", zeros=np.zeros(70 << 20, np.uint8))
    with pytest.raises(InputError, match=r"zeros\.npy must have at most"):
        read_npz(tmp_path / "bomb.npz")
    head = io.BytesIO()
    claims = {"descr": "|u1", "fortran_order": False, "shape": (10**17,)}
    np.lib.format.write_array_header_1_0(head, claims)
    path = write_zip(tmp_path / "claims.npz", [("a.npy", head.getvalue() + b"123")])
    with pytest.raises(InputError, match=r"a\.npy is no array"):
        read_npz(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(np.zeros(3)) + b"more", "holds more than an array"),
        (npy(np.zeros(3))[:-1], "is no array"),
        (b"text", "is no array"),
        (b"", "is no array"),
        (npy(np.array([{}], dtype=object)), "is no array"),
    ],
)
def test_what_is_no_array(tmp_path: Path, content: bytes, words: str) -> None:
    path = write_zip(tmp_path / "a.npz", [("a.npy", content)])
    with pytest.raises(InputError, match=rf"a\.npz/a\.npy {words}"):
        read_npz(path)


def test_missing_files_and_arrays(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_npz(tmp_path / "none.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", npy(np.zeros(3)))
    with pytest.raises(InputError, match="must hold an array 'b'"):
        read_npz(tmp_path / "a.npz", ("b",))

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols.bin_file import read_bin


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_is_read(tmp_path: Path, write_bin: Any, protocol: int) -> None:
    path = tmp_path / "set.bin"
    written, _ = write_bin(path, people=3, protocol=protocol)
    images, flags = read_bin(path)
    assert images == written
    assert flags.tolist() == [True, False] * 3


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", ["array", "scalars", "bytes as arrays"])
def test_numpy_flags_and_images_are_read(
    tmp_path: Path, write_bin: Any, protocol: int, kind: str
) -> None:
    images, flags = write_bin(tmp_path / "plain.bin", people=3)
    content: dict[str, Any] = {
        "array": (images, np.array(flags)),
        "scalars": (images, [np.bool_(flag) for flag in flags]),
        "bytes as arrays": ([np.frombuffer(image, np.uint8) for image in images], flags),
    }
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps(content[kind], protocol=protocol))
    read, labels = read_bin(path)
    assert read == images
    assert labels.tolist() == flags


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("exit 1",)


@pytest.mark.parametrize("payload", [_Evil(), ([_Evil()], [True]), [np.array([_Evil()])]])
def test_nothing_in_the_file_is_run(tmp_path: Path, payload: Any) -> None:
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps(payload))
    with pytest.raises(InputError, match="system"):
        read_bin(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (([b"a", b"b"], [True, False]), "two images a flag"),
        (([], []), "two images a flag"),
        (([b"a", "b"], [True]), "must be bytes"),
        (([b"a", b"b"], ["yes"]), "true or false"),
        ({"a": 1}, "two lists"),
        ((1, 2), "must hold lists"),
        (([b"a", b"b"], np.array([1.5])), "bytes or flags"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: Any, match: str) -> None:
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=match):
        read_bin(path)


def test_cut_and_missing_files_are_refused(tmp_path: Path, write_bin: Any) -> None:
    path = tmp_path / "set.bin"
    write_bin(path, people=2)
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="verification set"):
            read_bin(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_bin(tmp_path / "none.bin")

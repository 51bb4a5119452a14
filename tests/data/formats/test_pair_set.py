import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.data.formats.pair_set import distinct_images, read_pair_set, write_pair_set

IMAGES = [np.random.default_rng(k).bytes(300 + k) for k in range(6)]
FLAGS = [True, False, True]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps((IMAGES, FLAGS), protocol=protocol))
    images, flags = read_pair_set(path)
    assert images == IMAGES
    assert flags.tolist() == FLAGS


def test_written_sets_are_plain_pickles(tmp_path: Path) -> None:
    path = tmp_path / "set.bin"
    for flags in (FLAGS, np.array(FLAGS)):
        write_pair_set(path, IMAGES, flags=flags)
        assert pickle.loads(path.read_bytes(), encoding="bytes") == (IMAGES, FLAGS)
        assert b"numpy" not in path.read_bytes()
        assert read_pair_set(path)[0] == IMAGES
    assert list(tmp_path.iterdir()) == [path]


def test_images_that_are_stored_several_times_are_known() -> None:
    assert distinct_images([]) == ([], [])
    assert distinct_images([b"b", b"a", b"b", b"c", b"a"]) == ([0, 1, 3], [0, 1, 0, 2, 1])


def test_pairs_without_both_images_are_not_written(tmp_path: Path) -> None:
    for images, flags in (([], []), (IMAGES[:3], FLAGS), (IMAGES, FLAGS[:1])):
        with pytest.raises(InputError, match="two images a flag"):
            write_pair_set(tmp_path / "set.bin", images, flags=flags)
    with pytest.raises(InputError, match="no folder"):
        write_pair_set(tmp_path / "none/set.bin", IMAGES, flags=FLAGS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", ["array", "scalars", "bytes as arrays"])
def test_numpy_flags_and_images_are_read(tmp_path: Path, protocol: int, kind: str) -> None:
    images, flags = IMAGES, FLAGS
    content: dict[str, Any] = {
        "array": (images, np.array(flags)),
        "scalars": (images, [np.bool_(flag) for flag in flags]),
        "bytes as arrays": ([np.frombuffer(image, np.uint8) for image in images], flags),
    }
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps(content[kind], protocol=protocol))
    read, labels = read_pair_set(path)
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
        read_pair_set(path)


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
        read_pair_set(path)


def test_cut_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.bin"
    write_pair_set(path, IMAGES, flags=FLAGS)
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="verification set"):
            read_pair_set(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_pair_set(tmp_path / "none.bin")


def test_a_few_bytes_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "set.bin"
    remembers = b"\x80\x02]r" + (400_000_000).to_bytes(4, "little") + b"."
    reads = b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little")
    for content, words in ((remembers, "must hold two lists"), (reads, "is no verification set")):
        path.write_bytes(content)
        code = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        code += "from vultus.data.formats.pair_set import read_pair_set; read_pair_set(sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60
        )
        assert words in done.stderr


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_changed_bytes_give_a_set_or_an_input_error(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "set.bin"
    content = ([*IMAGES[:2], np.frombuffer(IMAGES[2], np.uint8), b"x"], np.array([True, False]))
    whole = pickle.dumps(content, protocol=protocol)
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        changed = bytearray(whole)
        for at in generator.integers(0, len(whole), 4):
            changed[at] = generator.integers(0, 256)
        path.write_bytes(changed)
        try:
            read_pair_set(path)
        except InputError:
            refused += 1
    assert refused > 100

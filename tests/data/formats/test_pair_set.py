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


_SIGNS = [1, -1, 1]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "flags",
    [
        *(
            [dtype(flag) for flag in FLAGS]
            for dtype in (int, float, np.bool_, np.uint8, np.float16)
        ),
        *(
            [dtype(sign) for sign in _SIGNS]
            for dtype in (int, float, np.int8, np.int64, np.float64)
        ),
        *(np.array(FLAGS, dtype) for dtype in (bool, np.uint8, ">i4", "<i8", ">f8", np.float32)),
        *(np.array(_SIGNS, dtype) for dtype in (np.int8, ">i2", np.int64, np.float32)),
        np.array(FLAGS)[:, None],
        tuple(_SIGNS),
    ],
    ids=repr,
)
def test_flags_of_every_type_mean_what_they_say(tmp_path: Path, protocol: int, flags: Any) -> None:
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps((IMAGES, flags), protocol=protocol))
    assert read_pair_set(path)[1].tolist() == FLAGS


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_images_may_be_byte_arrays(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "set.bin"
    for kind in (bytearray, lambda image: np.array(bytearray(image), np.uint8)):
        path.write_bytes(
            pickle.dumps(([kind(image) for image in IMAGES], FLAGS), protocol=protocol)
        )
        assert read_pair_set(path)[0] == IMAGES


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
        ([b"a"], "two lists"),
        ({"a": 1}, "makes objects"),
        ((1, 2), "must hold lists"),
        (([b"a", b"b"], np.array([1.5])), "1 or -1, got 1.5"),
        (([b"a", b"b"], [2]), "1 or -1, got 2"),
        (([b"a", b"b"], [10**5000]), "1 or -1, got int"),
        (([b"a", b"b"], [float("nan")]), "1 or -1, got float"),
        (([b"a", b"b"], [np.float64(0.5)]), "1 or -1, got 0.5"),
        (([b"a", b"b"] * 2, [0, -1]), "both 0 and -1"),
        (([b"a", b"b"], [np.complex64(1)]), "must be numbers"),
        (([b"a", b"b"], np.array(["1"])), "must be numbers"),
        (([np.ones(2, np.int64), b"b"], [True]), "int64 numbers"),
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


def _number(size: int) -> bytes:
    return (1 << 40 if size == 8 else 2_000_000_000).to_bytes(size, "little")


_ARRAY = b"cnumpy\ndtype\n(S'u1'\ntR"
_HOSTILE = {
    "remembers": b"\x80\x02]r" + (400_000_000).to_bytes(4, "little") + b".",
    "frame": b"\x80\x04\x95" + _number(8) + b"].",
    "bytes": b"\x80\x03B" + _number(4) + b".",
    "bytes8": b"\x80\x04\x8e" + _number(8) + b".",
    "bytearray8": b"\x80\x05\x96" + _number(8) + b".",
    "string": b"\x80\x02T" + _number(4) + b".",
    "text": b"\x80\x02X" + _number(4) + b".",
    "text8": b"\x80\x04\x8d" + _number(8) + b".",
    "long4": b"\x80\x02\x8b" + _number(4) + b".",
    "far place": b"\x80\x00]p99999999999999999999\n.",
    "makes bytes": b"cbuiltins\nbytearray\n(I2000000000\ntR.",
    "a list as a shape": b"cnumpy.core.numeric\n_frombuffer\n(S'a'\n"
    + _ARRAY
    + b"((lI1\naI2000000000\nttR.",
    "copies": b"\x80\x02c_codecs\nencode\nq\x00X"
    + (1 << 20).to_bytes(4, "little")
    + bytes(1 << 20)
    + b"q\x010("
    + b"h\x00h\x01\x85R" * 3000
    + b"l.",
    "lists of lists": b"cnumpy\ndtype\n(]p0\n"
    + b"".join(b"(g%d\ng%d\nlp%d\n" % (k, k, k + 1) for k in range(40))
    + b"tR.",
}


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no limits")
@pytest.mark.parametrize("content", _HOSTILE.values(), ids=_HOSTILE)
def test_hostile_bytes_take_neither_memory_nor_time(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.bin"
    path.write_bytes(content)
    code = (
        "import resource, sys\n"
        "from vultus.core.errors import InputError\n"
        "from vultus.data.formats.pair_set import read_pair_set\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)\n"
        "try:\n    read_pair_set(sys.argv[1])\n"
        "except InputError as error:\n    print(isinstance(error.__cause__, MemoryError))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n", done.stderr


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

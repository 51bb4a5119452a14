"""The file of an index: right, or refused, whatever happened to it."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import IndexFileError, InputError, OutputError
from vultus.search import coded, index, index_file
from vultus.search.index import VectorIndex
from vultus.search.index_file import IndexFile, Stamp, header

DIM = 8
STAMP = Stamp(b"a gallery", 7, b"mark")
Vectors = npt.NDArray[np.float32]


def unit(n: int, seed: int = 0, dim: int = DIM) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((n, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def saved(path: Path, n: int, dim: int = DIM) -> Vectors:
    vectors = unit(n, dim=dim)
    built = VectorIndex(dim)
    built.add(vectors, ids=np.arange(n) * 3 + 1, groups=np.arange(n) % 2)
    built.save(path, STAMP)
    return vectors


def answers(path: Path, probes: Vectors) -> list[tuple[list[int], list[float]]]:
    with IndexFile(path, owner=STAMP.owner) as file:
        found = VectorIndex.open(file).search(probes, rank=5)
        return [(answer.ids.tolist(), answer.similarities.tolist()) for answer in found]


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "index"
    vectors = saved(path, 500)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file = IndexFile(path, owner=b"a gallery")
    assert (file.stamp, file.dim, file.next_id, len(file)) == (STAMP, DIM, 499 * 3 + 2, 500)
    np.testing.assert_array_equal(file.read("vectors"), vectors)
    np.testing.assert_array_equal(file.read("ids"), np.arange(500) * 3 + 1)
    np.testing.assert_array_equal(file.read("groups"), np.arange(500) % 2)
    for name, expected in coded.encode(vectors)._asdict().items():
        np.testing.assert_array_equal(file.read(name), expected)
    with pytest.raises(ValueError, match="read-only"):
        file.read("vectors")[0] = 0
    assert VectorIndex.open(file).add(vectors[:1]).tolist() == [499 * 3 + 2]
    file.close()
    file.close()


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_rows(tmp_path: Path, n: int) -> None:
    saved(tmp_path / "index", n)
    searched = VectorIndex.open(IndexFile(tmp_path / "index"))
    assert len(searched) == n
    assert [len(a.ids) for a in searched.search(unit(2), rank=3)] == [n, n]
    searched.add(unit(2, 1))
    assert len(searched.search(unit(1), rank=9)[0].ids) == n + 2


def test_codes_of_a_file_are_used_once_that_pays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not coded.can_scan():
        pytest.skip("numba is not installed")
    vectors = saved(tmp_path / "index", 300, dim=11)
    monkeypatch.setattr(coded, "_WARM", set())
    monkeypatch.setattr(index, "_COMPILED_AFTER", 300 * 11 * 3)
    searched = VectorIndex.open(IndexFile(tmp_path / "index"))
    ways = [searched.search(vectors[i : i + 1], rank=1)[0].way for i in range(5)]
    assert ways == ["exact", "exact", "exact", "coded", "coded"]
    monkeypatch.setattr(coded, "_WARM", set())
    searched = VectorIndex.open(IndexFile(tmp_path / "index"))
    searched.warm()
    assert searched.search(vectors[:1], rank=1)[0].way == "coded"
    searched.add(unit(5, 1, dim=11), ids=np.arange(5) + 10_000)
    searched.update([1], vectors[1:2])
    assert searched.search(vectors[:2], rank=3)[0].way == "coded"
    assert len(coded._scan(11).signatures) == 1  # type: ignore[attr-defined]  # compiled once


def test_what_is_of_no_use_is_refused_with_one_reason(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with pytest.raises(IndexFileError, match="No such file"):
        IndexFile(path)
    saved(path, 50)
    good = path.read_bytes()
    with pytest.raises(IndexFileError, match="another gallery"):
        IndexFile(path, owner=b"b gallery")
    spoilt = {
        b"": "cannot be read",
        b"short": "no file of an index",
        bytes(5000): "no file of an index",
        good[:-1]: "bytes and has",
        good + b"\0": "bytes and has",
        good[:8] + b"\x02" + good[9:]: "header",
    }
    for content, why in spoilt.items():
        path.write_bytes(content)
        with pytest.raises(IndexFileError, match=why):
            IndexFile(path)
    with pytest.raises(InputError, match="64 bytes"):
        Stamp(b"x" * 65, 0)


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index"
    for version in (0, 2):
        monkeypatch.setattr(index_file, "VERSION", version)
        path.write_bytes(header(0, DIM, 0, STAMP))
        monkeypatch.undo()
        with pytest.raises(IndexFileError, match=f"version {version}, and 1"):
            IndexFile(path)


@pytest.mark.parametrize("way", ["exact", "coded"])
def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path: Path, way: str) -> None:
    if way == "coded" and not coded.can_scan():
        pytest.skip("numba is not installed")
    path, rng = tmp_path / "index", np.random.default_rng(0)
    vectors = saved(path, 3000)
    good = path.read_bytes()
    probes, expected = vectors[:3], None
    outcomes = {"refused": 0, "right": 0}
    for trial in range(301):
        content = bytearray(good)
        if trial:
            bit = int(rng.integers(8 * len(good)))
            content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            searched = VectorIndex.open(IndexFile(path), way=way)  # type: ignore[arg-type]
            found = [
                (a.ids.tolist(), a.similarities.tolist())
                for a in searched.search(probes, rank=5, groups=[1])
            ]
        except IndexFileError:
            outcomes["refused"] += 1
        else:
            expected = expected or found
            assert found == expected
            outcomes["right"] += 1
    assert outcomes["refused"] > 50
    assert outcomes["right"] > 1  # padding, and what this search does not read


def test_an_erased_row_is_overwritten_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "index"
    vectors = saved(path, 2000)
    codes = coded.encode(vectors)
    reader = VectorIndex.open(IndexFile(path))  # another process, so to say
    assert reader.search(vectors[7:8], rank=1)[0].ids.tolist() == [22]
    inode = path.stat().st_ino
    writer = VectorIndex.open(IndexFile(path))
    writer.update([31], vectors[1:2])  # first replaced, in memory, then removed
    writer.remove([22, 31])
    content = path.read_bytes()
    for row in (7, 10):
        assert vectors[row].tobytes() not in content
        assert codes.codes[row].tobytes() not in content
    assert vectors[8].tobytes() in content
    assert path.stat().st_ino == inode
    for searched in (reader, writer, VectorIndex.open(IndexFile(path))):
        [answer] = searched.search(vectors[7:8], rank=2000)
        assert len(answer.ids) == 1998
        assert not {22, 31} & set(answer.ids.tolist())
    file = IndexFile(path)
    for name in ("vectors", "codes", "scales", "radii", "groups", "ids"):
        file.read(name)  # every checksum was renewed
    VectorIndex.open(file).discard([22, 31, 5])
    assert path.read_bytes() == content
    with pytest.raises(InputError, match=r"no vector \[22\]"):
        VectorIndex.open(file).remove([22])


def test_erasing_does_not_make_damage_good(tmp_path: Path) -> None:
    path = tmp_path / "index"
    vectors = saved(path, 100)
    content = path.read_bytes()
    at = content.index(vectors[3].tobytes())
    path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
    with pytest.raises(IndexFileError, match="damaged"):
        VectorIndex.open(IndexFile(path)).remove([31])


def test_what_a_killed_eraser_left_alive_in_part_is_erased_again(tmp_path: Path) -> None:
    """Pages reach a disk in any order: a row may be dead, and its vector still there."""
    path = tmp_path / "index"
    vectors = saved(path, 100)
    file = IndexFile(path)
    original = IndexFile._wipe
    with pytest.MonkeyPatch.context() as patch:

        def only_alive(self: IndexFile, part, rows, *, nan):  # type: ignore[no-untyped-def]
            if part is self._layout.parts["alive"]:
                original(self, part, rows, nan=nan)

        patch.setattr(IndexFile, "_wipe", only_alive)
        file.erase(np.array([4]))
    assert vectors[4].tobytes() in path.read_bytes()
    VectorIndex.open(IndexFile(path)).discard([13])
    assert vectors[4].tobytes() not in path.read_bytes()


def test_a_file_that_may_not_be_written_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index"
    vectors = saved(path, 100)
    real = os.open

    def read_only(name: object, flags: int, *rest: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError
        return real(name, flags, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", read_only)
    file = IndexFile(path)
    monkeypatch.undo()
    assert not file.writable
    searched = VectorIndex.open(file)
    searched.remove([1])
    assert searched.search(vectors[:1], rank=1)[0].ids.tolist() != [1]
    with pytest.raises(OutputError, match="cannot be written"):
        file.erase(np.array([0]))


def test_a_file_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "index"
    vectors = saved(path, 100)
    file = IndexFile(path)
    searched = VectorIndex.open(file)
    assert file.is_current()
    searched.add(vectors[:1], ids=[1000])
    searched.save(path, Stamp(STAMP.owner, 8))
    assert not file.is_current()
    assert searched.search(vectors[:1], rank=2)[0].ids.tolist() == [1, 1000]  # as before
    assert IndexFile(path).stamp.position == 8
    path.unlink()
    assert not file.is_current()


KILLED = """
import sys
from pathlib import Path
import numpy as np
from vultus.search.index import VectorIndex
from vultus.search.index_file import IndexFile, Stamp
path, what = Path(sys.argv[1]), sys.argv[2]
searched = VectorIndex.open(IndexFile(path))
if what == "save":  # in memory: nothing is overwritten where it stands
    opened, searched = searched, VectorIndex(8)
    searched.add(opened.vectors(opened.ids), ids=opened.ids)
print("ready", flush=True)
for number in np.random.default_rng(int(sys.argv[3])).permutation(np.arange(2000) * 3 + 1):
    searched.remove([number])
    if what == "save":
        searched.save(path, Stamp(b"a gallery", 7, b"mark"))
"""


@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
@pytest.mark.parametrize("what", ["erase", "save"])
@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_is_right_or_refused(
    tmp_path: Path, what: str, rounds: int
) -> None:
    path = tmp_path / "index"
    vectors = saved(path, 2000)
    start = path.read_bytes()
    expected = {i * 3 + 1: vectors[i] for i in range(2000)}
    for seed in range(rounds):
        path.write_bytes(start)
        path.chmod(0o600)
        arguments = [sys.executable, "-c", KILLED, str(path), what, str(seed)]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(np.random.default_rng(seed).uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        try:
            file = IndexFile(path, owner=b"a gallery")
            searched = VectorIndex.open(file)
            ids = searched.ids.tolist()
            [answer] = searched.search(vectors[:1], rank=2000)
        except IndexFileError:
            assert what == "erase"  # half overwritten; a new file comes whole or not at all
            continue
        assert set(answer.ids.tolist()) == set(ids) <= expected.keys()
        rows = file.read("vectors")
        for row, number in enumerate(file.read("ids").tolist()):
            vector = expected[number] if file.alive[row] else np.zeros(DIM)
            np.testing.assert_array_equal(rows[row], vector)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "index"
    left = tmp_path / ".index.0123456789ab.part"
    left.write_bytes(b"half a file")
    other = tmp_path / ".other.0123456789ab.part"
    other.write_bytes(b"not ours")
    saved(path, 10)
    assert sorted(p.name for p in tmp_path.iterdir()) == [other.name, "index"]


def test_a_row_that_is_erased_while_it_is_read_is_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have overwritten half of a vector when it is compared."""
    path = tmp_path / "index"
    vectors = saved(path, 300)
    searched, other = (VectorIndex.open(IndexFile(path)) for _ in range(2))
    read = IndexFile.read
    done: list[str] = []

    def read_then_erase(self: IndexFile, name: str, rows=None):  # type: ignore[no-untyped-def]
        array = read(self, name, rows)
        if name == "ids" and not done:
            done.append(name)
            other.remove([1])
        return array

    monkeypatch.setattr(IndexFile, "read", read_then_erase)
    [answer] = searched.search(vectors[:1], rank=3)
    assert done
    monkeypatch.undo()
    [expected] = VectorIndex.open(IndexFile(path)).search(vectors[:1], rank=3)
    assert answer.ids.tolist() == expected.ids.tolist()
    assert 1 not in answer.ids
    assert len(searched) == 299

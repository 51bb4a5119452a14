"""The sealed snapshot of a gallery's templates: what it gives, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import IndexFileError
from vultus.gallery.searching import snapshot
from vultus.gallery.searching.snapshot import read_snapshot, take_out, write_snapshot
from vultus.gallery.security.sealing import new_cipher
from vultus.search.index import VectorIndex
from vultus.search.index_file import Stamp

OWNER, CIPHER = b"o" * 16, new_cipher(b"k" * 32)
STAMP = Stamp(OWNER, 7, b"m" * 8)
DIM = 16


def index_of(n: int) -> VectorIndex:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = VectorIndex(DIM)
    index.add(vectors, ids=rng.permutation(10 * n)[:n])
    return index


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "ROWS", 8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g-snapshot"


def read(path: Path) -> dict[int, list[float]]:
    _, rows = read_snapshot(path, CIPHER, owner=OWNER)
    return {
        number: vector.tolist()
        for ids, vectors in rows
        for number, vector in zip(ids.tolist(), vectors, strict=True)
    }


@pytest.mark.parametrize("n", [1, 8, 29])
def test_what_is_read_is_what_was_written(path: Path, n: int) -> None:
    index = index_of(n)
    write_snapshot(path, index, CIPHER, STAMP)
    header, _ = read_snapshot(path, CIPHER, owner=OWNER)
    assert (header.dim, header.n, header.stamp) == (DIM, n, STAMP)
    ids = np.sort(index.ids)
    assert read(path) == dict(zip(ids.tolist(), index.vectors(ids).tolist(), strict=True))
    assert path.stat().st_mode & 0o777 == 0o600
    assert index.vectors(ids[:1]).tobytes() not in path.read_bytes()


def test_who_is_taken_out_is_gone_from_the_file_and_nobody_else(path: Path) -> None:
    index = index_of(29)
    write_snapshot(path, index, CIPHER, STAMP)
    ids = np.sort(index.ids).tolist()
    before = path.read_bytes()
    take_out(path, CIPHER, [ids[0], ids[9], ids[28], -5, 10**6], owner=OWNER)
    assert set(read(path)) == set(ids) - {ids[0], ids[9], ids[28]}
    after = path.read_bytes()
    assert len(after) == len(before)
    take_out(path, CIPHER, [ids[1], ids[9]], owner=OWNER)
    assert set(read(path)) == set(ids) - {ids[0], ids[1], ids[9], ids[28]}
    assert read_snapshot(path, CIPHER, owner=OWNER)[0].stamp == STAMP


def test_any_byte_that_was_changed_is_found(path: Path) -> None:
    write_snapshot(path, index_of(20), CIPHER, STAMP)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    places = {
        *range(snapshot._HEADER.size),
        len(whole) - 1,
        *rng.integers(0, len(whole), 100).tolist(),
    }
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(IndexFileError):
            read(path)
    for wrong in (b"", whole[:40], whole[:-1], whole + b"x"):
        path.write_bytes(wrong)
        with pytest.raises(IndexFileError):
            read(path)


def test_chunks_that_change_places_are_found(path: Path) -> None:
    write_snapshot(path, index_of(16), CIPHER, STAMP)
    whole, start = path.read_bytes(), snapshot._HEADER.size
    size = (len(whole) - start) // 2
    first, second = whole[start : start + size], whole[start + size :]
    path.write_bytes(whole[:start] + second + first)
    with pytest.raises(IndexFileError, match="chunk 0"):
        read(path)


def test_of_another_key_gallery_or_version_it_is_refused(path: Path) -> None:
    write_snapshot(path, index_of(16), CIPHER, STAMP)
    _, rows = read_snapshot(path, new_cipher(b"x" * 32), owner=OWNER)
    with pytest.raises(IndexFileError, match="another key"):
        list(rows)
    with pytest.raises(IndexFileError, match="another gallery"):
        read_snapshot(path, CIPHER, owner=b"x" * 16)
    whole = bytearray(path.read_bytes())
    whole[8] = 2
    path.write_bytes(whole)
    with pytest.raises(IndexFileError, match="of version 2, and 1 is read here"):
        read_snapshot(path, CIPHER, owner=OWNER)
    with pytest.raises(IndexFileError, match="cannot be opened"):
        read_snapshot(path.with_name("nothing"), CIPHER, owner=OWNER)

import hashlib
import os
import random
from pathlib import Path

import pytest

from vultus.core.errors import DigestError
from vultus.models import digest
from vultus.models.digest import (
    check_digest,
    delete,
    find_file,
    is_stamped,
    known_sha256,
    sha256_file,
    stamp,
    stamp_path,
)

BODY = random.Random(0).randbytes(3_000_001)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(BODY)
    return path


def test_the_digest_is_sha256(file: Path) -> None:
    assert sha256_file(file) == known_sha256(file) == SHA256
    check_digest(file, SHA256)


def test_other_bytes_are_named_with_both_digests(file: Path) -> None:
    file.write_bytes(b"other")
    with pytest.raises(DigestError, match=SHA256) as caught:
        check_digest(file, SHA256)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)


def test_a_remembered_digest_is_forgotten_when_the_file_changes(file: Path) -> None:
    assert known_sha256(file) == SHA256
    file.write_bytes(b"other")
    assert known_sha256(file) == hashlib.sha256(b"other").hexdigest()


def test_a_stamp_holds_until_the_file_changes(file: Path) -> None:
    assert not is_stamped(file, SHA256)
    stamp(file, SHA256)
    assert is_stamped(file, SHA256)
    assert not is_stamped(file, "0" * 64)
    os.utime(file, ns=(0, 0))
    assert not is_stamped(file, SHA256)


def test_a_stamp_that_is_no_json_is_no_stamp(file: Path) -> None:
    stamp_path(file).write_text("{")
    assert not is_stamped(file, SHA256)


def test_deleting_takes_the_stamp_along(file: Path) -> None:
    stamp(file, SHA256)
    delete(file)
    assert list(file.parent.iterdir()) == []
    delete(file)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_file_is_found_by_its_bytes_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "whatever.bin").write_bytes(b"right")
    (tmp_path / "m.onnx").write_bytes(b"wrong")
    found = find_file([tmp_path], sha256(b"right"), name="m.onnx", size_bytes=5)
    assert found == tmp_path / "sub" / "whatever.bin"
    assert find_file([tmp_path], sha256(b"right")) == found
    assert find_file([tmp_path], sha256(b"absent")) is None


def test_mirrors_are_searched_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.onnx").write_bytes(b"right")
    found = find_file([tmp_path / "b", tmp_path / "a"], sha256(b"right"))
    assert found == tmp_path / "b" / "m.onnx"


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "m.onnx").write_bytes(b"right")
    (tmp_path / ".m.onnx").write_bytes(b"right")
    assert find_file([tmp_path], sha256(b"right")) is None


def test_files_of_another_length_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    known_sha256 = digest.known_sha256

    def spy(path: Path) -> str:
        read.append(path.name)
        return known_sha256(path)

    monkeypatch.setattr(digest, "known_sha256", spy)
    (tmp_path / "long").write_bytes(b"x" * 100)
    (tmp_path / "m.onnx").write_bytes(b"right")
    assert find_file([tmp_path], sha256(b"right"), size_bytes=5) is not None
    assert read == ["m.onnx"]


def test_the_file_of_the_right_name_is_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def spy(path: Path) -> str:
        read.append(path.name)
        return "x"

    monkeypatch.setattr(digest, "known_sha256", spy)
    for name in ("a", "m.onnx", "z"):
        (tmp_path / name).write_bytes(b"other")
    assert find_file([tmp_path], "y", name="m.onnx") is None
    assert read == ["m.onnx", "a", "z"]

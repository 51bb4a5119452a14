import hashlib
import os
from pathlib import Path

import pytest

from vultus.core.errors import DigestError
from vultus.models.digest import (
    check_digest,
    delete,
    is_stamped,
    known_sha256,
    sha256_file,
    stamp,
    stamp_path,
)

BODY = os.urandom(3_000_001)
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

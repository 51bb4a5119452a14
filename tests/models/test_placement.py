import errno
import hashlib
import io
from pathlib import Path

import pytest

from vultus.core.errors import DigestError, DownloadError, ModelError
from vultus.models.digest import is_stamped
from vultus.models.placement import check_space, full_disk_named, place, place_copy

SHA256 = hashlib.sha256(b"right").hexdigest()


def test_a_right_file_takes_its_place_with_a_stamp(tmp_path: Path) -> None:
    part, target = tmp_path / "m.part", tmp_path / "m"
    part.write_bytes(b"right")
    target.write_bytes(b"earlier")
    place(part, target, sha256=SHA256)
    assert target.read_bytes() == b"right"
    assert is_stamped(target, SHA256)
    assert not part.exists()


def test_a_wrong_file_is_deleted_and_what_was_there_stays(tmp_path: Path) -> None:
    part, target = tmp_path / "m.part", tmp_path / "m"
    part.write_bytes(b"wrong")
    target.write_bytes(b"earlier")
    with pytest.raises(DigestError, match=SHA256):
        place(part, target, sha256=SHA256)
    assert target.read_bytes() == b"earlier"
    assert not part.exists()


def test_a_stream_that_does_not_end_is_cut_off(tmp_path: Path) -> None:
    stream = io.BytesIO(b"right" * 1_000_000)
    with pytest.raises(ModelError, match="at most 5 bytes"):
        place_copy(stream, tmp_path / "m", sha256=SHA256, max_bytes=5)
    assert list(tmp_path.iterdir()) == []


def test_space_is_counted(tmp_path: Path) -> None:
    check_space(tmp_path, 1)
    with pytest.raises(DownloadError, match="make room"):
        check_space(tmp_path, 1 << 62)


def test_only_a_full_disk_is_renamed(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="full"), full_disk_named(tmp_path / "m"):
        raise OSError(errno.ENOSPC, "no space")
    with pytest.raises(OSError, match="broken") as caught, full_disk_named(tmp_path / "m"):
        raise OSError(errno.EIO, "broken")
    assert not isinstance(caught.value, DownloadError)

import errno
import hashlib
import itertools
import struct
import zipfile
from pathlib import Path

import pytest

from vultus.core.errors import DigestError, DownloadError, ModelError
from vultus.models.digest import is_stamped
from vultus.models.placement import check_space, extract_member, full_disk_named, place_copy

SHA256 = hashlib.sha256(b"right").hexdigest()
BODY = b"weights" * 1000
PACKED_SHA256 = hashlib.sha256(BODY).hexdigest()


def pack(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in entries:
            archive.writestr(name, body)
    return path


def extract(archive: Path, *, size_bytes: int | None = len(BODY)) -> Path:
    target = archive.parent / "store" / "m.onnx"
    target.parent.mkdir(exist_ok=True)
    extract_member(archive, target, member="m.onnx", sha256=PACKED_SHA256, size_bytes=size_bytes)
    return target


def leftovers(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def test_right_bytes_take_their_place_with_a_stamp(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"earlier")
    place_copy([b"ri", b"ght"], tmp_path / "m", sha256=SHA256, max_bytes=5)
    assert (tmp_path / "m").read_bytes() == b"right"
    assert is_stamped(tmp_path / "m", SHA256)
    assert leftovers(tmp_path) == ["m", "m.verified"]


def test_wrong_bytes_are_not_kept_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"earlier")
    with pytest.raises(DigestError, match=SHA256):
        place_copy([b"wrong"], tmp_path / "m", sha256=SHA256, max_bytes=5)
    assert (tmp_path / "m").read_bytes() == b"earlier"
    assert leftovers(tmp_path) == ["m"]


def test_a_stream_that_does_not_end_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="at most 5 bytes"):
        place_copy(itertools.repeat(b"right"), tmp_path / "m", sha256=SHA256, max_bytes=5)
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


@pytest.mark.parametrize("name", ["m.onnx", "pack/m.onnx"])
def test_one_member_is_taken_and_nothing_else(tmp_path: Path, name: str) -> None:
    archive = pack(tmp_path / "p.zip", ("other.onnx", b"other"), (name, BODY))
    assert extract(archive).read_bytes() == BODY
    assert leftovers(tmp_path) == ["m.onnx", "m.onnx.verified", "p.zip"]


@pytest.mark.parametrize(
    "name", ["../m.onnx", "/m.onnx", "a/../../m.onnx", "..\\m.onnx", "\\m.onnx", "C:/m.onnx"]
)
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    archive = pack(tmp_path / "p.zip", (name, BODY))
    with pytest.raises(ModelError, match="leads out"):
        extract(archive)
    assert leftovers(tmp_path) == ["p.zip"]


def test_an_evil_neighbour_is_enough_to_refuse_the_pack(tmp_path: Path) -> None:
    archive = pack(tmp_path / "p.zip", ("m.onnx", BODY), ("../evil", b""))
    with pytest.raises(ModelError, match="leads out"):
        extract(archive)


def test_links_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("m.onnx")
    link.external_attr = 0o120777 << 16
    archive = pack(tmp_path / "p.zip", (link, b"/etc/passwd"))
    with pytest.raises(ModelError, match="a link"):
        extract(archive)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "p.zip", ("m.onnx", BODY))
    body = bytearray(archive.read_bytes())
    body[body.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    archive.write_bytes(body)
    with pytest.raises(ModelError, match="encrypted"):
        extract(archive)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    archive = pack(tmp_path / "p.zip", ("m.onnx", bytes(50_000_000)))
    assert archive.stat().st_size < 100_000
    with pytest.raises(ModelError, match="at most 7,000 bytes, got 50,000,000"):
        extract(archive)
    assert leftovers(tmp_path) == ["p.zip"]


def test_a_bomb_that_lies_about_its_size_gets_no_further(tmp_path: Path) -> None:
    archive = pack(tmp_path / "p.zip", ("m.onnx", bytes(50_000_000)))
    body = bytearray(archive.read_bytes())
    struct.pack_into("<I", body, body.index(b"PK\x01\x02") + 24, len(BODY))
    archive.write_bytes(body)
    with pytest.raises((ModelError, DigestError)):
        extract(archive)
    assert leftovers(tmp_path) == ["p.zip"]


def test_a_member_of_other_bytes_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "p.zip", ("m.onnx", b"x" * len(BODY)))
    with pytest.raises(DigestError, match=PACKED_SHA256):
        extract(archive)
    assert leftovers(tmp_path) == ["p.zip"]


def test_a_missing_or_doubtful_member_is_refused(tmp_path: Path) -> None:
    none = pack(tmp_path / "none.zip", ("other.onnx", BODY))
    with pytest.raises(ModelError, match=r"must hold m\.onnx once, holds 0"):
        extract(none)
    two = pack(tmp_path / "two.zip", ("a/m.onnx", BODY), ("b/m.onnx", BODY))
    with pytest.raises(ModelError, match="holds 2"):
        extract(two, size_bytes=None)


def test_what_is_no_zip_or_a_broken_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(b"PK nothing")
    with pytest.raises(ModelError, match="sound zip"):
        extract(tmp_path / "p.zip")
    archive = pack(tmp_path / "q.zip", ("m.onnx", BODY))
    body = bytearray(archive.read_bytes())
    body[45] ^= 0xFF
    archive.write_bytes(body)
    with pytest.raises((ModelError, DigestError)):
        extract(archive)
    assert leftovers(tmp_path) == ["p.zip", "q.zip"]

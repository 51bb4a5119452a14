import io
import secrets
import zipfile
from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.core.zip_file import read_member, zip_members
from vultus.server.jobs.uploads import Upload, UploadWriter

KEY = bytes(range(32))


def _written(path: Path, data: bytes, step: int) -> Upload:
    writer = UploadWriter(path, KEY)
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
    writer.close(whole=True)
    assert writer.size == len(data)
    return Upload(path, KEY, writer.size)


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2_500_000])
def test_what_was_written_is_read_at_any_place(tmp_path: Path, size: int) -> None:
    data = secrets.token_bytes(size)
    upload = _written(tmp_path / "u", data, 300_000)
    for start, length in ((0, size), (size - 1, 5), (size // 2, size), (0, 0), (size, 1)):
        assert upload.read(start, length) == data[start : start + length]
    stream = upload.stream()
    stream.seek(-1, io.SEEK_END)
    assert stream.read() == data[-1:]


def test_nothing_is_on_the_disk_in_clear_and_no_bit_can_be_changed(tmp_path: Path) -> None:
    data = b"marker" * 400_000
    upload = _written(tmp_path / "u", data, 65_536)
    sealed = (tmp_path / "u").read_bytes()
    assert b"marker" not in sealed
    assert (tmp_path / "u").stat().st_mode & 0o077 == 0
    (tmp_path / "u").write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert upload.read(0, 6) == b"marker"
    with pytest.raises(InputError, match="not as it was written"):
        upload.read(len(data) - 1, 1)
    half = 1 << 20
    (tmp_path / "u").write_bytes(sealed[half + 28 :] + sealed[: half + 28])  # in another order
    with pytest.raises(InputError, match="not as it was written"):
        Upload(tmp_path / "u", KEY, len(data)).read(0, 1)


def test_a_zip_is_read_out_of_it(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", b"hello" * 1000)
    upload = _written(tmp_path / "u", packed.getvalue(), 100)
    (member,), _ = zip_members(upload.path, stream=upload.stream())
    assert read_member(upload, member, max_bytes=10_000) == b"hello" * 1000

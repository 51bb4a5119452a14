import io
import zipfile
from pathlib import Path

import pytest

from vultus.core.errors import ImageError, InputError
from vultus.server.jobs.archive import Archive, Limits
from vultus.server.jobs.uploads import Upload, UploadWriter

LIMITS = Limits(photos=5, bytes=1_000_000, pixels=1_000_000)
KEY = bytes(32)


def _archive(folder: Path, files: dict[str, bytes], limits: Limits = LIMITS) -> Archive:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return _of(folder, packed.getvalue(), limits)


def _of(folder: Path, data: bytes, limits: Limits = LIMITS) -> Archive:
    path = folder / f"u{len(list(folder.iterdir()))}"
    writer = UploadWriter(path, KEY)
    writer.write(data)
    writer.close(whole=True)
    return Archive(Upload(path, KEY, len(data)), limits)


def _people(archive: Archive) -> dict[str, tuple[str, ...]]:
    return {person.identity: person.photos for person in archive.people()}


def test_people_are_folders_wherever_they_lie(tmp_path: Path) -> None:
    for root in ("", "all/", "all/of/them/"):
        files = {f"{root}Ada/1.jpg": b"", f"{root}Ada/x/2.jpg": b"", f"{root}Bo/1.png": b""}
        hidden = {f"{root}Ada/.3.jpg": b"", "__MACOSX/Ada/4.jpg": b""}
        found = _people(_archive(tmp_path, {**files, **hidden}))
        assert found == {
            "Ada": (f"{root}Ada/1.jpg", f"{root}Ada/x/2.jpg"),
            "Bo": (f"{root}Bo/1.png",),
        }
    assert list(_people(_archive(tmp_path, {"Ada/1.jpg": b""}))) == ["Ada"]
    with pytest.raises(InputError, match="folder of photos for each person"):
        _archive(tmp_path, {"1.jpg": b""}).people()


def test_a_table_says_who_is_on_which_photo(tmp_path: Path) -> None:
    table = "photo,name,external_id\n./p/1.jpg,Ada,e1\np/../p/2.jpg,Ada,\np/3.jpg,Bo,\n"
    files = {"in/people.csv": table.encode(), "in/p/1.jpg": b"", "in/p/2.jpg": b""}
    archive = _archive(tmp_path, files)
    assert _people(archive) == {"Ada": ("in/p/1.jpg", "in/p/2.jpg"), "Bo": ("in/p/3.jpg",)}
    assert archive.people()[0].details is not None
    with pytest.raises(ImageError, match="not in the zip"):
        archive.read("in/p/3.jpg")
    for wrong in (b"photo,name\n1.jpg\n", b"photo\n1.jpg\n", b"\xff\xfe", b'photo,name\n"1,Ada\n'):
        with pytest.raises(InputError):
            _archive(tmp_path, {"a.csv": wrong, "1.jpg": b""}).people()
    with pytest.raises(InputError, match="one CSV"):
        _archive(tmp_path, {"a.csv": b"", "b.csv": b"", "1.jpg": b""}).people()


def test_what_no_photos_are_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unpacks to more"):
        _archive(tmp_path, {f"Ada/{n}.jpg": bytes(30_000_000) for n in range(3)})
    with pytest.raises(InputError, match="may hold 5 files"):
        _archive(tmp_path, {f"Ada/{n}.jpg": b"" for n in range(6)})
    with pytest.raises(InputError, match="leads out"):
        _archive(tmp_path, {"../Ada/1.jpg": b""})
    with pytest.raises(InputError, match="no photo"):
        _archive(tmp_path, {"Ada/1.txt": b""})
    with pytest.raises(InputError, match="zip that is whole"):
        _of(tmp_path, b"no zip")
    large = _archive(tmp_path, {"Ada/1.jpg": bytes(1_000_001)})
    with pytest.raises(ImageError, match="at most"):
        large.read("Ada/1.jpg")
    assert large.digest("Ada/1.jpg") is None

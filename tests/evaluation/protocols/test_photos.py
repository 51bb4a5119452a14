"""Photos by name, from folders, zips and files of embeddings."""

import os
import zipfile
from pathlib import Path

import pytest
from tests.core.hostile_zips import MEMBERS, change, write_zip

from vultus.core.errors import ImageError, InputError
from vultus.evaluation.protocols.photos import PhotoRoot

PHOTOS = {"anna/1.jpg": b"one", "anna/2.png": b"two", "bo/1.jpg": b"three"}


@pytest.fixture(params=["folder", "zip"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The photos, and what is none: other files and hidden ones."""
    files = PHOTOS | {
        ".cache/1.jpg": b"",
        "anna/._1.jpg": b"",
        "__MACOSX/1.jpg": b"",
        "list.txt": b"",
    }
    if request.param == "zip":
        return write_zip(tmp_path / "photos.zip", files.items())
    for name, content in files.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "photos"


def test_photos_are_found_and_read_by_name(root: Path) -> None:
    photos = PhotoRoot(root)
    assert photos.names == sorted(PHOTOS)
    assert photos.find("anna/1.jpg") == "anna/1.jpg"
    assert photos.find("2.jpg") == "anna/2.png"
    for name, content in PHOTOS.items():
        photo = photos.read(name)
        assert (photo.read_bytes() if isinstance(photo, Path) else photo) == content
    with pytest.raises(InputError, match="no such photo"):
        photos.find("3.jpg")
    with pytest.raises(InputError, match=r"several: anna/1\.jpg, bo/1\.jpg"):
        photos.find("1.png")


@pytest.mark.parametrize("lie", MEMBERS)
def test_a_damaged_photo_in_a_zip_is_named(tmp_path: Path, lie: str) -> None:
    path = write_zip(tmp_path / "photos.zip", PHOTOS.items())
    photos = PhotoRoot(change(path, "anna/1.jpg", MEMBERS[lie]))
    with pytest.raises(ImageError, match=r"photos\.zip/anna/1\.jpg"):
        photos.read("anna/1.jpg")
    assert photos.read("bo/1.jpg") == b"three"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among the files")
def test_what_holds_no_photos(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    (tmp_path / "text").write_text("no zip")
    os.mkfifo(tmp_path / "pipe.zip")
    for name, words in (
        ("empty.zip", "found none"),
        ("text", "folder or a zip of photos, or an .npz"),
        ("pipe.zip", "folder or a zip of photos, or an .npz"),
        ("missing", "folder or a zip of photos, or an .npz"),
    ):
        with pytest.raises(InputError, match=words):
            PhotoRoot(tmp_path / name)

import tarfile
import zipfile
from pathlib import Path

import pytest

from vultus.bulk.photo_list import StoredPlace, list_photos, photo_list_digest
from vultus.core.errors import ImageError, InputError


@pytest.fixture
def archives(photo_folder: Path, tmp_path: Path) -> Path:
    """The photos in a zip and in two tars, with labels and a hidden file beside them."""
    photos = sorted(photo_folder.rglob("*.png"))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in photos:
            archive.write(path, path.relative_to(photo_folder))
        archive.writestr("__MACOSX/a/._00.png", b"x")
    (tmp_path / "tars").mkdir()
    for number, part in enumerate((photos[:5], photos[5:])):
        with tarfile.open(tmp_path / "tars" / f"part-{number:03d}.tar", "w") as tar:
            for path in part:
                tar.add(path, path.name)
            tar.add(photos[0], ".hidden.png")
    return tmp_path


def test_whatever_they_are_packed_in_the_same_bytes_come_out(
    archives: Path, photo_folder: Path
) -> None:
    want = sorted(path.read_bytes() for path in photo_folder.rglob("*.png"))
    listing = archives / "list.txt"
    listing.write_text("\n".join(map(str, sorted(photo_folder.rglob("*.png")))) + "\n\n")
    for source in (
        photo_folder,
        archives / "photos.zip",
        archives / "tars",
        archives / "tars" / "part-{000..001}.tar",
        listing,
        str(photo_folder / "**" / "*.png"),
    ):
        assert sorted(photo.read() for photo in list_photos([source])) == want


def test_the_order_stays_and_nothing_comes_twice(archives: Path, photo_folder: Path) -> None:
    once = list_photos([photo_folder])
    assert [photo.name for photo in once] == sorted(photo.name for photo in once)
    zipped = list_photos([archives / "photos.zip"])
    assert list_photos([photo_folder, archives / "photos.zip", photo_folder / "a"]) == once + zipped
    assert photo_list_digest(once) == photo_list_digest(list_photos([photo_folder]))
    assert photo_list_digest(once) != photo_list_digest(once[::-1])


def test_relative_paths_of_a_list_are_beside_it(photo_folder: Path) -> None:
    listing = photo_folder / "some.txt"
    listing.write_text("b/07.png\r\na/00.png\n")
    try:
        found = list_photos([listing])
    finally:
        listing.unlink()
    assert [Path(p.name).name for p in found] == ["07.png", "00.png"]
    assert found[1].read() == (photo_folder / "a" / "00.png").read_bytes()


def test_bad_sources_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "a.tar").write_bytes(b"x" * 1024)
    for sources, words in (
        ([], "at least one"),
        ("photos", "list of paths"),
        ([tmp_path / "nothing"], "no image|found none"),
        ([tmp_path / "gone-{0..3}.tar"], "no file"),
        ([tmp_path / "a.tar"], "no tar"),
    ):
        with pytest.raises((InputError, ImageError), match=words):
            list_photos(sources)


def test_an_archive_that_was_changed_gives_an_error_not_other_bytes(archives: Path) -> None:
    first = list_photos([archives / "photos.zip"])[0]
    packed = (archives / "photos.zip").read_bytes()
    cut = archives / "cut.zip"
    cut.write_bytes(packed[:30])
    moved = StoredPlace(first.name.replace("photos.zip", "cut.zip"), str(cut), first.numbers)
    with pytest.raises(ImageError):
        moved.read()
    tar = list_photos([archives / "tars"])[0]
    short = archives / "short.tar"
    short.write_bytes(Path(tar.archive).read_bytes()[:600])
    with pytest.raises(ImageError, match="cut short"):
        StoredPlace(f"{short}/x.png", str(short), (512, 4000)).read()

"""Folders and zips of identities, against what was written into them."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from vultus.core.errors import ImageError, InputError, RegistryError
from vultus.data import DATASETS, open_dataset
from vultus.data.formats.convert import convert
from vultus.data.formats.files import MAX_IMAGE_BYTES
from vultus.data.formats.folder import FolderDataset

MakeFolder = Callable[..., Path]


def zipped(root: Path, *, method: int = zipfile.ZIP_STORED) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(root.rglob("*"), reverse=True):
            archive.write(file, file.relative_to(root).as_posix())
    return path


@pytest.fixture
def root(make_folder: MakeFolder) -> Path:
    root = make_folder({"web/bo": 2, "anna/2019": 1, "anna/2020": 2, "web/_unlabelled/x": 1})
    (root / "web/bo/notes.txt").write_text("no image")
    (root / "web/bo/.hidden.png").write_bytes(b"")
    (root / "web/nobody").mkdir()
    (root / ".cache").mkdir()
    (root / "stray.png").write_bytes((root / "web/bo/00.png").read_bytes())
    return root


@pytest.mark.parametrize("stored", ["folder", "stored", "deflated"])
def test_the_folder_that_holds_an_image_is_its_identity(root: Path, stored: str) -> None:
    method = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}.get(stored)
    place = root if method is None else zipped(root, method=method)
    dataset = open_dataset(place)
    assert isinstance(dataset, FolderDataset)
    assert dataset.identities == ("anna/2019", "anna/2020", "web/bo")
    names = ["anna/2019/00", "anna/2020/00", "anna/2020/01", "stray"]
    names += ["web/_unlabelled/x/00", "web/bo/00", "web/bo/01"]
    assert list(dataset.files.names) == [f"{name}.png" for name in names]
    assert dataset.labels.tolist() == [0, 1, 1, -1, -1, 2, 2]
    assert dataset.empty_folders == ("web/nobody",)
    copy = pickle.loads(pickle.dumps(dataset))
    for index, name in enumerate(names):
        assert copy.encoded(index) == (root / f"{name}.png").read_bytes()
        assert copy.source(index).endswith(f"/{name}.png")


def test_depth_names_identities_by_their_first_folders(root: Path) -> None:
    (root / "anna/00.png").touch()
    with pytest.raises(InputError, match=r"at least 2 folders.*anna/00"):
        FolderDataset(root, depth=2)
    assert FolderDataset(root, depth=1).identities == ("anna", "web")


def test_opening_reads_no_image(make_folder: MakeFolder) -> None:
    root = make_folder({f"person {n:03}": 0 for n in range(100)})
    for folder in root.iterdir():
        for number in range(30):
            (folder / f"{number}.jpg").touch()
    dataset = FolderDataset(root)
    assert (len(dataset), len(dataset.identities)) == (3000, 100)
    with pytest.raises(ImageError, match=r"person 000/0\.jpg"):
        dataset.image(0)


def test_file_names_that_are_not_utf8_are_read(make_folder: MakeFolder) -> None:
    root = make_folder({"anna": 1})
    strange = os.fsdecode(b"b\xe9.png")
    (root / "anna/00.png").rename(root / "anna" / strange)
    dataset = FolderDataset(root)
    assert dataset.encoded(0) == (root / "anna" / strange).read_bytes()


@pytest.mark.parametrize("content", [None, "notes.txt", "a file"])
def test_what_holds_no_image_is_refused(tmp_path: Path, content: str | None) -> None:
    root = tmp_path / "root"
    if content == "a file":
        root.write_bytes(b"PK\x03\x04 not really")
    else:
        root.mkdir()
        if content is not None:
            (root / content).touch()
    with pytest.raises(InputError, match=str(root)):
        FolderDataset(root)


def test_a_large_file_is_not_read(make_folder: MakeFolder) -> None:
    root = make_folder({"anna": 1})
    with open(root / "anna/00.png", "r+b") as stream:
        stream.truncate(MAX_IMAGE_BYTES + 1)
    with pytest.raises(ImageError, match="must be a file of at most"):
        FolderDataset(root).encoded(0)


def test_unknown_places_and_kinds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no"):
        open_dataset(tmp_path / "none")
    with pytest.raises(RegistryError, match="did you mean 'folder'"):
        open_dataset(tmp_path, "folders")
    with pytest.raises(InputError, match="depht"):
        open_dataset(tmp_path, "folder", depht=1)
    assert "folder" in DATASETS


def damage(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("what", "match"),
    [("pixels", "damaged"), ("header", "no header"), ("method", "stored or deflated")],
)
def test_a_damaged_member_is_said_and_the_others_are_read(
    make_folder: MakeFolder, method: int, what: str, match: str
) -> None:
    root = make_folder({"anna": 2})
    place = zipped(root, method=method)
    expected = (root / "anna/01.png").read_bytes()
    with zipfile.ZipFile(place) as archive:
        start = archive.getinfo("anna/00.png").header_offset
    data = bytearray(place.read_bytes())
    entry = data.index(b"anna/00.png", data.index(b"PK\x01\x02")) - 46
    at = {"pixels": start + 30 + 11 + 60, "header": start, "method": entry + 10}[what]
    data[at] ^= 0xFF
    place.write_bytes(data)
    dataset = FolderDataset(place)
    with pytest.raises(ImageError, match=rf"anna/00\.png.*{match}"):
        dataset.encoded(0)
    assert dataset.encoded(1) == expected


def test_a_deflated_bomb_stops_at_its_declared_size(tmp_path: Path) -> None:
    place = tmp_path / "faces.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("anna/00.png", bytes(1 << 26))
    data = place.read_bytes()
    place.write_bytes(data.replace((1 << 26).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(ImageError, match="size or checksum"):
        FolderDataset(place).encoded(0)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_zip_cut_short_is_refused(make_folder: MakeFolder, keep: float) -> None:
    place = zipped(make_folder({"anna": 3}))
    data = place.read_bytes()
    place.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match=r"faces\.zip"):
        FolderDataset(place)


def test_what_is_left_out_is_counted_once_and_gifs_are_images(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = [Image.open(root / "stray.png"), Image.new("RGB", (8, 8))]
    pictures[0].save(root / "web/bo/02.gif", save_all=True, append_images=pictures[1:])
    (root / "anna/2019/film.mov").touch()
    (root / "alignment.toml").touch()  # ours, and no surprise
    for source in (root, zipped(root)):
        caplog.clear()
        dataset = FolderDataset(source)
        assert [record.getMessage() for record in caplog.records] == [
            "of a folder or zip of images left out: 2 files (1 .mov, 1 .txt)"
        ]
        assert "web/bo/02.gif" in list(dataset.names)
        assert dataset.image(list(dataset.names).index("web/bo/02.gif")).any()
    target = root.parent / "copy.zip"
    assert convert(dataset, target, kind="zip").images == len(dataset)
    assert len(FolderDataset(target)) == len(dataset)

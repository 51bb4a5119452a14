"""Conversions: every image in every format, byte for byte, or nothing at all."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.data import FaceDataset, open_dataset
from vultus.data.formats.convert import convert, write_list
from vultus.data.formats.folder import FolderDataset
from vultus.data.formats.pair_folder import unpack_pair_set
from vultus.data.formats.pair_set import write_pair_set
from vultus.data.formats.writers import WRITERS

MakeFolder = Callable[..., Path]
COUNTS = {"web/bo": 3, "anna": 2, "_unlabelled": 2, "ünal": 1}


def content(dataset: FaceDataset) -> set[tuple[str | None, bytes]]:
    names = [None if label < 0 else dataset.identities[label] for label in dataset.labels.tolist()]
    return {(name, dataset.encoded(index)) for index, name in enumerate(names)}


def target_of(kind: str, folder: Path, name: str = "target") -> Path:
    return folder / (f"{name}.zip" if kind == "zip" else name)


@pytest.fixture(params=[".png", ".jpg", ".webp"])
def source(make_folder: MakeFolder, request: pytest.FixtureRequest) -> FolderDataset:
    return FolderDataset(make_folder(COUNTS, ending=request.param))


@pytest.mark.parametrize("first", WRITERS)
@pytest.mark.parametrize("second", WRITERS)
def test_there_and_on(source: FolderDataset, tmp_path: Path, first: str, second: str) -> None:
    expected = content(source)
    assert len(expected) == 8
    dataset: FaceDataset = source
    for step, kind in enumerate((first, second)):
        target = target_of(kind, tmp_path, f"step {step}")
        done = convert(dataset, target, kind=kind)
        assert (done.images, done.identities, done.unreadable) == (8, 3, {})
        dataset = open_dataset(target)
        assert content(dataset) == expected
        assert dataset.labels.tolist() in ([0, 0, 1, 1, 1, 2, -1, -1], [-1, -1, 0, 0, 1, 1, 1, 2])
    left = {path.name for path in tmp_path.iterdir()} - {"faces"}
    assert left == {target_of(first, tmp_path, "step 0").name, target.name}


def test_a_list_names_the_files(source: FolderDataset, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    target = tmp_path / "lists/faces.tsv"
    write_list(source, target)
    assert target.read_text("utf-8").startswith("../faces/_unlabelled/00")
    dataset = open_dataset(target)
    assert content(dataset) == content(source)
    again = tmp_path / "lists/again.tsv"
    write_list(dataset, again)
    assert again.read_bytes() == target.read_bytes()


def test_images_inside_other_files_cannot_be_listed(source: FolderDataset, tmp_path: Path) -> None:
    for kind in ("zip", "recordio"):
        convert(source, target_of(kind, tmp_path, kind), kind=kind)
        with pytest.raises(InputError, match="convert to a folder first"):
            write_list(open_dataset(target_of(kind, tmp_path, kind)), tmp_path / "faces.tsv")


@pytest.mark.parametrize("kind", WRITERS)
def test_unreadable_images_are_left_out_up_to_the_cap(
    make_folder: MakeFolder, tmp_path: Path, kind: str
) -> None:
    root = make_folder(COUNTS)
    (root / "anna/00.png").write_bytes(b"no image")
    (root / "ünal/00.png").write_bytes((root / "ünal/00.png").read_bytes()[:200])
    source = FolderDataset(root)
    done = convert(source, tmp_path / "first.zip", kind="zip", max_unreadable=0.125)
    assert (done.images, list(done.unreadable)) == (7, [2])
    target = target_of(kind, tmp_path)
    done = convert(source, target, kind=kind, decode=True, max_unreadable=0.25)
    assert (done.images, done.identities, sorted(done.unreadable)) == (6, 2, [2, 4 + 3])
    kept = content(source) - {("ünal", (root / "ünal/00.png").read_bytes()), ("anna", b"no image")}
    assert content(open_dataset(target)) == kept
    other = target_of(kind, tmp_path, "other")
    with pytest.raises(InputError, match=r"2 images are unreadable, more than .* 0\.2 of 8"):
        convert(source, other, kind=kind, decode=True, max_unreadable=0.2)
    assert not [path for path in tmp_path.iterdir() if "other" in path.name]


@pytest.mark.parametrize("kind", WRITERS)
def test_nothing_is_overwritten(source: FolderDataset, tmp_path: Path, kind: str) -> None:
    target = target_of(kind, tmp_path)
    target.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists"):
        convert(source, target, kind=kind)
    assert target.read_bytes() == b"mine"
    with pytest.raises(InputError, match="no folder"):
        convert(source, tmp_path / "none" / target.name, kind=kind)


def test_a_stop_leaves_nothing_behind(source: FolderDataset, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    for kind in WRITERS:
        with pytest.raises(KeyboardInterrupt):
            convert(source, target_of(kind, tmp_path), kind=kind, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_the_same_images_make_the_same_file(source: FolderDataset, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        convert(source, tmp_path / name, kind="zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/out", "a/../b", "", "a//b", ".hidden", "c:x", "a\\b", "_unlabelled"]
)
def test_names_that_lead_outside_are_refused(
    make_folder: MakeFolder, tmp_path: Path, name: str
) -> None:
    records = tmp_path / "records"
    convert(FolderDataset(make_folder({"anna": 1})), records, kind="recordio")
    (records / "train.identities.json").write_text(json.dumps([name]))
    for kind in ("folder", "zip"):
        with pytest.raises(InputError, match="usable as names of folders"):
            convert(open_dataset(records), target_of(kind, tmp_path), kind=kind)
    assert {path.name for path in tmp_path.iterdir()} == {"faces", "records"}


def test_unknown_kinds_are_refused(source: FolderDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kind must be one of folder, zip, recordio"):
        convert(source, tmp_path / "x", kind="lmdb")


def test_pairs_are_unpacked_once_each(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder({"anna": 2, "bo": 1})
    one, two, other = (path.read_bytes() for path in sorted(root.rglob("*.png")))
    write_pair_set(tmp_path / "x.bin", [one, two, two, other], flags=[True, False])
    assert unpack_pair_set(tmp_path / "x.bin", tmp_path / "out") == (3, 2)
    rows = (tmp_path / "out/pairs.tsv").read_text().splitlines()
    assert rows == ["00001.png\t00002.png\t1", "00002.png\t00003.png\t0"]
    files = sorted((tmp_path / "out").glob("*.png"))
    assert [file.read_bytes() for file in files] == [one, two, other]
